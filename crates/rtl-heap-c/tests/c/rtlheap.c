/* The Rtl face, the structures of the header, and everything an adopter may register. Linked with
 * the static and with the dynamic library; with RTLHEAP_PREFIXED also without NT names. */
#include <rtlheap.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

static void check(int condition, const char *what, int line)
{
    if (!condition) {
        printf("line %d: %s\n", line, what);
        failures++;
    }
}
#define CHECK(condition) check((condition) ? 1 : 0, #condition, __LINE__)

#define BY_WIDTH(on64, on32) (sizeof(void *) == 8 ? (SIZE_T)(on64) : (SIZE_T)(on32))

static void structures_have_the_sizes_of_windows(void)
{
    CHECK(sizeof(DWORD) == 4 && sizeof(ULONG) == 4 && sizeof(LONG) == 4 && sizeof(BOOL) == 4);
    CHECK(sizeof(BOOLEAN) == 1 && sizeof(LOGICAL) == 4 && sizeof(NTSTATUS) == 4);
    CHECK(sizeof(SIZE_T) == sizeof(void *) && sizeof(ULONG_PTR) == sizeof(void *));
    CHECK(sizeof(RTL_HEAP_PARAMETERS) == BY_WIDTH(96, 48));
    CHECK(offsetof(RTL_HEAP_PARAMETERS, CommitRoutine) == BY_WIDTH(0x48, 0x24));
    CHECK(sizeof(ERESOURCE) == BY_WIDTH(104, 56));
    CHECK(sizeof(EXCEPTION_RECORD) == BY_WIDTH(152, 80));
}

static void a_heap_from_creation_to_destruction(void)
{
    PVOID heap = RtlCreateHeap(HEAP_GROWABLE, NULL, 0, 0, NULL, NULL);
    PVOID block = RtlAllocateHeap(heap, 0, 10);

    CHECK(heap != NULL && block != NULL);
    CHECK(RtlSizeHeap(heap, 0, block) == 10);
    block = RtlReAllocateHeap(heap, 0, block, 20);
    CHECK(RtlSizeHeap(heap, 0, block) == 20);
    CHECK(RtlLockHeap(heap) == TRUE && RtlUnlockHeap(heap) == TRUE);
    CHECK(RtlUnlockHeap(heap) == FALSE);
    CHECK(RtlGetLastNtStatus() == (NTSTATUS)STATUS_RESOURCE_NOT_OWNED);
    CHECK(RtlGetLastWin32Error() == ERROR_NOT_OWNER);
    CHECK(RtlFreeHeap(heap, 0, block));
    CHECK(RtlDestroyHeap(heap) == NULL);
    CHECK(RtlDestroyHeap(NULL) == NULL);
}

static void handles_and_parameters_that_are_none(void)
{
    CHECK(RtlAllocateHeap(NULL, 0, 1) == NULL);
    CHECK(RtlGetLastNtStatus() == (NTSTATUS)STATUS_INVALID_HANDLE);
    CHECK(RtlSizeHeap((PVOID)&failures, 0, &failures) == (SIZE_T)-1);
    CHECK(GetLastError() == ERROR_INVALID_HANDLE);
    CHECK(RtlCreateHeap(HEAP_GROWABLE, NULL, 0, 0, NULL, (PRTL_HEAP_PARAMETERS)1) == NULL);
}

static NTSTATUS NTAPI count_heap(PVOID heap, PVOID parameter)
{
    ULONG *count = (ULONG *)parameter;
    (void)heap;
    *count += 1;
    return *count == 2 ? (NTSTATUS)STATUS_NO_MEMORY : STATUS_SUCCESS;
}

