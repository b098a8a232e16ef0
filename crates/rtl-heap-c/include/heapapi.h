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
#define GetLastError rtlheap_GetLastError
#define SetLastError rtlheap_SetLastError
#endif

#endif /* RTLHEAP_HEAPAPI_H */
