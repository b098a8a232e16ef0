/*
 * The NT heap on any system: everything this library exports.
 *
 * What RtlCreateHeap and its companions do is what Windows documents under their names. Functions
 * with the prefix rtlheap_ and no NT name are this library's own; they are explained here. All of
 * those that register something are meant to be called before the first heap is made; unless said
 * otherwise they return TRUE, or FALSE and ERROR_INVALID_PARAMETER for a wrong argument.
 *
 * rtlheap/types.h tells which macros change what is declared.
 */
#ifndef RTLHEAP_H
#define RTLHEAP_H

#include "heapapi.h"
#include "rtlheap/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Creation parameters -------------------------------------------------------------------- */

/* Commits caller memory on demand. In: what the heap wants; out: what was committed. */
typedef NTSTATUS(NTAPI *PRTL_HEAP_COMMIT_ROUTINE)(PVOID Base, PVOID *CommitAddress,
                                                  PSIZE_T CommitSize);

/* Sizes in bytes; zero takes the default. Ignored as a whole unless Length is its size. */
#if !(defined(__MINGW32__) && defined(_WINTERNL_)) /* mingw's winternl.h has it */
typedef struct _RTL_HEAP_PARAMETERS {
    ULONG Length;
    SIZE_T SegmentReserve;
    SIZE_T SegmentCommit;
    SIZE_T DeCommitFreeBlockThreshold;
    SIZE_T DeCommitTotalFreeThreshold;
    SIZE_T MaximumAllocationSize;
    SIZE_T VirtualMemoryThreshold;
    SIZE_T InitialCommit;
    SIZE_T InitialReserve;
    PRTL_HEAP_COMMIT_ROUTINE CommitRoutine;
    SIZE_T Reserved[2];
} RTL_HEAP_PARAMETERS, *PRTL_HEAP_PARAMETERS;
#endif

typedef NTSTATUS(NTAPI *PRTL_ENUM_HEAPS_ROUTINE)(PVOID HeapHandle, PVOID Parameter);

/* ---- Heaps ---------------------------------------------------------------------------------- */

/* Lock: NULL, an ERESOURCE initialised below, or a struct rtlheap_lock. */
RTLHEAP_FN(PVOID, RtlCreateHeap,
           (ULONG Flags, PVOID HeapBase, SIZE_T ReserveSize, SIZE_T CommitSize, PVOID Lock,
            PRTL_HEAP_PARAMETERS Parameters));
RTLHEAP_FN(PVOID, RtlDestroyHeap, (PVOID HeapHandle));
RTLHEAP_FN(BOOLEAN, RtlLockHeap, (PVOID HeapHandle));
RTLHEAP_FN(BOOLEAN, RtlUnlockHeap, (PVOID HeapHandle));
RTLHEAP_FN(ULONG, RtlGetProcessHeaps, (ULONG NumberOfHeaps, PVOID *ProcessHeaps));
RTLHEAP_FN(NTSTATUS, RtlEnumProcessHeaps, (PRTL_ENUM_HEAPS_ROUTINE EnumRoutine, PVOID Parameter));

/* ---- Blocks --------------------------------------------------------------------------------- */

RTLHEAP_FN(PVOID, RtlAllocateHeap, (PVOID HeapHandle, ULONG Flags, SIZE_T Size));
RTLHEAP_FN(PVOID, RtlReAllocateHeap,
           (PVOID HeapHandle, ULONG Flags, PVOID BaseAddress, SIZE_T Size));
RTLHEAP_FN(LOGICAL, RtlFreeHeap, (PVOID HeapHandle, ULONG Flags, PVOID BaseAddress));
RTLHEAP_FN(SIZE_T, RtlSizeHeap, (PVOID HeapHandle, ULONG Flags, PCVOID BaseAddress));

/* ---- Looking into heaps --------------------------------------------------------------------- */

/* A NULL heap stands for all heaps of the process, a NULL address for the whole heap. */
RTLHEAP_FN(BOOLEAN, RtlValidateHeap, (PVOID HeapHandle, ULONG Flags, PCVOID BaseAddress));
RTLHEAP_FN(BOOLEAN, RtlValidateProcessHeaps, (VOID));

/* One step of a walk: set DataAddress to NULL to start, and pass each entry back to go on. */
typedef struct _RTL_HEAP_WALK_ENTRY {
    PVOID DataAddress;
    SIZE_T DataSize;
    UCHAR OverheadBytes;
    UCHAR SegmentIndex; /* 64: a large block */
    USHORT Flags;
    union {
        struct {
            SIZE_T Settable;
            USHORT TagIndex;
            USHORT AllocatorBackTraceIndex;
            ULONG Reserved[2];
        } Block;
        struct {
            ULONG CommittedSize;
            ULONG UnCommittedSize;
            PVOID FirstEntry;
            PVOID LastEntry;
        } Segment;
    } u;
} RTL_HEAP_WALK_ENTRY, *PRTL_HEAP_WALK_ENTRY;

