/* A double free ends the process once termination on corruption is on, after the handler ran. */
#include <rtlheap.h>
#include <stdio.h>

static void handler(const rtlheap_failure *failure, void *context)
{
    (void)context;
    fprintf(stderr, "handler: kind %u\n", (unsigned)failure->kind);
}

int main(void)
{
    HANDLE heap = HeapCreate(0, 0, 0);
    PVOID block = HeapAlloc(heap, 0, 16);

    rtlheap_set_corruption_handler(handler, NULL);
    HeapFree(heap, 0, block);
    rtlheap_enable_termination_on_corruption();
    HeapFree(heap, 0, block);
    return 3;
}
