/*
 * Types and constants shared by rtlheap.h and heapapi.h, in the Windows SDK's spelling.
 *
 * On Windows they come from the SDK. Elsewhere they are defined here with the SDK's sizes: DWORD,
 * ULONG and LONG have 32 bits on every system, SIZE_T and ULONG_PTR those of a pointer.
 *
 * Macros a program may define before it includes any header of this library:
 *
 *   RTLHEAP_PREFIXED       calls by an NT name become calls of the rtlheap_ name
 *                          (HeapAlloc -> rtlheap_HeapAlloc): for a library built without the
 *                          feature `nt-names`, and for the static library on Windows.
 *   RTLHEAP_NO_NT_NAMES    only the rtlheap_ names are declared: for programs that define the NT
 *                          names themselves.
 *   RTLHEAP_NO_BASE_TYPES  the program has its own DWORD, HANDLE and so on, of the same sizes.
 *   RTLHEAP_STATIC         the static library is linked (matters on Windows only).
 */
#ifndef RTLHEAP_TYPES_H
#define RTLHEAP_TYPES_H

#if defined(_WIN32)

#include <windows.h>

/* The static library has the prefixed names only: the others are kernel32's. */
#ifdef RTLHEAP_STATIC
#define RTLHEAP_API
#ifndef RTLHEAP_PREFIXED
#define RTLHEAP_PREFIXED
#endif
#else
#define RTLHEAP_API __declspec(dllimport)
#endif

#else /* not Windows */

#include <stddef.h>
#include <stdint.h>

#define RTLHEAP_API

#ifndef RTLHEAP_NO_BASE_TYPES

typedef int BOOL, *PBOOL, *LPBOOL;
typedef unsigned char BYTE, *PBYTE, *LPBYTE;
typedef unsigned char UCHAR, *PUCHAR;
typedef unsigned char BOOLEAN, *PBOOLEAN;
typedef char CHAR, *PCHAR;
typedef uint16_t WORD, *PWORD, *LPWORD;
typedef uint16_t USHORT, *PUSHORT;
typedef int16_t SHORT, *PSHORT;
/* UTF-16, whatever wchar_t is: u"text" in C11 and C++11. */
#if defined(__cplusplus) && __cplusplus >= 201103L
typedef char16_t WCHAR, *PWSTR;
typedef const char16_t *PCWSTR;
#else
typedef uint16_t WCHAR, *PWSTR;
typedef const uint16_t *PCWSTR;
#endif
typedef int INT, *PINT, *LPINT;
typedef unsigned int UINT, *PUINT;
typedef int32_t LONG, *PLONG, *LPLONG;
typedef uint32_t ULONG, *PULONG;
typedef uint32_t DWORD, *PDWORD, *LPDWORD;
typedef int64_t LONGLONG, *PLONGLONG;
typedef uint64_t ULONGLONG, *PULONGLONG;
typedef intptr_t INT_PTR, *PINT_PTR;
typedef intptr_t LONG_PTR, *PLONG_PTR;
typedef uintptr_t UINT_PTR, *PUINT_PTR;
typedef uintptr_t ULONG_PTR, *PULONG_PTR;
typedef uintptr_t DWORD_PTR, *PDWORD_PTR;
typedef size_t SIZE_T, *PSIZE_T;
typedef uint64_t ULONG64, *PULONG64;
typedef ptrdiff_t SSIZE_T, *PSSIZE_T;
typedef void *PVOID, *LPVOID;
typedef const void *LPCVOID;
typedef void *HANDLE, **PHANDLE, **LPHANDLE;

#ifndef GUID_DEFINED
#define GUID_DEFINED
typedef struct _GUID {
    ULONG Data1;
    USHORT Data2;
    USHORT Data3;
    UCHAR Data4[8];
} GUID;
#endif

#ifndef VOID
#define VOID void
#endif
#ifndef CONST
#define CONST const
#endif
/* Anonymous, as in the SDK, where C allows it. */
#ifndef DUMMYUNIONNAME
#if defined(__cplusplus) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L)
#define DUMMYUNIONNAME
#else
#define DUMMYUNIONNAME u
#endif
#endif
#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif

/* The one calling convention there is. */
#ifndef WINAPI
#define WINAPI
#endif
#ifndef NTAPI
#define NTAPI
#endif
#ifndef CALLBACK
#define CALLBACK
#endif

#endif /* RTLHEAP_NO_BASE_TYPES */

#define EXCEPTION_MAXIMUM_PARAMETERS 15

/* What a raise routine is given: NT's structure. */
typedef struct _EXCEPTION_RECORD {
    DWORD ExceptionCode;
    DWORD ExceptionFlags;
    struct _EXCEPTION_RECORD *ExceptionRecord;
    PVOID ExceptionAddress;
    DWORD NumberParameters;
    ULONG_PTR ExceptionInformation[EXCEPTION_MAXIMUM_PARAMETERS];
} EXCEPTION_RECORD, *PEXCEPTION_RECORD;

#endif /* not Windows */