#define RTL_HEAP_BUSY 0x0001
#define RTL_HEAP_SEGMENT 0x0002
#define RTL_HEAP_SETTABLE_VALUE 0x0010
#define RTL_HEAP_SETTABLE_FLAG1 0x0020
#define RTL_HEAP_SETTABLE_FLAG2 0x0040
#define RTL_HEAP_SETTABLE_FLAG3 0x0080
#define RTL_HEAP_UNCOMMITTED_RANGE 0x1000
#define RTL_HEAP_LARGE_ALLOC 0x4000
#define RTL_HEAP_LFH_ALLOC 0x8000

RTLHEAP_FN(NTSTATUS, RtlWalkHeap, (PVOID HeapHandle, PRTL_HEAP_WALK_ENTRY Entry));

/* A value and three flags that a program keeps with a block. The value is there if the block was
   allocated with HEAP_SETTABLE_USER_VALUE; the flags are HEAP_SETTABLE_USER_FLAG1 to 3. */
RTLHEAP_FN(BOOLEAN, RtlGetUserInfoHeap,
           (PVOID HeapHandle, ULONG Flags, PVOID BaseAddress, PVOID *UserValue, PULONG UserFlags));
RTLHEAP_FN(BOOLEAN, RtlSetUserValueHeap,
           (PVOID HeapHandle, ULONG Flags, PVOID BaseAddress, PVOID UserValue));
RTLHEAP_FN(BOOLEAN, RtlSetUserFlagsHeap,
           (PVOID HeapHandle, ULONG Flags, PVOID BaseAddress, ULONG UserFlagsReset,
            ULONG UserFlagsSet));

/*
 * Tags: names to count blocks under, for heaps with tagging (FLG_HEAP_ENABLE_TAGGING, or created
 * with HEAP_TAGGING_ENABLED and HEAP_SKIP_VALIDATION_CHECKS). RtlCreateTagHeap returns the first
 * new tag as it goes into the flags of an allocation, or 0; the others follow in steps of
 * 1 << HEAP_TAG_SHIFT. A NULL heap stands for the process, whose tags all heaps count for. Blocks
 * without a tag count for HEAP_PSEUDO_TAG_FLAG and the number of granules of the block: 1 to 127, 0
 * for more, 128 for blocks with a reservation of their own.
 */
#ifndef HEAP_GLOBAL_TAG
#define HEAP_GLOBAL_TAG 0x0800
#endif
#define HEAP_TAGGING_ENABLED 0x04000000
#ifndef HEAP_SKIP_VALIDATION_CHECKS
#define HEAP_SKIP_VALIDATION_CHECKS 0x10000000
#endif

typedef struct _RTL_HEAP_TAG_INFO {
    ULONG NumberOfAllocations;
    ULONG NumberOfFrees;
    SIZE_T BytesAllocated; /* asked for, in blocks that live */
} RTL_HEAP_TAG_INFO, *PRTL_HEAP_TAG_INFO;

RTLHEAP_FN(ULONG, RtlCreateTagHeap,
           (PVOID HeapHandle, ULONG Flags, PCWSTR TagPrefix, PCWSTR TagNames));
RTLHEAP_FN(PWSTR, RtlQueryTagHeap,
           (PVOID HeapHandle, ULONG Flags, USHORT TagIndex, BOOLEAN ResetCounters,
            PRTL_HEAP_TAG_INFO TagInfo));

/* Several blocks of one size; both return how many. */
RTLHEAP_FN(ULONG, RtlMultipleAllocateHeap,
           (PVOID HeapHandle, ULONG Flags, SIZE_T Size, ULONG Count, PVOID *Array));
RTLHEAP_FN(ULONG, RtlMultipleFreeHeap,
           (PVOID HeapHandle, ULONG Flags, ULONG Count, PVOID *Array));

/* The size of the largest committed free block, after giving back what is kept for later. */
RTLHEAP_FN(SIZE_T, RtlCompactHeap, (PVOID HeapHandle, ULONG Flags));

/* Overwrites free memory with zeros. */
RTLHEAP_FN(NTSTATUS, RtlZeroHeap, (PVOID HeapHandle, ULONG Flags));

/* Read-only segments. Until it is called with FALSE the handle is no heap's to any other call. */
RTLHEAP_FN(VOID, RtlProtectHeap, (PVOID HeapHandle, BOOLEAN MakeReadOnly));

/* Adds the caller's memory as a segment; it is the heap's until that is destroyed. */
RTLHEAP_FN(NTSTATUS, RtlExtendHeap, (PVOID HeapHandle, ULONG Flags, PVOID Base, SIZE_T Size));

