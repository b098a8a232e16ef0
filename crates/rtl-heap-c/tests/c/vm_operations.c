/* All of the library's memory from one array of the program: no address outside it is handed out. */
#include <rtlheap.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define GRANULE ((SIZE_T)0x10000)
#define GRANULES 512

static char *arena;
static unsigned char used[GRANULES];
static int calls[4];

static void *reserve(void *context, SIZE_T size, ULONG_PTR low, ULONG_PTR high, ULONG flags)
{
    SIZE_T count = (size + GRANULE - 1) / GRANULE, at, length = 0;
    (void)low;
    (void)high;
    (void)flags;
    calls[0]++;
    if (context != calls)
        return NULL;
    for (at = 0; at < GRANULES; at++) {
        length = used[at] ? 0 : length + 1;
        if (length == count) {
            at = at + 1 - count;
            memset(used + at, 1, count);
            return arena + at * GRANULE;
        }
    }
    return NULL;
}

static BOOL commit(void *context, void *address, SIZE_T size, ULONG protection)
{
    (void)context;
    (void)address;
    (void)size;
    calls[1]++;
    return protection == PAGE_READWRITE;
}

static BOOL decommit(void *context, void *address, SIZE_T size)
{
    (void)context;
    calls[2]++;
    memset(address, 0, size);
    return TRUE;
}

static BOOL release(void *context, void *base, SIZE_T size)
{
    calls[3]++;
    memset(used + ((char *)base - arena) / GRANULE, 0, (size + GRANULE - 1) / GRANULE);
    return decommit(context, base, size);
}

int main(void)
{
    rtlheap_vm_operations operations;
    HANDLE heap;
    char *small, *large;
    int good;

    arena = mmap(NULL, (GRANULES + 1) * GRANULE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    arena = (char *)(((ULONG_PTR)arena + GRANULE - 1) & ~(GRANULE - 1));
    memset(&operations, 0, sizeof operations);
    operations.size = sizeof operations;
    operations.context = calls;
    operations.reserve = reserve;
    operations.commit = commit;
    operations.decommit = decommit;
    good = !rtlheap_set_vm_operations(&operations); /* release is missing */
    good = good && !rtlheap_set_vm_operations(NULL);
    operations.release = release;
    good = good && rtlheap_set_vm_operations(&operations);
    good = good && !rtlheap_set_vm_operations(&operations); /* once */

    heap = HeapCreate(0, 0, 0);
    small = HeapAlloc(heap, 0, 100);
    large = HeapAlloc(heap, HEAP_ZERO_MEMORY, 0x300000);
    good = good && small > arena && small < arena + GRANULES * GRANULE;
    good = good && large > arena && large + 0x300000 <= arena + GRANULES * GRANULE;
    good = good && HeapAlloc(heap, 0, 2 * GRANULES * GRANULE) == NULL;
    good = good && GetLastError() == ERROR_NOT_ENOUGH_MEMORY;
    good = good && HeapFree(heap, 0, large) && HeapDestroy(heap);
    good = good && calls[0] >= 3 && calls[1] > 0 && calls[3] >= 2;
    printf("%s\n", good ? "passed" : "failed");
    return good ? 0 : 1;
}