/* Types that the SDK's windows.h has not. */
#if !defined(RTLHEAP_NO_BASE_TYPES)
#if !defined(_NTDEF_) && !defined(_NTSTATUS_PSDK)
typedef LONG NTSTATUS, *PNTSTATUS;
#endif
typedef const void *PCVOID;
typedef ULONG LOGICAL, *PLOGICAL;
#endif

/* Flags of creation and of calls. */
#ifndef HEAP_NO_SERIALIZE
#define HEAP_NO_SERIALIZE 0x00000001
#define HEAP_GROWABLE 0x00000002
#define HEAP_GENERATE_EXCEPTIONS 0x00000004
#define HEAP_ZERO_MEMORY 0x00000008
#define HEAP_REALLOC_IN_PLACE_ONLY 0x00000010
#define HEAP_TAIL_CHECKING_ENABLED 0x00000020
#define HEAP_FREE_CHECKING_ENABLED 0x00000040
#define HEAP_DISABLE_COALESCE_ON_FREE 0x00000080
#define HEAP_CREATE_ALIGN_16 0x00010000
#define HEAP_CREATE_ENABLE_TRACING 0x00020000
#define HEAP_CREATE_ENABLE_EXECUTE 0x00040000
#define HEAP_MAXIMUM_TAG 0x0FFF
#define HEAP_PSEUDO_TAG_FLAG 0x8000
#define HEAP_TAG_SHIFT 18
#endif

/* Flags that the SDK leaves to the driver kit. */
#ifndef HEAP_SETTABLE_USER_VALUE
#define HEAP_SETTABLE_USER_VALUE 0x00000100
#define HEAP_SETTABLE_USER_FLAG1 0x00000200
#define HEAP_SETTABLE_USER_FLAG2 0x00000400
#define HEAP_SETTABLE_USER_FLAG3 0x00000800
#define HEAP_SETTABLE_USER_FLAGS 0x00000E00
#endif
#ifndef HEAP_CLASS_0
#define HEAP_CLASS_0 0x00000000
#define HEAP_CLASS_1 0x00001000
#define HEAP_CLASS_2 0x00002000
#define HEAP_CLASS_3 0x00003000
#define HEAP_CLASS_4 0x00004000
#define HEAP_CLASS_5 0x00005000
#define HEAP_CLASS_6 0x00006000
#define HEAP_CLASS_7 0x00007000
#define HEAP_CLASS_8 0x00008000
#define HEAP_CLASS_MASK 0x0000F000
#endif

/* Win32 errors a heap call may leave behind. */
#ifndef NO_ERROR
#define NO_ERROR 0L
#endif
#ifndef ERROR_SUCCESS
#define ERROR_SUCCESS 0L
#endif
#ifndef ERROR_INVALID_HANDLE
#define ERROR_INVALID_HANDLE 6L
#endif
#ifndef ERROR_NOT_ENOUGH_MEMORY
#define ERROR_NOT_ENOUGH_MEMORY 8L
#endif
#ifndef ERROR_INVALID_PARAMETER
#define ERROR_INVALID_PARAMETER 87L
#endif
#ifndef ERROR_NOT_OWNER
#define ERROR_NOT_OWNER 288L
#endif
#ifndef ERROR_NOACCESS
#define ERROR_NOACCESS 998L
#endif

/* The same as NTSTATUS values. */
#ifndef STATUS_SUCCESS
#define STATUS_SUCCESS ((NTSTATUS)0x00000000L)
#endif
#ifndef STATUS_INVALID_HANDLE
#define STATUS_INVALID_HANDLE ((NTSTATUS)0xC0000008L)
#endif
#ifndef STATUS_INVALID_PARAMETER
#define STATUS_INVALID_PARAMETER ((NTSTATUS)0xC000000DL)
#endif
#ifndef STATUS_NO_MEMORY
#define STATUS_NO_MEMORY ((NTSTATUS)0xC0000017L)
#endif
#ifndef STATUS_RESOURCE_NOT_OWNED
#define STATUS_RESOURCE_NOT_OWNED ((NTSTATUS)0xC0000264L)
#endif
#ifndef STATUS_HEAP_CORRUPTION
#define STATUS_HEAP_CORRUPTION ((NTSTATUS)0xC0000374L)
#endif

/* Page states and protections, as the VM operations of rtlheap.h use them. */
#ifndef PAGE_NOACCESS
#define PAGE_NOACCESS 0x01
#define PAGE_READONLY 0x02
#define PAGE_READWRITE 0x04
#define PAGE_EXECUTE_READWRITE 0x40
#endif
#ifndef MEM_COMMIT
#define MEM_COMMIT 0x00001000
#define MEM_RESERVE 0x00002000
#define MEM_FREE 0x00010000
#define MEM_TOP_DOWN 0x00100000
#endif

/* Declares one function under its rtlheap_ name and, unless told otherwise, under its NT name. */
#if defined(RTLHEAP_PREFIXED) || defined(RTLHEAP_NO_NT_NAMES)
#define RTLHEAP_FN(result, name, parameters) RTLHEAP_API result NTAPI rtlheap_##name parameters
#else
#define RTLHEAP_FN(result, name, parameters)                  \
    RTLHEAP_API result NTAPI rtlheap_##name parameters;       \
    RTLHEAP_API result NTAPI name parameters
#endif

#endif /* RTLHEAP_TYPES_H */