/* All heaps give back what they keep for later. */
RTLHEAP_FN(VOID, RtlFlushHeaps, (VOID));

/* A line on standard error for each heap with blocks in it, once leak detection is on. */
RTLHEAP_FN(VOID, RtlDetectHeapLeaks, (VOID));

/* Turns leak detection on and has RtlDetectHeapLeaks called when the process ends. */
RTLHEAP_API BOOL NTAPI rtlheap_report_leaks_at_exit(VOID);

typedef struct _RTL_HEAP_USAGE_ENTRY {
    struct _RTL_HEAP_USAGE_ENTRY *Next;
    PVOID Address;
    SIZE_T Size;
    USHORT AllocatorBackTraceIndex;
    USHORT TagIndex;
} RTL_HEAP_USAGE_ENTRY, *PRTL_HEAP_USAGE_ENTRY;

/* Zero all of it but Length before the first call. */
typedef struct _RTL_HEAP_USAGE {
    ULONG Length;
    SIZE_T BytesAllocated;
    SIZE_T BytesCommitted;
    SIZE_T BytesReserved;
    SIZE_T BytesReservedMaximum;
    PRTL_HEAP_USAGE_ENTRY Entries;
    PRTL_HEAP_USAGE_ENTRY AddedEntries;
    PRTL_HEAP_USAGE_ENTRY RemovedEntries;
    ULONG_PTR Reserved[8];
} RTL_HEAP_USAGE, *PRTL_HEAP_USAGE;

#define HEAP_USAGE_FREE_BUFFER 0x08      /* give the lists back */
#define HEAP_USAGE_ALLOCATED_BLOCKS 0x10 /* list blocks */

RTLHEAP_FN(NTSTATUS, RtlUsageHeap, (PVOID HeapHandle, ULONG Flags, PRTL_HEAP_USAGE Usage));

/* ---- Heaps as debuggers see them ------------------------------------------------------------ */

typedef struct _RTL_HEAP_ENTRY {
    SIZE_T Size;
    USHORT Flags; /* RTL_HEAP_* */
    USHORT AllocatorBackTraceIndex;
    union {
        SIZE_T Settable; /* a block with a user value */
        ULONG Tag;       /* a block with a tag and no user value */
        struct {
            SIZE_T CommittedSize;
            PVOID FirstBlock;
        } Region;
    } u;
} RTL_HEAP_ENTRY, *PRTL_HEAP_ENTRY;

typedef struct _RTL_HEAP_TAG {
    ULONG NumberOfAllocations;
    ULONG NumberOfFrees;
    SIZE_T BytesAllocated;
    USHORT TagIndex;
    USHORT CreatorBackTraceIndex;
    WCHAR TagName[24];
} RTL_HEAP_TAG, *PRTL_HEAP_TAG;

typedef struct _RTL_HEAP_INFORMATION {
    PVOID BaseAddress;
    ULONG Flags;
    USHORT EntryOverhead;
    USHORT CreatorBackTraceIndex;
    SIZE_T BytesAllocated;
    SIZE_T BytesCommitted;
    ULONG NumberOfTags;
    ULONG NumberOfEntries;
    ULONG NumberOfPseudoTags;
    ULONG PseudoTagGranularity;
    ULONG Reserved[5];
    PRTL_HEAP_TAG Tags; /* the heap's own, then the pseudo tags */
    PRTL_HEAP_ENTRY Entries;
} RTL_HEAP_INFORMATION, *PRTL_HEAP_INFORMATION;

typedef struct _RTL_PROCESS_HEAPS {
    ULONG NumberOfHeaps;
    RTL_HEAP_INFORMATION Heaps[1]; /* NumberOfHeaps of them */
} RTL_PROCESS_HEAPS, *PRTL_PROCESS_HEAPS;

typedef struct _RTL_DEBUG_INFORMATION {
    HANDLE SectionHandleClient;
    PVOID ViewBaseClient;
    PVOID ViewBaseTarget;
    ULONG_PTR ViewBaseDelta;
    HANDLE EventPairClient;
    HANDLE EventPairTarget;
    HANDLE TargetProcessId;
    HANDLE TargetThreadHandle;
    ULONG Flags; /* set before the call */
    SIZE_T OffsetFree;
    SIZE_T CommitSize;
    SIZE_T ViewSize;
    PVOID Modules;
    PVOID BackTraces;
    PRTL_PROCESS_HEAPS Heaps;
    PVOID Locks;
    PVOID SpecificHeap; /* NULL: all heaps */
    HANDLE TargetProcessHandle;
    PVOID VerifierOptions;
    PVOID ProcessHeap;
    HANDLE CriticalSectionHandle;
    HANDLE CriticalSectionOwnerThread;
    PVOID Reserved[4];
} RTL_DEBUG_INFORMATION, *PRTL_DEBUG_INFORMATION;