static void enumeration_ends_with_the_status_that_failed(void)
{
    PVOID heap = RtlCreateHeap(HEAP_GROWABLE, NULL, 0, 0, NULL, NULL);
    PVOID other = RtlCreateHeap(HEAP_GROWABLE, NULL, 0, 0, NULL, NULL);
    ULONG count = 0;

    CHECK(RtlEnumProcessHeaps(count_heap, &count) == (NTSTATUS)STATUS_NO_MEMORY);
    CHECK(count == 2);
    CHECK(RtlEnumProcessHeaps(NULL, NULL) == (NTSTATUS)STATUS_INVALID_PARAMETER);
    CHECK(RtlDestroyHeap(other) == NULL);
    CHECK(RtlDestroyHeap(heap) == NULL);
}

static int held, entered;

static void enter(void *context)
{
    CHECK(context == &held && held == 0);
    held = 1;
    entered++;
}

static void leave(void *context)
{
    CHECK(context == &held && held == 1);
    held = 0;
}

static void locks_of_the_caller(void)
{
    RTLHEAP_LOCK lock = {RTLHEAP_LOCK_MAGIC, enter, leave, &held};
    ERESOURCE resource;
    PVOID heap = RtlCreateHeap(HEAP_GROWABLE, NULL, 0, 0, &lock, NULL);

    CHECK(heap != NULL);
    CHECK(RtlLockHeap(heap) && held == 1);
    CHECK(RtlUnlockHeap(heap) && held == 0);
    CHECK(RtlFreeHeap(heap, 0, RtlAllocateHeap(heap, 0, 1)));
    CHECK(entered >= 3);
    CHECK(RtlDestroyHeap(heap) == NULL);

    memset(&resource, 0, sizeof resource);
    CHECK(RtlCreateHeap(HEAP_GROWABLE, NULL, 0, 0, &resource, NULL) == NULL);
    CHECK(ExInitializeResourceLite(&resource) == (NTSTATUS)STATUS_SUCCESS);
    CHECK(RtlCreateHeap(HEAP_GROWABLE | HEAP_NO_SERIALIZE, NULL, 0, 0, &resource, NULL) == NULL);
    heap = RtlCreateHeap(HEAP_GROWABLE, NULL, 0, 0, &resource, NULL);
    CHECK(heap != NULL);
    CHECK(RtlLockHeap(heap));
    CHECK(ExDeleteResourceLite(&resource) != (NTSTATUS)STATUS_SUCCESS);
    CHECK(RtlUnlockHeap(heap));
    CHECK(RtlDestroyHeap(heap) == NULL);
    CHECK(ExDeleteResourceLite(&resource) == (NTSTATUS)STATUS_SUCCESS);
}

static jmp_buf out;
static ULONG raised;

static void jump_out(const EXCEPTION_RECORD *record, void *context)
{
    CHECK(context == &raised);
    CHECK(record->ExceptionCode == (DWORD)STATUS_NO_MEMORY && record->ExceptionFlags == 0);
    CHECK(record->NumberParameters == 1 && record->ExceptionInformation[0] >= 0x20000);
    CHECK(GetLastError() == ERROR_NOT_ENOUGH_MEMORY);
    raised++;
    longjmp(out, 1);
}

static void just_return(const EXCEPTION_RECORD *record, void *context)
{
    (void)record;
    (void)context;
    raised++;
}

static void exceptions_go_to_the_raise_routine(void)
{
    HANDLE heap = HeapCreate(HEAP_GENERATE_EXCEPTIONS, 0x10000, 0x10000);
    PVOID block = HeapAlloc(heap, 0, 16);

    CHECK(block != NULL);
    CHECK(rtlheap_set_raise_routine(jump_out, &raised));
    if (setjmp(out) == 0) {
        HeapAlloc(heap, 0, 0x20000);
        CHECK(!"the routine jumps out");
    }
    CHECK(raised == 1);
    if (setjmp(out) == 0) {
        HeapReAlloc(heap, 0, block, 0x20000);
        CHECK(!"the routine jumps out");
    }
    CHECK(raised == 2);
    CHECK(HeapReAlloc(heap, 0, NULL, 0x20000) == NULL && raised == 2);
    CHECK(rtlheap_set_raise_routine(just_return, NULL));
    CHECK(HeapAlloc(heap, 0, 0x20000) == NULL && raised == 3);
    CHECK(HeapSize(heap, 0, block) == 16);
    CHECK(HeapFree(heap, 0, block));
    CHECK(HeapDestroy(heap));
    CHECK(rtlheap_set_raise_routine(NULL, NULL));
}

