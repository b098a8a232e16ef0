/* A library of early.c: its constructor runs before the program's, its destructor after, and its
   thread-local storage is so large that the loader allocates it for every thread. */
#include <stdlib.h>
#include <unistd.h>

static __thread char storage[100000];
static char *block;

static void say(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    (void)!write(1, text, length);
}

__attribute__((constructor)) static void begin(void)
{
    block = malloc(1234);
    say(block ? "library constructor\n" : "library constructor refused\n");
    block[1233] = 5;
}

__attribute__((destructor)) static void end(void)
{
    char *late = malloc(77);
    say(late && block[1233] == 5 ? "library destructor\n" : "library destructor refused\n");
    free(late);
    free(block);
}

char *touch_storage(int value)
{
    storage[99999] = (char)value;
    return storage + 99999;
}