#define RTL_QUERY_PROCESS_HEAP_SUMMARY 0x00000004
#define RTL_QUERY_PROCESS_HEAP_TAGS 0x00000008
#define RTL_QUERY_PROCESS_HEAP_ENTRIES 0x00000010
#define RTL_QUERY_PROCESS_HEAP_SEGMENTS 0x00000200

RTLHEAP_FN(PRTL_DEBUG_INFORMATION, RtlCreateQueryDebugBuffer,
           (ULONG MaximumCommit, BOOLEAN UseEventPair));
RTLHEAP_FN(NTSTATUS, RtlDestroyQueryDebugBuffer, (PRTL_DEBUG_INFORMATION Buffer));
RTLHEAP_FN(NTSTATUS, RtlQueryProcessHeapInformation, (PRTL_DEBUG_INFORMATION Buffer));

/* ---- Asking and telling heaps --------------------------------------------------------------- */

/* Classes that the SDK does not publish. */
#define HeapExtendedInformation ((HEAP_INFORMATION_CLASS)2) /* HEAP_EXTENDED_INFORMATION, asked */
#define HeapTaggingInformation ((HEAP_INFORMATION_CLASS)4) /* RTLP_HEAP_TAGGING_INFO, asked */
#define HeapStackDatabase ((HEAP_INFORMATION_CLASS)5) /* RTL_HEAP_STACK_QUERY asked, _CONTROL set */
#define HeapMemoryLimit ((HEAP_INFORMATION_CLASS)6) /* SIZE_T: bytes committed at most; 0 no limit */

#define HeapTag ((HEAP_INFORMATION_CLASS)7) /* ULONG64: a number the program keeps with the heap */

/* The Id of a tag: its index (RtlQueryTagHeap) in Data1, zero the rest. */
typedef struct _RTLP_TAG_INFO {
    GUID Id;
    SIZE_T CurrentAllocatedBytes;
} RTLP_TAG_INFO, *PRTLP_TAG_INFO;

/* Set Version to 1 and the rest of the head to zero. */
typedef struct _RTLP_HEAP_TAGGING_INFO {
    USHORT Version;
    USHORT Flags;
    HANDLE ProcessHandle;
    SIZE_T EntriesCount;      /* out: how many there are */
    RTLP_TAG_INFO Entries[1]; /* as many as fit into the buffer */
} RTLP_HEAP_TAGGING_INFO, *PRTLP_HEAP_TAGGING_INFO;

typedef struct _PROCESS_HEAP_INFORMATION {
    SIZE_T ReserveSize;
    SIZE_T CommitSize;
    ULONG NumberOfHeaps;
    ULONG_PTR FirstHeapInformationOffset;
} PROCESS_HEAP_INFORMATION, *PPROCESS_HEAP_INFORMATION;

typedef struct _HEAP_INFORMATION {
    PVOID Address;
    ULONG Mode;
    SIZE_T ReserveSize;
    SIZE_T CommitSize;
    ULONG_PTR FirstRegionInformationOffset;
    ULONG_PTR NextHeapInformationOffset;
} HEAP_INFORMATION, *PHEAP_INFORMATION;

typedef struct _HEAP_REGION_INFORMATION {
    PVOID Address;
    SIZE_T ReserveSize;
    SIZE_T CommitSize;
    ULONG_PTR FirstRangeInformationOffset;
    ULONG_PTR NextRegionInformationOffset;
} HEAP_REGION_INFORMATION, *PHEAP_REGION_INFORMATION;

#define HEAP_RANGE_TYPE_COMMITTED 1
#define HEAP_RANGE_TYPE_RESERVED 2

typedef struct _HEAP_RANGE_INFORMATION {
    PVOID Address;
    SIZE_T Size;
    ULONG Type;
    ULONG Protection;
    ULONG_PTR FirstBlockInformationOffset;
    ULONG_PTR NextRangeInformationOffset;
} HEAP_RANGE_INFORMATION, *PHEAP_RANGE_INFORMATION;

#define HEAP_BLOCK_BUSY 1
#define HEAP_BLOCK_EXTRA_INFORMATION 2
#define HEAP_BLOCK_LARGE_BLOCK 4
#define HEAP_BLOCK_LFH_BLOCK 8

typedef struct _HEAP_BLOCK_INFORMATION {
    PVOID Address;
    ULONG Flags;
    SIZE_T DataSize;
    ULONG_PTR OverheadSize;
    ULONG_PTR NextBlockInformationOffset;
} HEAP_BLOCK_INFORMATION, *PHEAP_BLOCK_INFORMATION;

