/* A program with a HeapAlloc and a SetLastError of its own, like every loader of Windows programs:
 * the library's are reached by their prefixed names, and neither stands in the other's way. */
#define RTLHEAP_NO_NT_NAMES
#include <rtlheap.h>
#include <stdio.h>

static DWORD calls;

LPVOID HeapAlloc(HANDLE heap, DWORD flags, SIZE_T size)
{
    calls++;
    return rtlheap_HeapAlloc(heap, flags, size);
}

void SetLastError(DWORD error)
{
    calls++;
    rtlheap_SetLastError(error);
}

int main(void)
{
    HANDLE heap = rtlheap_HeapCreate(0, 0, 0);
    LPVOID block = HeapAlloc(heap, 0, 33);
    int good;

    SetLastError(77);
    good = block != NULL && rtlheap_HeapSize(heap, 0, block) == 33;
    good = good && rtlheap_GetLastError() == 77 && calls == 2;
    good = good && rtlheap_HeapFree(heap, 0, block) && rtlheap_HeapDestroy(heap);
    printf("%s\n", good ? "passed" : "failed");
    return good ? 0 : 1;
}
