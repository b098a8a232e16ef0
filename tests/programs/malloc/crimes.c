/* One misuse, chosen by its name. The process must end in it, with a report. */
#include "check.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>

static char in_static_data[256];

static void *freed_elsewhere(void *block)
{
    free(block);
    return NULL;
}

int main(int count, char **arguments)
{
    WATCHDOG();
    CHECK(count == 2);
    const char *crime = arguments[1];
    char on_stack[256];
    char *volatile block = malloc(100);
    char *volatile other = malloc(100);
    void *volatile wrong = block;
    CHECK(block && other);

    if (!strcmp(crime, "none")) {
        free(block);
        free(other);
        printf("innocent\n");
        return 0;
    }
    if (!strcmp(crime, "double_free")) {
        free(block);
    } else if (!strcmp(crime, "double_free_across_threads")) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, freed_elsewhere, block) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    } else if (!strcmp(crime, "double_free_of_large")) {
        wrong = malloc(8 << 20);
        free(wrong);
    } else if (!strcmp(crime, "free_of_stack")) {
        wrong = on_stack + 16;
    } else if (!strcmp(crime, "free_of_static")) {
        wrong = in_static_data + 16;
    } else if (!strcmp(crime, "free_inside")) {
        wrong = block + 16;
    } else if (!strcmp(crime, "free_misaligned")) {
        wrong = block + 1;
    } else if (!strcmp(crime, "free_of_mapping")) {
        wrong = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    } else if (!strcmp(crime, "free_of_unmapped")) {
        wrong = (void *)0x10;
    } else if (!strcmp(crime, "free_of_non_canonical")) {
        wrong = (void *)0x4141414141414140;
    } else if (!strcmp(crime, "realloc_of_stack")) {
        (void)!realloc(on_stack + 16, 200);
        return 0;
    } else if (!strcmp(crime, "realloc_of_freed")) {
        free(block);
        (void)!realloc(wrong, 200);
        return 0;
    } else if (!strcmp(crime, "size_of_static")) {
        printf("%zu\n", malloc_usable_size(in_static_data));
        return 0;
    } else if (!strcmp(crime, "header_overwritten")) {
        memset(other - 8, 0x41, 8);
        wrong = other;
    } else {
        CHECK(!"a known crime");
    }
    free(wrong);
    printf("survived\n");
    return 0;
}