/* One item; the offsets in it are 0. */
typedef struct _HEAP_INFORMATION_ITEM {
    ULONG Level; /* 1 process, 2 heap, 3 region, 4 range, 5 block */
    SIZE_T Size;
    union {
        PROCESS_HEAP_INFORMATION ProcessHeapInformation;
        HEAP_INFORMATION HeapInformation;
        HEAP_REGION_INFORMATION HeapRegionInformation;
        HEAP_RANGE_INFORMATION HeapRangeInformation;
        HEAP_BLOCK_INFORMATION HeapBlockInformation;
    } u;
} HEAP_INFORMATION_ITEM, *PHEAP_INFORMATION_ITEM;

/* Runs with the heap locked and may use the heap. A failure ends the enumeration. */
typedef NTSTATUS(NTAPI *PHEAP_EXTENDED_ENUMERATION_ROUTINE)(
    const HEAP_INFORMATION_ITEM *Information, PVOID CallbackContext);

/* Without a callback levels 1 and 2 are answered in the structure. */
typedef struct _HEAP_EXTENDED_INFORMATION {
    HANDLE ProcessHandle; /* NULL or -1 */
    PVOID HeapHandle;     /* NULL: all heaps */
    ULONG Level;          /* how deep */
    PHEAP_EXTENDED_ENUMERATION_ROUTINE CallbackRoutine;
    PVOID CallbackContext;
    union {
        PROCESS_HEAP_INFORMATION ProcessHeapInformation;
        HEAP_INFORMATION HeapInformation;
    } u;
} HEAP_EXTENDED_INFORMATION, *PHEAP_EXTENDED_INFORMATION;

#if defined(__MINGW32__) /* whose winnt.h declares them with another result */
#define RtlQueryHeapInformation rtlheap_RtlQueryHeapInformation
#define RtlSetHeapInformation rtlheap_RtlSetHeapInformation
#endif
RTLHEAP_FN(NTSTATUS, RtlQueryHeapInformation,
           (PVOID HeapHandle, HEAP_INFORMATION_CLASS HeapInformationClass, PVOID HeapInformation,
            SIZE_T HeapInformationLength, PSIZE_T ReturnLength));
RTLHEAP_FN(NTSTATUS, RtlSetHeapInformation,
           (PVOID HeapHandle, HEAP_INFORMATION_CLASS HeapInformationClass, PVOID HeapInformation,
            SIZE_T HeapInformationLength));

/* ---- Last error and last status of a thread ------------------------------------------------- */

RTLHEAP_FN(ULONG, RtlGetLastWin32Error, (VOID));
RTLHEAP_FN(VOID, RtlSetLastWin32Error, (ULONG Win32Error));
RTLHEAP_FN(NTSTATUS, RtlGetLastNtStatus, (VOID));

/*
 * Where last errors live, for a program with a thread block of its own. Both routines, or neither
 * to go back to the library's storage. They run on the thread the error belongs to, may be called
 * at any time, and must not call the heap.
 */
typedef DWORD (*rtlheap_get_last_error_routine)(void);
typedef void (*rtlheap_set_last_error_routine)(DWORD error);
RTLHEAP_API BOOL NTAPI rtlheap_set_last_error_storage(rtlheap_get_last_error_routine get,
                                                      rtlheap_set_last_error_routine set);

/* The same for last statuses. */
typedef NTSTATUS (*rtlheap_get_last_status_routine)(void);
typedef void (*rtlheap_set_last_status_routine)(NTSTATUS status);
RTLHEAP_API BOOL NTAPI rtlheap_set_last_status_storage(rtlheap_get_last_status_routine get,
                                                       rtlheap_set_last_status_routine set);

/* ---- Locks ---------------------------------------------------------------------------------- */

/* Opaque. It must stay where it is from its initialisation to its deletion. */
typedef struct _ERESOURCE {
    ULONG_PTR Opaque[sizeof(void *) == 8 ? 13 : 14];
} ERESOURCE, *PERESOURCE;

RTLHEAP_FN(NTSTATUS, ExInitializeResourceLite, (PERESOURCE Resource));
RTLHEAP_FN(NTSTATUS, ExReinitializeResourceLite, (PERESOURCE Resource));
RTLHEAP_FN(NTSTATUS, ExDeleteResourceLite, (PERESOURCE Resource));

#define RTLHEAP_LOCK_MAGIC 0x4C545248u

/*
 * A caller's lock for the parameter Lock of RtlCreateHeap. The heap calls enter once for each time
 * it calls leave, on one thread, and never recursively. The structure is copied; what context
 * points to has to outlive the heap.
 */
typedef struct rtlheap_lock {
    SIZE_T magic; /* RTLHEAP_LOCK_MAGIC */
    void (*enter)(void *context);
    void (*leave)(void *context);
    void *context;
} RTLHEAP_LOCK;

/* ---- Exceptions and corruption -------------------------------------------------------------- */

