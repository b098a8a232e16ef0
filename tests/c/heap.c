/*
 * A private heap, as a program written for the Windows SDK makes and uses one. Nothing here knows
 * that it may not run on Windows.
 */
#include <heapapi.h>

#include <string.h>

#include "check.h"

static void blocks_keep_size_and_contents(HANDLE heap)
{
    char *text = (char *)HeapAlloc(heap, HEAP_ZERO_MEMORY, 100);
    SIZE_T i, zeros = 0;

    CHECK(text != NULL);
    CHECK(((ULONG_PTR)text & 15) == 0 || sizeof(void *) == 4);
    for (i = 0; i < 100; i++)
        zeros += text[i] == 0;
    CHECK(zeros == 100);
    CHECK(HeapSize(heap, 0, text) == 100);

    strcpy(text, "one statement at a time");
    text = (char *)HeapReAlloc(heap, HEAP_ZERO_MEMORY, text, 5000);
    CHECK(text != NULL);
    CHECK(strcmp(text, "one statement at a time") == 0);
    CHECK(HeapSize(heap, 0, text) == 5000);
    CHECK(text[100] == 0 && text[4999] == 0);

    text = (char *)HeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, text, 50);
    CHECK(text != NULL);
    CHECK(HeapSize(heap, 0, text) == 50);
    CHECK(HeapFree(heap, 0, text));
}

static void a_growable_heap_serves_large_blocks(HANDLE heap)
{
    const SIZE_T size = 3 * 1024 * 1024 + 1;
    unsigned char *large = (unsigned char *)HeapAlloc(heap, HEAP_ZERO_MEMORY, size);

    CHECK(large != NULL);
    CHECK(large[0] == 0 && large[size - 1] == 0);
    large[size - 1] = 0xA5;
    CHECK(HeapSize(heap, 0, large) == size);
    CHECK(HeapFree(heap, 0, large));
}

static void many_blocks_are_disjoint(HANDLE heap)
{
    enum { COUNT = 2000 };
    static unsigned char *blocks[COUNT];
    SIZE_T i, j, damaged = 0;

    for (i = 0; i < COUNT; i++) {
        blocks[i] = (unsigned char *)HeapAlloc(heap, 0, i % 333 + 1);
        if (blocks[i] != NULL)
            memset(blocks[i], (int)(i % 251), i % 333 + 1);
    }
    for (i = 0; i < COUNT; i += 2)
        damaged += !HeapFree(heap, 0, blocks[i]);
    for (i = 1; i < COUNT; i += 2) {
        for (j = 0; j < i % 333 + 1; j++)
            damaged += blocks[i][j] != i % 251;
        damaged += !HeapFree(heap, 0, blocks[i]);
    }
    CHECK(damaged == 0);
}

static void a_fixed_heap_ends_where_it_was_told(void)
{
    HANDLE fixed = HeapCreate(0, 0x1000, 0x10000);
    SIZE_T blocks = 0;

    CHECK(fixed != NULL);
    CHECK(HeapAlloc(fixed, 0, 0x20000) == NULL);
    while (HeapAlloc(fixed, 0, 1000) != NULL)
        blocks++;
    CHECK(blocks > 20 && blocks < 66);
    CHECK(HeapDestroy(fixed));
}

static void the_process_heap_is_there_from_the_start(void)
{
    HANDLE heaps[64];
    HANDLE process_heap = GetProcessHeap();
    DWORD before = GetProcessHeaps(64, heaps);
    HANDLE another;
    void *block;

    CHECK(process_heap != NULL);
    CHECK(before >= 1 && heaps[0] == process_heap);
    another = HeapCreate(HEAP_NO_SERIALIZE, 0, 0);
    CHECK(another != NULL);
    CHECK(GetProcessHeaps(64, heaps) == before + 1);
    CHECK(heaps[before] == another);
    CHECK(HeapDestroy(another));
    CHECK(GetProcessHeaps(64, heaps) == before);

    block = HeapAlloc(process_heap, 0, 10);
    CHECK(block != NULL && HeapSize(process_heap, 0, block) == 10);
    CHECK(HeapFree(process_heap, 0, block));
}

static void the_lock_is_recursive(HANDLE heap)
{
    CHECK(HeapLock(heap));
    CHECK(HeapLock(heap));
    CHECK(HeapAlloc(heap, 0, 1) != NULL);
    CHECK(HeapUnlock(heap));
    CHECK(HeapUnlock(heap));
}

static void last_errors_are_a_threads_own(void)
{
    SetLastError(0xDEADBEEF);
    CHECK(GetLastError() == 0xDEADBEEF);
    SetLastError(NO_ERROR);
    CHECK(GetLastError() == NO_ERROR);
}

int main(void)
{
    HANDLE heap = HeapCreate(0, 0, 0);

    CHECK(heap != NULL);
    CHECK(((ULONG_PTR)heap & 0xFFFF) == 0);
    blocks_keep_size_and_contents(heap);
    a_growable_heap_serves_large_blocks(heap);
    many_blocks_are_disjoint(heap);
    the_lock_is_recursive(heap);
    CHECK(HeapDestroy(heap));
    a_fixed_heap_ends_where_it_was_told();
    the_process_heap_is_there_from_the_start();
    last_errors_are_a_threads_own();
    return checks_end("heap.c");
}