static DWORD thread_block_error;

static DWORD get_error(void)
{
    return thread_block_error;
}

static void set_error(DWORD error)
{
    thread_block_error = error;
}

static void last_errors_live_where_the_program_wants(void)
{
    CHECK(!rtlheap_set_last_error_storage(get_error, NULL));
    CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
    CHECK(rtlheap_set_last_error_storage(get_error, set_error));
    SetLastError(17);
    CHECK(thread_block_error == 17);
    thread_block_error = 18;
    CHECK(GetLastError() == 18);
    CHECK(HeapAlloc(NULL, 0, 1) == NULL);
    CHECK(thread_block_error == ERROR_INVALID_HANDLE);
    CHECK(rtlheap_set_last_error_storage(NULL, NULL));
    CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
}

static rtlheap_failure last_failure;

static void remember(const rtlheap_failure *failure, void *context)
{
    CHECK(context == &last_failure && failure->size == sizeof *failure);
    last_failure = *failure;
}

static void misuse_goes_to_the_handler(void)
{
    HANDLE heap = HeapCreate(0, 0, 0), other = HeapCreate(0, 0, 0);
    PVOID block = HeapAlloc(heap, 0, 40);

    CHECK(rtlheap_set_corruption_handler(remember, &last_failure));
    CHECK(!HeapFree(other, 0, block));
    CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
    CHECK(last_failure.kind == RTLHEAP_FAILURE_CROSS_HEAP_OPERATION);
    CHECK(last_failure.heap == other && last_failure.owner == heap);
    CHECK(last_failure.address == block && last_failure.text != NULL);
    CHECK(HeapFree(heap, 0, block));
    CHECK(!HeapFree(heap, 0, block));
    CHECK(last_failure.heap == heap && last_failure.address == block);
    CHECK(!HeapFree(heap, 0, &heap));
    CHECK(last_failure.kind == RTLHEAP_FAILURE_INVALID_ARGUMENT);
    CHECK(rtlheap_set_corruption_handler(NULL, NULL));
    CHECK(HeapDestroy(heap) && HeapDestroy(other));
}

static void memory_of_the_caller(void)
{
    const SIZE_T size = 0x40000;
    rtlheap_vm_info info;
    char *base = (char *)rtlheap_vm_reserve(size);
    PVOID heap, block;

    CHECK(base != NULL && ((ULONG_PTR)base & 0xFFFF) == 0);
    CHECK(rtlheap_vm_query(base + 5, &info));
    CHECK(info.base == base && info.size == size && info.state == MEM_RESERVE && !info.heap);
    CHECK(rtlheap_vm_commit(base + 0x800, 0x1000));
    CHECK(rtlheap_vm_query(base + 0x1000, &info) && info.state == MEM_COMMIT);
    CHECK(rtlheap_vm_query(base + 0x2000, &info) && info.state == MEM_RESERVE);
    CHECK(RtlCreateHeap(0, base + 0x1000, 0, 0, NULL, NULL) == NULL);

    heap = RtlCreateHeap(0, base, size, 0x1000, NULL, NULL);
    CHECK(heap == base);
    block = RtlAllocateHeap(heap, 0, 0x8000);
    CHECK((char *)block > base && (char *)block < base + size);
    CHECK(rtlheap_vm_query(base, &info) && info.heap == heap);
    CHECK(!rtlheap_vm_release(base));
    CHECK(RtlDestroyHeap(heap) == NULL);
    base[0x800] = 1;
    CHECK(rtlheap_vm_release(base));
    CHECK(!rtlheap_vm_query(base, &info));
    CHECK(!rtlheap_vm_release(base));
    CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
    CHECK(rtlheap_vm_reserve(0) == NULL);
    CHECK(rtlheap_vm_reserve((SIZE_T)-1) == NULL && GetLastError() == ERROR_NOT_ENOUGH_MEMORY);
}