/*
 * What HEAP_GENERATE_EXCEPTIONS does: called on the failing thread after last error and last status
 * are set, with no lock of the library held. It may longjmp, throw, or enter an emulator. If it
 * returns, the failing call returns NULL. NULL goes back to the default: RtlRaiseException on
 * Windows; elsewhere a line on standard error and abort.
 */
typedef void (*rtlheap_raise_routine)(const EXCEPTION_RECORD *record, void *context);
RTLHEAP_API BOOL NTAPI rtlheap_set_raise_routine(rtlheap_raise_routine routine, void *context);

/* What was found, numbered as Windows numbers HEAP_FAILURE_TYPE. */
#define RTLHEAP_FAILURE_ENTRY_CORRUPTION 3       /* a block's header was overwritten */
#define RTLHEAP_FAILURE_BUFFER_OVERRUN 6         /* the bytes behind a block were overwritten */
#define RTLHEAP_FAILURE_BUFFER_UNDERRUN 7        /* the bytes before a block were overwritten */
#define RTLHEAP_FAILURE_BLOCK_NOT_BUSY 8         /* freed twice, or never handed out */
#define RTLHEAP_FAILURE_INVALID_ARGUMENT 9       /* the address is no block of the heap */
#define RTLHEAP_FAILURE_USAGE_AFTER_FREE 11      /* the bytes of a free block were overwritten */
#define RTLHEAP_FAILURE_CROSS_HEAP_OPERATION 12  /* the block belongs to another heap */
#define RTLHEAP_FAILURE_FREE_LISTS_CORRUPTION 13 /* the links of a free block were overwritten */
#define RTLHEAP_FAILURE_INVALID_HANDLE 19        /* the handle is no heap */

/* Misuse of a call, or damage to a heap. */
typedef struct rtlheap_failure {
    SIZE_T size;      /* sizeof(rtlheap_failure) as the library knows it */
    ULONG kind;       /* RTLHEAP_FAILURE_* */
    HANDLE heap;      /* the heap of the call */
    PVOID address;    /* what the caller passed, or the block that is damaged */
    HANDLE owner;     /* the heap that the address belongs to, if that is another one */
    const char *text; /* what happened, in a few words; during the call only */
} rtlheap_failure;

/*
 * Called once for each misuse or damage found, on the thread that met it, with no lock of the
 * library held; then the call fails as NT documents, or the process ends if termination is on. The
 * handler must return. NULL goes back to saying nothing.
 */
typedef void (*rtlheap_corruption_handler)(const rtlheap_failure *failure, void *context);
RTLHEAP_API BOOL NTAPI rtlheap_set_corruption_handler(rtlheap_corruption_handler handler,
                                                      void *context);

/*
 * From now on misuse and damage end the process after they are reported, in every heap, as
 * HeapEnableTerminationOnCorruption does on Windows. It cannot be undone.
 */
RTLHEAP_API VOID NTAPI rtlheap_enable_termination_on_corruption(VOID);

/* ---- The debug heap ------------------------------------------------------------------------- */

/* Bits of NtGlobalFlag that mean something to a heap, and the words of gflags for them. */
#define RTLHEAP_FLG_HEAP_ENABLE_TAIL_CHECK 0x00000010u   /* htc */
#define RTLHEAP_FLG_HEAP_ENABLE_FREE_CHECK 0x00000020u   /* hfc */
#define RTLHEAP_FLG_HEAP_VALIDATE_PARAMETERS 0x00000040u /* hpc */
#define RTLHEAP_FLG_HEAP_VALIDATE_ALL 0x00000080u        /* hvc */
#define RTLHEAP_FLG_HEAP_ENABLE_TAGGING 0x00000800u      /* htg */
#define RTLHEAP_FLG_USER_STACK_TRACE_DB 0x00001000u      /* ust */
#define RTLHEAP_FLG_HEAP_DISABLE_COALESCING 0x00200000u  /* dhc */
#define RTLHEAP_FLG_HEAP_PAGE_ALLOCS 0x02000000u         /* hpa */

/*
 * NtGlobalFlag. Before the first heap is made it is read from the environment variable
 * RTLHEAP_GLOBAL_FLAG ("0x70", "112" or "htc,hfc,hpc"); without the variable it is that of the
 * process on Windows, and 0 elsewhere. What is set counts for the heaps made from then on, and the
 * value before is returned.
 */
RTLHEAP_API ULONG NTAPI rtlheap_global_flags(VOID);
RTLHEAP_API ULONG NTAPI rtlheap_set_global_flags(ULONG flags);

/*
 * Page heaps are full ones, whose blocks end where a page ends that is followed by one that faults,
 * unless the environment variable RTLHEAP_PAGE_HEAP says "light": stamps before and a pattern behind
 * each block, which are looked at when it is freed. This counts for the heaps made from then on.
 */
