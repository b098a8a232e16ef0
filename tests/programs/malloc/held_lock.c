/* J4: a heap whose lock the forking thread holds. In the child the lock is still held, by the one
   thread there is, as often as it was; a second thread waits for it there, as it would have in the
   parent. */
#include "check.h"

#include <pthread.h>
#include <sys/wait.h>

#include <rtlheap.h>

static HANDLE heap;
static volatile int unlocked;

static void *other(void *unused)
{
    (void)unused;
    void *block = HeapAlloc(heap, 0, 10);
    CHECK(block);
    /* The lock was not ours to have before. */
    CHECK(unlocked);
    CHECK(HeapFree(heap, 0, block));
    return NULL;
}

static void unlock_twice_and_no_more(void)
{
    void *block = HeapAlloc(heap, 0, 100);
    CHECK(block && HeapFree(heap, 0, block));
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, other, NULL) == 0);
    CHECK(HeapUnlock(heap));
    usleep(1000);
    unlocked = 1;
    CHECK(HeapUnlock(heap));
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(!HeapUnlock(heap));
}

int main(void)
{
    WATCHDOG();
    heap = HeapCreate(0, 0, 0);
    CHECK(heap && HeapLock(heap) && HeapLock(heap));
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        WATCHDOG();
        unlock_twice_and_no_more();
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    unlock_twice_and_no_more();
    CHECK(HeapDestroy(heap));
    printf("held\n");
    return 0;
}