#define ARENA_SIZE 0x40000
static union {
    char bytes[ARENA_SIZE + 0x10000];
    void *alignment;
} arena;
static SIZE_T committed_by_routine;
static int refusing, reserved_by_library;

static NTSTATUS NTAPI commit_routine(PVOID base, PVOID *address, PSIZE_T size)
{
    CHECK(*size != 0 && (char *)*address > (char *)base);
    CHECK((char *)*address + *size <= (char *)base + ARENA_SIZE);
    if (refusing || (reserved_by_library && !rtlheap_vm_commit(*address, *size)))
        return (NTSTATUS)STATUS_NO_MEMORY;
    committed_by_routine += *size;
    return STATUS_SUCCESS;
}

static void a_routine_commits(char *base)
{
    RTL_HEAP_PARAMETERS parameters;
    PVOID heap, block;

    memset(&parameters, 0, sizeof parameters);
    parameters.Length = sizeof parameters;
    parameters.InitialCommit = 0x1000;
    parameters.InitialReserve = ARENA_SIZE;
    parameters.CommitRoutine = commit_routine;
    CHECK(RtlCreateHeap(0, NULL, 0, 0, NULL, &parameters) == NULL);
    CHECK(RtlCreateHeap(HEAP_GROWABLE, base, 0, 0, NULL, &parameters) == NULL);
    heap = RtlCreateHeap(0, base, 0, 0, NULL, &parameters);
    CHECK(heap == base);
    block = RtlAllocateHeap(heap, 0, 0x8000);
    CHECK((char *)block > base && (char *)block < base + ARENA_SIZE);
    CHECK(committed_by_routine >= 0x7000);
    memset(block, 1, 0x8000);
    refusing = 1;
    CHECK(RtlAllocateHeap(heap, 0, 0x8000) == NULL);
    CHECK(GetLastError() == ERROR_NOT_ENOUGH_MEMORY);
    CHECK(RtlSizeHeap(heap, 0, block) == 0x8000);
    CHECK(RtlDestroyHeap(heap) == NULL);

    /* With another Length the structure does not count (and neither does its routine). */
    parameters.Length--;
    heap = RtlCreateHeap(HEAP_GROWABLE, NULL, 0, 0, NULL, &parameters);
    CHECK(heap != NULL && RtlDestroyHeap(heap) == NULL);
    committed_by_routine = 0;
    refusing = 0;
}

static void memory_that_a_routine_commits(void)
{
    char *base = (char *)(((ULONG_PTR)arena.bytes + 0xFFFF) & ~(ULONG_PTR)0xFFFF);

    a_routine_commits(base);
    base = (char *)rtlheap_vm_reserve(ARENA_SIZE);
    CHECK(base != NULL && rtlheap_vm_commit(base, 0x1000));
    reserved_by_library = 1;
    a_routine_commits(base);
    CHECK(rtlheap_vm_release(base));
}

int main(void)
{
    structures_have_the_sizes_of_windows();
    a_heap_from_creation_to_destruction();
    handles_and_parameters_that_are_none();
    enumeration_ends_with_the_status_that_failed();
    locks_of_the_caller();
    exceptions_go_to_the_raise_routine();
    last_errors_live_where_the_program_wants();
    misuse_goes_to_the_handler();
    memory_of_the_caller();
    memory_that_a_routine_commits();
    printf("%s\n", failures == 0 ? "passed" : "failed");
    return failures == 0 ? 0 : 1;
}
