/* R7 on the heaps of the library itself: forks while four threads are busy in a private heap and in
   the process heap. The child finds both free to use. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include <rtlheap.h>

enum { FORKS = 300, BUSY = 4 };

static HANDLE heap;
static atomic_int stop;

static void churn(HANDLE on, unsigned seed, int rounds)
{
    void *blocks[16] = {0};
    for (int i = 0; i < rounds; i++) {
        seed = seed * 1103515245u + 12345u;
        unsigned slot = (seed >> 16) % 16;
        CHECK(HeapFree(on, 0, blocks[slot]));
        CHECK((blocks[slot] = HeapAlloc(on, 0, (seed >> 8) % ((seed & 64) ? 90000 : 500))));
    }
    for (int i = 0; i < 16; i++)
        CHECK(HeapFree(on, 0, blocks[i]));
}

static void *busy(void *seed)
{
    for (unsigned round = 0; !stop; round++) {
        churn(heap, (unsigned)(size_t)seed + round, 100);
        churn(GetProcessHeap(), (unsigned)(size_t)seed + round, 100);
        HANDLE own = HeapCreate(0, 0, 0);
        CHECK(own && HeapDestroy(own));
    }
    return NULL;
}

/* Another library's handlers, registered before the heap's and so run while the forking thread holds
   every lock: they make a heap, a large block and new segments, as a fork must not hinder. */
static void in_handler(void)
{
    HANDLE own = HeapCreate(0, 0, 0);
    CHECK(own);
    for (size_t size = 100; size < 4 << 20; size *= 3)
        CHECK(HeapAlloc(own, 0, size));
    CHECK(HeapDestroy(own));
    churn(heap, 7, 20);
}

int main(void)
{
    WATCHDOG();
    CHECK(pthread_atfork(in_handler, in_handler, in_handler) == 0);
    heap = HeapCreate(0, 0, 0);
    CHECK(heap);
    pthread_t threads[BUSY];
    for (size_t i = 0; i < BUSY; i++)
        CHECK(pthread_create(&threads[i], NULL, busy, (void *)(i + 1)) == 0);
    for (unsigned number = 0; number < FORKS; number++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            WATCHDOG();
            churn(heap, number, 50);
            churn(GetProcessHeap(), number, 50);
            HANDLE own = HeapCreate(0, 0, 0);
            CHECK(own && HeapDestroy(own) && HeapDestroy(heap));
            _exit(0);
        }
        int status;
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK(status == 0);
    }
    stop = 1;
    for (int i = 0; i < BUSY; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(HeapDestroy(heap));
    printf("%d\n", FORKS);
    return 0;
}
