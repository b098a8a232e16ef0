/* dlclose does not unload the library: its heaps, and its work at a thread's end, go on. */
#include <dlfcn.h>
#include <pthread.h>
#include <rtlheap.h>
#include <stdio.h>
#include <string.h>

typedef HANDLE (*create_function)(DWORD, SIZE_T, SIZE_T);
typedef LPVOID (*alloc_function)(HANDLE, DWORD, SIZE_T);
typedef BOOL (*free_function)(HANDLE, DWORD, LPVOID);

static void *library;
static create_function create;
static alloc_function alloc;
static free_function release;
static HANDLE heap;

/* ISO C has no conversion from an address of data to one of code; POSIX has. */
static void find(void *function, const char *name)
{
    void *address = dlsym(library, name);
    memcpy(function, &address, sizeof address);
}

static void *thread(void *block)
{
    release(heap, 0, block);
    block = alloc(heap, 0, 64);
    dlclose(library);
    return block;
}

int main(void)
{
    pthread_t id;
    void *block;
    int good;

    library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        printf("%s\n", dlerror());
        return 1;
    }
    find(&create, "rtlheap_HeapCreate");
    find(&alloc, "rtlheap_HeapAlloc");
    find(&release, "rtlheap_HeapFree");
    heap = create(0, 0, 0);
    good = pthread_create(&id, NULL, thread, alloc(heap, 0, 32)) == 0;
    good = good && pthread_join(id, &block) == 0;
    good = good && release(heap, 0, block) && alloc(heap, 0, 128) != NULL;
    printf("%s\n", good ? "passed" : "failed");
    return good ? 0 : 1;
}