RTLHEAP_API VOID NTAPI rtlheap_set_page_heap(BOOL full);

/*
 * Who allocated a block of a heap made under RTLHEAP_FLG_USER_STACK_TRACE_DB: up to count return
 * addresses, innermost first. Returns how many there are, 0 for none and for what is no block.
 */
RTLHEAP_API ULONG NTAPI rtlheap_block_trace(HANDLE heap, ULONG flags, PCVOID block, ULONG count,
                                            PVOID *frames);

/* What the routine of a query is given; Frames is there during the call only. */
typedef struct rtlheap_block_stack {
    PVOID Address;
    SIZE_T DataSize;
    ULONG FrameCount;
    const PVOID *Frames;
} rtlheap_block_stack;

typedef NTSTATUS(NTAPI *PRTL_HEAP_STACK_WRITE_ROUTINE)(const rtlheap_block_stack *Information,
                                                       ULONG Size, PVOID Context);

typedef struct _RTL_HEAP_STACK_QUERY {
    ULONG Version; /* 2 */
    HANDLE ProcessHandle; /* NULL or -1 */
    PRTL_HEAP_STACK_WRITE_ROUTINE WriteRoutine; /* called with each block that has a trace */
    PVOID SerializationContext; /* passed to it */
    UCHAR QueryLevel;
    UCHAR Flags;
} RTL_HEAP_STACK_QUERY, *PRTL_HEAP_STACK_QUERY;

#define HEAP_STACK_CONTROL_FLAGS_STACKTRACE_ENABLE 1
#define HEAP_STACK_CONTROL_FLAGS_STACKTRACE_DISABLE 2

typedef struct _RTL_HEAP_STACK_CONTROL {
    USHORT Version; /* 1 */
    USHORT Flags;
    HANDLE ProcessHandle; /* NULL or -1 */
} RTL_HEAP_STACK_CONTROL, *PRTL_HEAP_STACK_CONTROL;

/* Set for the whole process: how deep traces go, and of which blocks they are taken. */
#define HeapSetDebuggingInformation ((HEAP_INFORMATION_CLASS)0x80000002)

typedef struct _HEAP_DEBUGGING_INFORMATION {
    PVOID InterceptorFunction; /* NULL */
    USHORT InterceptorValue;
    ULONG ExtendedOptions; /* 0 */
    ULONG StackTraceDepth; /* 1 to 32; 0 leaves it */
    SIZE_T MinTotalBlockSize;
    SIZE_T MaxTotalBlockSize; /* 0: no limit */
    PVOID HeapLeakEnumerationRoutine; /* NULL */
} HEAP_DEBUGGING_INFORMATION, *PHEAP_DEBUGGING_INFORMATION;

/* ---- Virtual memory ------------------------------------------------------------------------- */

/* A reservation known to the library, and the page an address lies in. */
typedef struct rtlheap_vm_info {
    PVOID base;    /* where the reservation starts */
    SIZE_T size;   /* bytes reserved */
    ULONG state;   /* MEM_COMMIT or MEM_RESERVE: of the page the address lies in */
    HANDLE heap;   /* the heap that uses the reservation, or NULL */
} rtlheap_vm_info;

/*
 * Memory for the parameter HeapBase of RtlCreateHeap. Pages have 4 KiB and reservations start at
 * multiples of 64 KiB on every system; sizes are rounded up to pages.
 *
 * rtlheap_vm_reserve returns NULL when there is no address space. rtlheap_vm_commit makes the pages
 * that [address, address + size) touches readable and writable; new ones read zero. rtlheap_vm_release
 * gives a whole reservation back; it fails while a heap uses it. rtlheap_vm_query answers for the
 * heaps' own reservations too, and returns FALSE for an address that is in none.
 */
RTLHEAP_API PVOID NTAPI rtlheap_vm_reserve(SIZE_T size);
RTLHEAP_API BOOL NTAPI rtlheap_vm_commit(PVOID address, SIZE_T size);
RTLHEAP_API BOOL NTAPI rtlheap_vm_release(PVOID base);
RTLHEAP_API BOOL NTAPI rtlheap_vm_query(PCVOID address, rtlheap_vm_info *info);

/* A run of pages in one state, as the operation `query` below reports it. */
typedef struct rtlheap_vm_range {
    PVOID base;
    SIZE_T size;
    ULONG state;      /* MEM_COMMIT, MEM_RESERVE or MEM_FREE */
    ULONG protection; /* PAGE_* */
} rtlheap_vm_range;

/*
 * Where all memory of the library comes from, in place of the operating system. Sizes are multiples
 * of 4 KiB. Operations return nonzero for success; any may be called by any thread at any time,
 * must not call the heap, and must not throw or longjmp.
 */
