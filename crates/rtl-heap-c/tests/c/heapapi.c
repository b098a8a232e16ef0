/* Written as for the Windows SDK: nothing here says that it runs anywhere else. Also built as C++. */
#include <heapapi.h>
#include <stdio.h>
#include <string.h>

static int failures;

static VOID check(BOOL condition, const char *what, int line)
{
    if (!condition) {
        printf("line %d: %s\n", line, what);
        failures++;
    }
}
#define CHECK(condition) check((condition) ? TRUE : FALSE, #condition, __LINE__)

static void blocks_of_a_private_heap(void)
{
    HANDLE hHeap = HeapCreate(0, 0, 0);
    LPBYTE lpText;
    SIZE_T cbSize;

    CHECK(hHeap != NULL);
    CHECK(((ULONG_PTR)hHeap & 0xFFFF) == 0);
    lpText = (LPBYTE)HeapAlloc(hHeap, HEAP_ZERO_MEMORY, 100);
    CHECK(lpText != NULL && lpText[0] == 0 && lpText[99] == 0);
    memset(lpText, 'x', 100);
    lpText = (LPBYTE)HeapReAlloc(hHeap, HEAP_ZERO_MEMORY, lpText, 300);
    CHECK(lpText != NULL && lpText[99] == 'x' && lpText[100] == 0 && lpText[299] == 0);
    cbSize = HeapSize(hHeap, 0, lpText);
    CHECK(cbSize == 300);
    CHECK(HeapLock(hHeap));
    CHECK(HeapUnlock(hHeap));
    CHECK(HeapFree(hHeap, 0, lpText));
    CHECK(HeapFree(hHeap, 0, NULL));
    CHECK(HeapDestroy(hHeap));
}

static void last_error(void)
{
    HANDLE hFixed = HeapCreate(HEAP_NO_SERIALIZE, 0x10000, 0x10000);
    LPVOID lpBlock;

    CHECK(hFixed != NULL);
    SetLastError(0xDEADBEEF);
    lpBlock = HeapAlloc(hFixed, 0, 16);
    CHECK(lpBlock != NULL);
    CHECK(GetLastError() == 0xDEADBEEF);
    CHECK(HeapAlloc(hFixed, 0, 0x20000) == NULL);
    CHECK(GetLastError() == ERROR_NOT_ENOUGH_MEMORY);
    SetLastError(0xDEADBEEF);
    CHECK(HeapReAlloc(hFixed, 0, NULL, 1) == NULL);
    CHECK(GetLastError() == NO_ERROR);
    SetLastError(0xDEADBEEF);
    CHECK(!HeapDestroy(GetProcessHeap()));
    CHECK(GetLastError() == ERROR_INVALID_HANDLE);
    CHECK(HeapDestroy(hFixed));
}

static void heaps_of_the_process(void)
{
    HANDLE hHeaps[8] = {NULL};
    DWORD dwBefore = GetProcessHeaps(0, NULL);
    HANDLE hHeap = HeapCreate(0, 0, 0);

    CHECK(GetProcessHeap() != NULL && dwBefore >= 1);
    CHECK(GetProcessHeaps(8, hHeaps) == dwBefore + 1);
    CHECK(hHeaps[0] == GetProcessHeap());
    CHECK(HeapDestroy(hHeap));
}

int main(void)
{
    blocks_of_a_private_heap();
    last_error();
    heaps_of_the_process();
    printf("%s\n", failures == 0 ? "passed" : "failed");
    return failures == 0 ? 0 : 1;
}
