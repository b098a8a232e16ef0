/* R7, J1, J2: a thousand forks while four threads are busy in the heap. Every child uses the heap
   as its parent left it, alone, with a thread, and in a child of its own. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

enum { FORKS = 1000, BUSY = 4, KEPT = 64 };

static atomic_int stop;
static void *kept[KEPT];
static atomic_int handlers_run;

/* Another library's handlers, registered late and so run first before a fork, and last after it in
   no order of ours: they allocate, as some do. */
static void in_handler(void)
{
    void *block = malloc(333);
    CHECK(block);
    free(block);
    handlers_run++;
}

static void churn(unsigned seed, int rounds)
{
    void *blocks[32] = {0};
    for (int i = 0; i < rounds; i++) {
        seed = seed * 1103515245u + 12345u;
        unsigned slot = (seed >> 16) % 32;
        size_t size = (seed >> 8) % ((seed & 64) ? 300000 : 700);
        if ((seed & 7) == 0 && blocks[slot]) {
            void *moved = realloc(blocks[slot], size + 1);
            CHECK(moved);
            blocks[slot] = moved;
        } else {
            free(blocks[slot]);
            blocks[slot] = malloc(size + 1);
            CHECK(blocks[slot]);
        }
        *(unsigned char *)blocks[slot] = (unsigned char)seed;
    }
    for (int i = 0; i < 32; i++)
        free(blocks[i]);
}

static void *busy(void *seed)
{
    for (unsigned round = 0; !stop; round++)
        churn((unsigned)(size_t)seed * 977 + round, 200);
    return NULL;
}

static void *once(void *seed)
{
    churn((unsigned)(size_t)seed, 100);
    return NULL;
}

static void child(unsigned number)
{
    WATCHDOG();
    churn(number, 200);
    /* The parent's blocks are here, whole, and can be freed and resized. */
    for (int i = 0; i < KEPT; i++) {
        CHECK(holds(kept[i], 100 + (size_t)i, (unsigned)i));
        if (i % 2)
            free(kept[i]);
        else
            CHECK((kept[i] = realloc(kept[i], 5000)) && holds(kept[i], 100 + (size_t)i, (unsigned)i));
    }
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, once, (void *)(size_t)number) == 0);
    CHECK(pthread_join(thread, NULL) == 0);

    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        WATCHDOG();
        churn(number + 1, 100);
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    /* Every other child leaves as programs do, with its exit handlers and destructors. */
    if (number % 2)
        exit(0);
    _exit(0);
}

int main(void)
{
    WATCHDOG();
    CHECK(pthread_atfork(in_handler, in_handler, in_handler) == 0);
    for (int i = 0; i < KEPT; i++) {
        CHECK((kept[i] = malloc(100 + (size_t)i)));
        fill(kept[i], 100 + (size_t)i, (unsigned)i);
    }
    pthread_t threads[BUSY];
    for (size_t i = 0; i < BUSY; i++)
        CHECK(pthread_create(&threads[i], NULL, busy, (void *)(i + 1)) == 0);

    for (unsigned number = 0; number < FORKS; number++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0)
            child(number);
        churn(number, 20);
        int status;
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK(status == 0);
    }
    stop = 1;
    for (int i = 0; i < BUSY; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(handlers_run == 2 * FORKS);
    for (int i = 0; i < KEPT; i++) {
        CHECK(holds(kept[i], 100 + (size_t)i, (unsigned)i));
        free(kept[i]);
    }
    printf("%d\n", FORKS);
    return 0;
}
