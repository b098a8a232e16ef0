/* HEAP_GENERATE_EXCEPTIONS without a raise routine ends the process with a report. */
#include <rtlheap.h>

int main(void)
{
    HANDLE heap = HeapCreate(HEAP_GENERATE_EXCEPTIONS, 0x10000, 0x10000);
    return HeapAlloc(heap, 0, 0x100000) == NULL ? 2 : 3;
}
