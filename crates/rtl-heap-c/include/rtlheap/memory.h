/*
 * Local and Global memory, for programs written with the Windows SDK's winbase.h: objects of the
 * process heap with handles, fixed or moveable.
 *
 * What each function does is what Windows documents under its name. rtlheap.h includes this.
 */
#ifndef RTLHEAP_MEMORY_H
#define RTLHEAP_MEMORY_H

#include "types.h"

#if !defined(_WIN32) /* the SDK's winbase.h has them */

#ifndef RTLHEAP_NO_BASE_TYPES
typedef HANDLE HGLOBAL;
typedef HANDLE HLOCAL;
#endif

#define GMEM_FIXED 0x0000
#define GMEM_MOVEABLE 0x0002
#define GMEM_NOCOMPACT 0x0010
#define GMEM_NODISCARD 0x0020
#define GMEM_ZEROINIT 0x0040
#define GMEM_MODIFY 0x0080
#define GMEM_DISCARDABLE 0x0100
#define GMEM_NOT_BANKED 0x1000
#define GMEM_LOWER GMEM_NOT_BANKED
#define GMEM_SHARE 0x2000
#define GMEM_DDESHARE 0x2000
#define GMEM_NOTIFY 0x4000
#define GMEM_VALID_FLAGS 0x7F72
#define GMEM_DISCARDED 0x4000
#define GMEM_INVALID_HANDLE 0x8000
#define GMEM_LOCKCOUNT 0x00FF
#define GHND (GMEM_MOVEABLE | GMEM_ZEROINIT)
#define GPTR (GMEM_FIXED | GMEM_ZEROINIT)

#define LMEM_FIXED 0x0000
#define LMEM_MOVEABLE 0x0002
#define LMEM_NOCOMPACT 0x0010
#define LMEM_NODISCARD 0x0020
#define LMEM_ZEROINIT 0x0040
#define LMEM_MODIFY 0x0080
#define LMEM_DISCARDABLE 0x0F00
#define LMEM_VALID_FLAGS 0x0F72
#define LMEM_DISCARDED 0x4000
#define LMEM_INVALID_HANDLE 0x8000
#define LMEM_LOCKCOUNT 0x00FF
#define LHND (LMEM_MOVEABLE | LMEM_ZEROINIT)
#define LPTR (LMEM_FIXED | LMEM_ZEROINIT)
#define NONZEROLHND LMEM_MOVEABLE
#define NONZEROLPTR LMEM_FIXED

#define GlobalDiscard(hMem) GlobalReAlloc((hMem), 0, GMEM_MOVEABLE)
#define LocalDiscard(hMem) LocalReAlloc((hMem), 0, LMEM_MOVEABLE)

#define ERROR_DISCARDED 157L
#define ERROR_NOT_LOCKED 158L

#endif /* not Windows */

#ifdef __cplusplus
extern "C" {
#endif

/* Global objects. */
RTLHEAP_FN(HGLOBAL, GlobalAlloc, (UINT uFlags, SIZE_T dwBytes));
RTLHEAP_FN(HGLOBAL, GlobalReAlloc, (HGLOBAL hMem, SIZE_T dwBytes, UINT uFlags));
RTLHEAP_FN(HGLOBAL, GlobalFree, (HGLOBAL hMem));
RTLHEAP_FN(LPVOID, GlobalLock, (HGLOBAL hMem));
RTLHEAP_FN(BOOL, GlobalUnlock, (HGLOBAL hMem));
RTLHEAP_FN(UINT, GlobalFlags, (HGLOBAL hMem));
RTLHEAP_FN(SIZE_T, GlobalSize, (HGLOBAL hMem));
RTLHEAP_FN(HGLOBAL, GlobalHandle, (LPCVOID pMem));

/* Local objects. */
RTLHEAP_FN(HLOCAL, LocalAlloc, (UINT uFlags, SIZE_T uBytes));
RTLHEAP_FN(HLOCAL, LocalReAlloc, (HLOCAL hMem, SIZE_T uBytes, UINT uFlags));
RTLHEAP_FN(HLOCAL, LocalFree, (HLOCAL hMem));
RTLHEAP_FN(LPVOID, LocalLock, (HLOCAL hMem));
RTLHEAP_FN(BOOL, LocalUnlock, (HLOCAL hMem));
RTLHEAP_FN(UINT, LocalFlags, (HLOCAL hMem));
RTLHEAP_FN(SIZE_T, LocalSize, (HLOCAL hMem));
RTLHEAP_FN(HLOCAL, LocalHandle, (LPCVOID pMem));

/* Obsolete: compaction of the process heap, and other names of GlobalLock and GlobalUnlock. */
RTLHEAP_FN(SIZE_T, GlobalCompact, (DWORD dwMinFree));
RTLHEAP_FN(VOID, GlobalFix, (HGLOBAL hMem));
RTLHEAP_FN(VOID, GlobalUnfix, (HGLOBAL hMem));
RTLHEAP_FN(LPVOID, GlobalWire, (HGLOBAL hMem));
RTLHEAP_FN(BOOL, GlobalUnWire, (HGLOBAL hMem));
RTLHEAP_FN(SIZE_T, LocalCompact, (UINT uMinFree));
RTLHEAP_FN(SIZE_T, LocalShrink, (HLOCAL hMem, UINT cbNewSize));

#ifdef __cplusplus
}
#endif

#if defined(RTLHEAP_PREFIXED) && !defined(RTLHEAP_NO_NT_NAMES)
#define GlobalAlloc rtlheap_GlobalAlloc
#define GlobalReAlloc rtlheap_GlobalReAlloc
#define GlobalFree rtlheap_GlobalFree
#define GlobalLock rtlheap_GlobalLock
#define GlobalUnlock rtlheap_GlobalUnlock
#define GlobalFlags rtlheap_GlobalFlags
#define GlobalSize rtlheap_GlobalSize
#define GlobalHandle rtlheap_GlobalHandle
#define LocalAlloc rtlheap_LocalAlloc
#define LocalReAlloc rtlheap_LocalReAlloc
#define LocalFree rtlheap_LocalFree
#define LocalLock rtlheap_LocalLock
#define LocalUnlock rtlheap_LocalUnlock
#define LocalFlags rtlheap_LocalFlags
#define LocalSize rtlheap_LocalSize
#define LocalHandle rtlheap_LocalHandle
#define GlobalCompact rtlheap_GlobalCompact
#define GlobalFix rtlheap_GlobalFix
#define GlobalUnfix rtlheap_GlobalUnfix
#define GlobalWire rtlheap_GlobalWire
#define GlobalUnWire rtlheap_GlobalUnWire
#define LocalCompact rtlheap_LocalCompact
#define LocalShrink rtlheap_LocalShrink
#endif

#endif /* RTLHEAP_MEMORY_H */
