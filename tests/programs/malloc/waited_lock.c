/* R7, J4: forks while a second thread waits for the lock of a heap that one thread alone has used so far. The
   child has the heap without the second thread, whichever of the two it is the copy of. */
#include "check.h"

#include <pthread.h>
#include <sys/wait.h>

#include <rtlheap.h>

enum { ROUNDS = 40, USES = 100, LARGE = 100000 };

static HANDLE heap;

static void use(void)
{
    for (int i = 0; i < USES; i++) {
        void *block = HeapAlloc(heap, 0, LARGE);
        CHECK(block && HeapFree(heap, 0, block));
    }
}

static void *used_by(void *unused)
{
    (void)unused;
    use();
    return NULL;
}

static pthread_t start(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, used_by, NULL) == 0);
    return thread;
}

static void use_with_another(void)
{
    pthread_t other = start();
    use();
    CHECK(pthread_join(other, NULL) == 0);
    CHECK(HeapValidate(heap, 0, NULL));
}

/* Locked `locked` times by the forking thread. */
static void fork_and_use(int locked)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        WATCHDOG();
    use();
    for (; locked > 0; locked--)
        CHECK(HeapUnlock(heap));
    CHECK(!HeapUnlock(heap));
    use_with_another();
    if (pid == 0)
        _exit(0);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

int main(void)
{
    WATCHDOG();
    for (int round = 0; round < ROUNDS; round++) {
        int locked = round % 3;
        heap = HeapCreate(0, 0, 0);
        CHECK(heap);
        use();
        for (int i = 0; i < locked; i++)
            CHECK(HeapLock(heap));
        pthread_t other = start();
        /* Now and then it waits by now. */
        usleep(round * 50);
        fork_and_use(locked);
        CHECK(pthread_join(other, NULL) == 0);
        CHECK(HeapDestroy(heap));

        /* Used by a thread that is gone, or about to be. */
        heap = HeapCreate(0, 0, 0);
        CHECK(heap);
        other = start();
        if (round % 2)
            CHECK(pthread_join(other, NULL) == 0);
        fork_and_use(0);
        if (round % 2 == 0)
            CHECK(pthread_join(other, NULL) == 0);
        CHECK(HeapDestroy(heap));
    }
    printf("%d\n", ROUNDS);
    return 0;
}
