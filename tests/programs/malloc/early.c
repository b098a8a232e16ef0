/* R13, J12, K1: the heap before `main` and after `exit`. Each stage says that it came by; the
   blocks of the first are freed in the last. */
#include "check.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>

static char *from_preinit, *from_constructor;
static char *argument;

static void say(const char *text)
{
    (void)!write(1, text, strlen(text));
}

/* Exactly the bytes asked for: no other malloc answers so, so this one did. */
static char *ours(size_t size)
{
    char *block = malloc(size);
    CHECK(block && malloc_usable_size(block) == size);
    memset(block, 'x', size);
    return block;
}

/* Before the constructors of any library, the C library's among them. */
static void preinit(void)
{
    from_preinit = malloc(13);
    CHECK(from_preinit);
    memset(from_preinit, 'p', 13);
    say("preinit\n");
}

__attribute__((section(".preinit_array"), used)) static void (*const preinit_entry)(void) = preinit;

__attribute__((constructor(101))) static void first(void)
{
    CHECK(malloc_usable_size(from_preinit) == 13);
    from_constructor = ours(21);
    from_constructor = realloc(from_constructor, 100000);
    CHECK(from_constructor && from_constructor[20] == 'x');
    say("constructor\n");
}

/* After everything that `main` registered. */
__attribute__((destructor(101))) static void last(void)
{
    free(ours(55));
    free(from_constructor);
    CHECK(from_preinit[12] == 'p');
    free(from_preinit);
    say("destructor\n");
}

static void at_exit(void)
{
    char *block = ours(99);
    block = realloc(block, 1 << 20);
    CHECK(block && block[98] == 'x');
    free(block);
    say("atexit\n");
}

static void *in_thread(void *library)
{
    char *(*touch)(int) = (char *(*)(int))dlsym(library, "touch_storage");
    CHECK(touch && *touch(7) == 7);
    free(ours(5));
    return NULL;
}

int main(int count, char **arguments)
{
    WATCHDOG();
    CHECK(count == 2);
    argument = arguments[1];
    CHECK(atexit(at_exit) == 0);
    say("main\n");

    void *library = dlopen(argument, RTLD_NOW);
    CHECK(library);
    for (int i = 0; i < 8; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, in_thread, library) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    return 0;
}
