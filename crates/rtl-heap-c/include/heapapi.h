/*
 * The Win32 face of the NT heap, for programs written with the Windows SDK's heapapi.h.
 *
 * What each function does is what Windows documents under its name. rtlheap/types.h tells which
 * macros change what is declared; rtlheap.h declares the rest of the library.
 */
#ifndef RTLHEAP_HEAPAPI_H
#define RTLHEAP_HEAPAPI_H

#include "rtlheap/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Heaps of the process. */
RTLHEAP_FN(HANDLE, GetProcessHeap, (VOID));
RTLHEAP_FN(DWORD, GetProcessHeaps, (DWORD NumberOfHeaps, PHANDLE ProcessHeaps));

/* One heap, from its creation to its end. */
RTLHEAP_FN(HANDLE, HeapCreate, (DWORD flOptions, SIZE_T dwInitialSize, SIZE_T dwMaximumSize));
RTLHEAP_FN(BOOL, HeapDestroy, (HANDLE hHeap));
RTLHEAP_FN(BOOL, HeapLock, (HANDLE hHeap));
RTLHEAP_FN(BOOL, HeapUnlock, (HANDLE hHeap));

/* Blocks. */
RTLHEAP_FN(LPVOID, HeapAlloc, (HANDLE hHeap, DWORD dwFlags, SIZE_T dwBytes));
RTLHEAP_FN(LPVOID, HeapReAlloc, (HANDLE hHeap, DWORD dwFlags, LPVOID lpMem, SIZE_T dwBytes));
RTLHEAP_FN(BOOL, HeapFree, (HANDLE hHeap, DWORD dwFlags, LPVOID lpMem));
RTLHEAP_FN(SIZE_T, HeapSize, (HANDLE hHeap, DWORD dwFlags, LPCVOID lpMem));

/* Looking into heaps. */
#if !defined(_WIN32) /* the SDK's minwinbase.h has it */
typedef struct _PROCESS_HEAP_ENTRY {
    PVOID lpData;
    DWORD cbData;
    BYTE cbOverhead;
    BYTE iRegionIndex;
    WORD wFlags;
    union {
        struct {
            HANDLE hMem;
            DWORD dwReserved[3];
        } Block;
        struct {
            DWORD dwCommittedSize;
            DWORD dwUnCommittedSize;
            LPVOID lpFirstBlock;
            LPVOID lpLastBlock;
        } Region;
    } DUMMYUNIONNAME;
} PROCESS_HEAP_ENTRY, *LPPROCESS_HEAP_ENTRY, *PPROCESS_HEAP_ENTRY;

#define PROCESS_HEAP_REGION 0x0001
#define PROCESS_HEAP_UNCOMMITTED_RANGE 0x0002
#define PROCESS_HEAP_ENTRY_BUSY 0x0004
#define PROCESS_HEAP_SEG_ALLOC 0x0008
#define PROCESS_HEAP_ENTRY_MOVEABLE 0x0010
#define PROCESS_HEAP_ENTRY_DDESHARE 0x0020
#endif

#ifndef _HEAPAPI_H_ /* the SDK's heapapi.h, whose place this file takes where it is found first */
typedef struct _HEAP_SUMMARY {
    DWORD cb;
    SIZE_T cbAllocated;
    SIZE_T cbCommitted;
    SIZE_T cbReserved;
    SIZE_T cbMaxReserve;
} HEAP_SUMMARY, *PHEAP_SUMMARY;
typedef PHEAP_SUMMARY LPHEAP_SUMMARY;
#endif

RTLHEAP_FN(BOOL, HeapValidate, (HANDLE hHeap, DWORD dwFlags, LPCVOID lpMem));
RTLHEAP_FN(BOOL, HeapWalk, (HANDLE hHeap, LPPROCESS_HEAP_ENTRY lpEntry));
RTLHEAP_FN(SIZE_T, HeapCompact, (HANDLE hHeap, DWORD dwFlags));
RTLHEAP_FN(BOOL, HeapSummary, (HANDLE hHeap, DWORD dwFlags, LPHEAP_SUMMARY lpSummary));

/* Asking and telling heaps. */
#if !defined(_WIN32) /* the SDK's winnt.h has it */
typedef enum _HEAP_INFORMATION_CLASS {
    HeapCompatibilityInformation = 0,
    HeapEnableTerminationOnCorruption = 1,
    HeapOptimizeResources = 3
} HEAP_INFORMATION_CLASS;
#elif !defined(HEAP_OPTIMIZE_RESOURCES_CURRENT_VERSION) /* mingw's lags behind */
#define HeapOptimizeResources ((HEAP_INFORMATION_CLASS)3)
#endif
#ifndef HEAP_OPTIMIZE_RESOURCES_CURRENT_VERSION
#define HEAP_OPTIMIZE_RESOURCES_CURRENT_VERSION 1
typedef struct _HEAP_OPTIMIZE_RESOURCES_INFORMATION {
    DWORD Version; /* 1 */
    DWORD Flags;
} HEAP_OPTIMIZE_RESOURCES_INFORMATION, *PHEAP_OPTIMIZE_RESOURCES_INFORMATION;
#endif

RTLHEAP_FN(BOOL, HeapQueryInformation,
           (HANDLE HeapHandle, HEAP_INFORMATION_CLASS HeapInformationClass, PVOID HeapInformation,
            SIZE_T HeapInformationLength, PSIZE_T ReturnLength));
RTLHEAP_FN(BOOL, HeapSetInformation,
           (HANDLE HeapHandle, HEAP_INFORMATION_CLASS HeapInformationClass, PVOID HeapInformation,
            SIZE_T HeapInformationLength));

/* What the last failed call of this thread left behind. */
RTLHEAP_FN(DWORD, GetLastError, (VOID));
RTLHEAP_FN(VOID, SetLastError, (DWORD dwErrCode));

#ifdef __cplusplus
}
#endif

#if defined(RTLHEAP_PREFIXED) && !defined(RTLHEAP_NO_NT_NAMES)
#define GetProcessHeap rtlheap_GetProcessHeap
#define GetProcessHeaps rtlheap_GetProcessHeaps
#define HeapCreate rtlheap_HeapCreate
#define HeapDestroy rtlheap_HeapDestroy
#define HeapLock rtlheap_HeapLock
#define HeapUnlock rtlheap_HeapUnlock
#define HeapAlloc rtlheap_HeapAlloc
#define HeapReAlloc rtlheap_HeapReAlloc
#define HeapFree rtlheap_HeapFree
#define HeapSize rtlheap_HeapSize
#define HeapValidate rtlheap_HeapValidate
#define HeapWalk rtlheap_HeapWalk
#define HeapCompact rtlheap_HeapCompact
#define HeapSummary rtlheap_HeapSummary
#define HeapQueryInformation rtlheap_HeapQueryInformation
#define HeapSetInformation rtlheap_HeapSetInformation
#define GetLastError rtlheap_GetLastError
#define SetLastError rtlheap_SetLastError
#endif

#endif /* RTLHEAP_HEAPAPI_H */
