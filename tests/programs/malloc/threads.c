/* R8, J9, J10, J11: thousands of short threads, whose destructors allocate to the very last round
   and free what other threads left. Prints the resident pages after a quarter of them and at the
   end. */
#include "check.h"

#include <pthread.h>
#include <limits.h>
#include <stdatomic.h>

enum { THREADS = 8000, AT_ONCE = 4, LEFT = 16, MANY_KEYS = 40 };

#ifndef PTHREAD_DESTRUCTOR_ITERATIONS
#define PTHREAD_DESTRUCTOR_ITERATIONS 4
#endif

static pthread_key_t key;
static _Atomic(void *) left[LEFT];
static atomic_int last_rounds;

static void use(unsigned seed)
{
    void *blocks[24];
    for (unsigned i = 0; i < 24; i++) {
        size_t size = (seed * 31 + i * i * 97) % 9000 + 1;
        CHECK((blocks[i] = malloc(size)));
        memset(blocks[i], (int)i, size);
    }
    /* One block stays for whichever thread comes by next: it is freed by another, maybe by one
       that started when this one was gone. */
    free(atomic_exchange(&left[seed % LEFT], blocks[0]));
    for (unsigned i = 1; i < 24; i++)
        free(blocks[i]);
}

struct round {
    int number;
};

static void destructor(void *value)
{
    struct round *round = value;
    use((unsigned)round->number * 7);
    if (++round->number < PTHREAD_DESTRUCTOR_ITERATIONS) {
        CHECK(pthread_setspecific(key, round) == 0);
    } else {
        /* The library's own destructor has run by now, whatever the order. */
        free(round);
        use(3);
        last_rounds++;
    }
}

static void *thread(void *seed)
{
    use((unsigned)(size_t)seed);
    struct round *round = calloc(1, sizeof *round);
    CHECK(round && round->number == 0);
    CHECK(pthread_setspecific(key, round) == 0);
    return NULL;
}

static long resident_pages(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long size, resident;
    CHECK(file && fscanf(file, "%ld %ld", &size, &resident) == 2);
    fclose(file);
    return resident;
}

int main(void)
{
    WATCHDOG();
    /* So many that the C library allocates to set the last, in every thread. */
    for (int i = 0; i < MANY_KEYS; i++)
        CHECK(pthread_key_create(&key, destructor) == 0);

    long quarter = 0;
    for (size_t done = 0; done < THREADS; done += AT_ONCE) {
        pthread_t threads[AT_ONCE];
        for (size_t i = 0; i < AT_ONCE; i++)
            CHECK(pthread_create(&threads[i], NULL, thread, (void *)(done + i)) == 0);
        for (size_t i = 0; i < AT_ONCE; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
        if (done == THREADS / 4)
            quarter = resident_pages();
    }
    CHECK(last_rounds == THREADS);
    printf("%ld %ld\n", quarter, resident_pages());
    return 0;
}
