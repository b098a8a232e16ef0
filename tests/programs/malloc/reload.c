/* R13, J13, J14: the library loaded late, by name, and let go. It must not go: blocks, exit
   routines of threads and fork handlers are left behind. */
#include "check.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sys/wait.h>

static void *(*its_malloc)(size_t);
static void (*its_free)(void *);
static size_t (*its_size)(void *);
static pthread_barrier_t loaded, gone;

static void *load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECK(library);
    its_malloc = (void *(*)(size_t))dlsym(library, "malloc");
    its_free = (void (*)(void *))dlsym(library, "free");
    its_size = (size_t (*)(void *))dlsym(library, "malloc_usable_size");
    CHECK(its_malloc && its_free && its_size);
    CHECK((void *)its_malloc != (void *)malloc);
    return library;
}

/* Older than the library, and ends after it was let go. */
static void *bystander(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&loaded);
    void *block = its_malloc(4321);
    CHECK(block && its_size(block) == 4321);
    pthread_barrier_wait(&gone);
    pthread_barrier_wait(&gone);
    its_free(block);
    return NULL;
}

int main(int count, char **arguments)
{
    WATCHDOG();
    CHECK(count == 2);
    CHECK(pthread_barrier_init(&loaded, NULL, 2) == 0 && pthread_barrier_init(&gone, NULL, 2) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, bystander, NULL) == 0);

    void *library = load(arguments[1]);
    pthread_barrier_wait(&loaded);
    unsigned char *block = its_malloc(1000);
    CHECK(block);
    fill(block, 1000, 3);
    pthread_barrier_wait(&gone);

    CHECK(dlclose(library) == 0);
    void *still = dlopen(arguments[1], RTLD_NOW | RTLD_NOLOAD);
    CHECK(still);
    pthread_barrier_wait(&gone);
    CHECK(pthread_join(thread, NULL) == 0);

    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        WATCHDOG();
        CHECK(holds(block, 1000, 3));
        its_free(block);
        void *own = its_malloc(50);
        CHECK(own);
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);

    /* Loaded again it is the same heap. */
    load(arguments[1]);
    CHECK(its_size(block) == 1000 && holds(block, 1000, 3));
    its_free(block);
    printf("still there\n");
    return 0;
}
