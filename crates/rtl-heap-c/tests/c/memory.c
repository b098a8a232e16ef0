/* Local and Global memory as a program for Windows uses it. Also built as C++. */
#include <rtlheap.h>
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

/* A clipboard's way with text: moveable, shared, locked while it is written. */
static void text_behind_a_handle(void)
{
    HGLOBAL hText = GlobalAlloc(GHND | GMEM_DDESHARE, 100);
    char *lpText = (char *)GlobalLock(hText);

    CHECK(hText != NULL && lpText != NULL && (HGLOBAL)lpText != hText);
    CHECK(lpText[0] == 0 && lpText[99] == 0);
    strcpy(lpText, "some text");
    CHECK(GlobalHandle(lpText) == hText);
    CHECK(GlobalFlags(hText) == (GMEM_DDESHARE | 1));
    CHECK(!GlobalUnlock(hText) && GetLastError() == NO_ERROR);
    CHECK(!GlobalUnlock(hText) && GetLastError() == ERROR_NOT_LOCKED);

    hText = GlobalReAlloc(hText, 100000, GMEM_MOVEABLE | GMEM_ZEROINIT);
    lpText = (char *)GlobalLock(hText);
    CHECK(GlobalSize(hText) == 100000);
    CHECK(strcmp(lpText, "some text") == 0 && lpText[99999] == 0);
    CHECK(GlobalDiscard(hText) == NULL);
    CHECK(!GlobalUnlock(hText));
    CHECK(GlobalDiscard(hText) == hText);
    CHECK((GlobalFlags(hText) & GMEM_DISCARDED) != 0);
    CHECK(GlobalLock(hText) == NULL && GetLastError() == ERROR_DISCARDED);
    CHECK(GlobalFree(hText) == NULL);
    CHECK(GlobalFree(hText) == hText && GetLastError() == ERROR_INVALID_HANDLE);
    CHECK(GlobalFlags(hText) == GMEM_INVALID_HANDLE);
}

static void fixed_memory(void)
{
    int *lpNumbers = (int *)LocalAlloc(LPTR, 10 * sizeof(int));

    CHECK(lpNumbers != NULL && lpNumbers[9] == 0);
    lpNumbers[9] = 9;
    CHECK(LocalSize(lpNumbers) == 10 * sizeof(int));
    CHECK(LocalHandle(lpNumbers) == lpNumbers);
    CHECK(LocalFlags(lpNumbers) == 0);
    lpNumbers = (int *)LocalReAlloc(lpNumbers, 5000 * sizeof(int), LMEM_MOVEABLE | LMEM_ZEROINIT);
    CHECK(lpNumbers != NULL && lpNumbers[9] == 9 && lpNumbers[4999] == 0);
    CHECK(LocalLock(lpNumbers) == lpNumbers);
    CHECK(!LocalUnlock(lpNumbers));
    CHECK(HeapSize(GetProcessHeap(), 0, lpNumbers) == 5000 * sizeof(int));
    CHECK(LocalFree(lpNumbers) == NULL);
}

static void obsolete_calls(void)
{
    HGLOBAL hObject = GlobalAlloc(GMEM_MOVEABLE, 10);

    GlobalFix(hObject);
    CHECK(GlobalFlags(hObject) == 1);
    CHECK(GlobalWire(hObject) != NULL);
    CHECK((GlobalFlags(hObject) & GMEM_LOCKCOUNT) == 2);
    CHECK(GlobalUnWire(hObject));
    GlobalUnfix(hObject);
    CHECK(GlobalFlags(hObject) == 0);
    CHECK(GlobalFree(hObject) == NULL);
    CHECK(GlobalCompact(0) > 0);
    CHECK(LocalCompact(0) > 0);
    CHECK(LocalShrink(NULL, 0) > 0);
}

static void wrong_flags(void)
{
    SetLastError(0xDEADBEEF);
    CHECK(GlobalAlloc(GMEM_MODIFY, 10) == NULL);
    CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
    SetLastError(0xDEADBEEF);
    CHECK(LocalAlloc(GMEM_DDESHARE, 10) == NULL);
    CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
}

int main(void)
{
    text_behind_a_handle();
    fixed_memory();
    obsolete_calls();
    wrong_flags();
    printf("%s\n", failures == 0 ? "passed" : "failed");
    return failures == 0 ? 0 : 1;
}