typedef struct rtlheap_vm_operations {
    SIZE_T size; /* sizeof(struct rtlheap_vm_operations) */
    void *context;
    /* Sets aside address space at a multiple of 64 KiB, wholly in [low, high); NULL if there is
     * none. flags is 0 or MEM_TOP_DOWN. Without a wish low is 0 and high the highest address. */
    void *(*reserve)(void *context, SIZE_T size, ULONG_PTR low, ULONG_PTR high, ULONG flags);
    /* Makes pages usable; protection is PAGE_READWRITE or PAGE_EXECUTE_READWRITE. Committed pages
     * keep their contents, others must read zero, also after they were decommitted. */
    BOOL (*commit)(void *context, void *address, SIZE_T size, ULONG protection);
    BOOL (*decommit)(void *context, void *address, SIZE_T size);
    /* Gives a whole reservation back. */
    BOOL (*release)(void *context, void *base, SIZE_T size);
    /* May be NULL: protections stay as they were committed. */
    BOOL (*protect)(void *context, void *address, SIZE_T size, ULONG protection);
    /* May be NULL: the library knows of its own reservations only. */
    BOOL (*query)(void *context, void *address, rtlheap_vm_range *range);
} rtlheap_vm_operations;

/*
 * Copies the structure. Once, before anything else of the library is used: FALSE when operations
 * were set before, or when size, or a pointer that must not be NULL, is wrong.
 */
RTLHEAP_API BOOL NTAPI rtlheap_set_vm_operations(const rtlheap_vm_operations *operations);

#ifdef __cplusplus
}
#endif

#if defined(RTLHEAP_PREFIXED) && !defined(RTLHEAP_NO_NT_NAMES)
#define RtlCreateHeap rtlheap_RtlCreateHeap
#define RtlDestroyHeap rtlheap_RtlDestroyHeap
#define RtlLockHeap rtlheap_RtlLockHeap
#define RtlUnlockHeap rtlheap_RtlUnlockHeap
#define RtlGetProcessHeaps rtlheap_RtlGetProcessHeaps
#define RtlEnumProcessHeaps rtlheap_RtlEnumProcessHeaps
#define RtlAllocateHeap rtlheap_RtlAllocateHeap
#define RtlReAllocateHeap rtlheap_RtlReAllocateHeap
#define RtlFreeHeap rtlheap_RtlFreeHeap
#define RtlSizeHeap rtlheap_RtlSizeHeap
#define RtlValidateHeap rtlheap_RtlValidateHeap
#define RtlValidateProcessHeaps rtlheap_RtlValidateProcessHeaps
#define RtlWalkHeap rtlheap_RtlWalkHeap
#define RtlGetUserInfoHeap rtlheap_RtlGetUserInfoHeap
#define RtlSetUserValueHeap rtlheap_RtlSetUserValueHeap
#define RtlSetUserFlagsHeap rtlheap_RtlSetUserFlagsHeap
#define RtlCreateTagHeap rtlheap_RtlCreateTagHeap
#define RtlQueryTagHeap rtlheap_RtlQueryTagHeap
#define RtlMultipleAllocateHeap rtlheap_RtlMultipleAllocateHeap
#define RtlMultipleFreeHeap rtlheap_RtlMultipleFreeHeap
#define RtlCompactHeap rtlheap_RtlCompactHeap
#define RtlZeroHeap rtlheap_RtlZeroHeap
#define RtlProtectHeap rtlheap_RtlProtectHeap
#define RtlExtendHeap rtlheap_RtlExtendHeap
#define RtlFlushHeaps rtlheap_RtlFlushHeaps
#define RtlDetectHeapLeaks rtlheap_RtlDetectHeapLeaks
#define RtlUsageHeap rtlheap_RtlUsageHeap
#define RtlCreateQueryDebugBuffer rtlheap_RtlCreateQueryDebugBuffer
#define RtlDestroyQueryDebugBuffer rtlheap_RtlDestroyQueryDebugBuffer
#define RtlQueryProcessHeapInformation rtlheap_RtlQueryProcessHeapInformation
#define RtlQueryHeapInformation rtlheap_RtlQueryHeapInformation
#define RtlSetHeapInformation rtlheap_RtlSetHeapInformation
#define RtlGetLastWin32Error rtlheap_RtlGetLastWin32Error
#define RtlSetLastWin32Error rtlheap_RtlSetLastWin32Error
#define RtlGetLastNtStatus rtlheap_RtlGetLastNtStatus
#define ExInitializeResourceLite rtlheap_ExInitializeResourceLite
#define ExReinitializeResourceLite rtlheap_ExReinitializeResourceLite
#define ExDeleteResourceLite rtlheap_ExDeleteResourceLite
#endif

#endif /* RTLHEAP_H */
