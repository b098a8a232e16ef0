// HEAP_GENERATE_EXCEPTIONS as a C++ exception: the raise routine throws through the library.
#include <heapapi.h>
#include <rtlheap.h>

#include <cstdio>
#include <new>

static void throw_bad_alloc(const EXCEPTION_RECORD *record, void *)
{
    if (record->ExceptionCode == static_cast<DWORD>(STATUS_NO_MEMORY))
        throw std::bad_alloc();
}

int main()
{
    bool caught = false;
    rtlheap_set_raise_routine(throw_bad_alloc, nullptr);
    HANDLE heap = HeapCreate(HEAP_GENERATE_EXCEPTIONS, 0x10000, 0x10000);
    void *block = HeapAlloc(heap, 0, 100);
    try {
        HeapAlloc(heap, 0, 0x100000);
    } catch (const std::bad_alloc &) {
        caught = true;
    }
    // The heap's lock was given back before the exception passed.
    bool good = caught && HeapUnlock(heap) == FALSE && HeapSize(heap, 0, block) == 100;
    good = good && HeapFree(heap, 0, block) && HeapDestroy(heap);
    std::printf("%s\n", good ? "passed" : "failed");
    return good ? 0 : 1;
}
