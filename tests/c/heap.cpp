/*
 * NT's own calls from C++: a heap as an object, a standard container on it, threads, caller memory
 * with a commit routine, a caller's lock, and exceptions thrown through the library.
 */
#include <rtlheap.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include "check.h"

namespace {

/* An NT heap that lives as long as this object. */
class Heap {
public:
    explicit Heap(ULONG flags, PVOID base = nullptr, SIZE_T reserve = 0, SIZE_T commit = 0,
                  PVOID lock = nullptr, PRTL_HEAP_PARAMETERS parameters = nullptr)
        : handle(RtlCreateHeap(flags, base, reserve, commit, lock, parameters))
    {
    }
    ~Heap() { CHECK(handle == nullptr || RtlDestroyHeap(handle) == nullptr); }
    Heap(const Heap &) = delete;
    Heap &operator=(const Heap &) = delete;

    const PVOID handle;
};

/* The standard library's containers on a heap. */
template <class T> struct HeapAllocator {
    using value_type = T;

    explicit HeapAllocator(PVOID heap) : heap(heap) {}
    template <class U> HeapAllocator(const HeapAllocator<U> &other) : heap(other.heap) {}

    T *allocate(std::size_t count)
    {
        if (void *block = RtlAllocateHeap(heap, 0, count * sizeof(T)))
            return static_cast<T *>(block);
        throw std::bad_alloc();
    }
    void deallocate(T *block, std::size_t) { CHECK(RtlFreeHeap(heap, 0, block)); }

    template <class U> bool operator==(const HeapAllocator<U> &other) const { return heap == other.heap; }
    template <class U> bool operator!=(const HeapAllocator<U> &other) const { return heap != other.heap; }

    PVOID heap;
};

void a_container_lives_on_a_heap()
{
    Heap heap(HEAP_GROWABLE);
    CHECK(heap.handle != nullptr);
    std::vector<int, HeapAllocator<int>> numbers{HeapAllocator<int>(heap.handle)};
    for (int i = 0; i < 100000; i++)
        numbers.push_back(i);
    long long sum = 0;
    for (int number : numbers)
        sum += number;
    CHECK(sum == 4999950000LL);
}

void threads_share_a_heap()
{
    Heap heap(HEAP_GROWABLE);
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; thread++) {
        threads.emplace_back([&heap, &wrong, thread] {
            for (int round = 0; round < 5000; round++) {
                const SIZE_T size = SIZE_T(round) % 700 + 1;
                auto *block = static_cast<unsigned char *>(RtlAllocateHeap(heap.handle, 0, size));
                if (block == nullptr) {
                    wrong++;
                    continue;
                }
                std::memset(block, thread, size);
                wrong += RtlSizeHeap(heap.handle, 0, block) != size;
                wrong += block[0] != thread || block[size - 1] != thread;
                wrong += !RtlFreeHeap(heap.handle, 0, block);
            }
        });
    }
    for (auto &thread : threads)
        thread.join();
    CHECK(wrong == 0);
}

int commits;

NTSTATUS NTAPI commit_routine(PVOID, PVOID *address, PSIZE_T size)
{
    commits++;
    return rtlheap_vm_commit(*address, *size) ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}

void caller_memory_is_committed_on_demand()
{
    const SIZE_T reserved = 0x100000, committed = 0x1000;
    PVOID memory = rtlheap_vm_reserve(reserved);
    CHECK(memory != nullptr && rtlheap_vm_commit(memory, committed));

    RTL_HEAP_PARAMETERS parameters = {};
    parameters.Length = sizeof parameters;
    parameters.InitialCommit = committed;
    parameters.InitialReserve = reserved;
    parameters.CommitRoutine = commit_routine;
    {
        Heap heap(0, memory, reserved, committed, nullptr, &parameters);
        CHECK(heap.handle == memory);
        PVOID block = RtlAllocateHeap(heap.handle, 0, 0x20000);
        CHECK(block > memory && static_cast<char *>(block) < static_cast<char *>(memory) + reserved);
        CHECK(commits > 0);
    }
    /* The memory stays the caller's. */
    CHECK(rtlheap_vm_release(memory));
}

struct CallersLock {
    std::recursive_mutex mutex;
    int entered = 0, left = 0;

    static void enter(void *context)
    {
        auto *self = static_cast<CallersLock *>(context);
        self->mutex.lock();
        self->entered++;
    }
    static void leave(void *context)
    {
        auto *self = static_cast<CallersLock *>(context);
        self->left++;
        self->mutex.unlock();
    }
};

void the_callers_lock_is_used()
{
    CallersLock mine;
    rtlheap_lock table = {RTLHEAP_LOCK_MAGIC, CallersLock::enter, CallersLock::leave, &mine};
    {
        Heap heap(HEAP_GROWABLE, nullptr, 0, 0, &table);
        CHECK(heap.handle != nullptr);
        CHECK(RtlFreeHeap(heap.handle, 0, RtlAllocateHeap(heap.handle, 0, 24)));
    }
    CHECK(mine.entered >= 2 && mine.entered == mine.left);

    ERESOURCE resource;
    CHECK(ExInitializeResourceLite(&resource) == STATUS_SUCCESS);
    {
        Heap heap(HEAP_GROWABLE, nullptr, 0, 0, &resource);
        CHECK(heap.handle != nullptr && RtlAllocateHeap(heap.handle, 0, 24) != nullptr);
    }
    CHECK(ExDeleteResourceLite(&resource) == STATUS_SUCCESS);
}

struct NtException {
    NTSTATUS status;
};

void throw_it(const EXCEPTION_RECORD *record, void *)
{
    throw NtException{static_cast<NTSTATUS>(record->ExceptionCode)};
}

void a_failed_allocation_throws()
{
    CHECK(rtlheap_set_raise_routine(throw_it, nullptr));
    Heap fixed(HEAP_GENERATE_EXCEPTIONS, nullptr, 0x10000, 0x1000);
    CHECK(fixed.handle != nullptr);
    NTSTATUS status = STATUS_SUCCESS;
    try {
        RtlAllocateHeap(fixed.handle, 0, 0x100000);
    } catch (const NtException &exception) {
        status = exception.status;
    }
    CHECK(status == STATUS_NO_MEMORY);
    /* No lock was left behind. */
    CHECK(RtlAllocateHeap(fixed.handle, 0, 16) != nullptr);
    CHECK(rtlheap_set_raise_routine(nullptr, nullptr));
}

} /* namespace */

int main()
{
    a_container_lives_on_a_heap();
    threads_share_a_heap();
    caller_memory_is_committed_on_demand();
    the_callers_lock_is_used();
    a_failed_allocation_throws();
    return checks_end("heap.cpp");
}
