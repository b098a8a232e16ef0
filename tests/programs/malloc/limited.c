/* R5, I7: with address space for a while, and then with none. Every request is refused by null and
   ENOMEM, nothing that lives is harmed, and what is freed can be had again. */
#include "check.h"

#include <errno.h>

static const size_t SIZES[] = {64u << 20, 16u << 20, 1u << 20, 64u << 10, 4096, 256, 32};
enum { KINDS = sizeof SIZES / sizeof SIZES[0] };

/* A block's first word chains it to the one before, its second says its size, its last byte is its
   number: all a program can know of it without touching its pages. */
struct block {
    struct block *before;
    size_t size;
};

static struct block *take(struct block *before, size_t size)
{
    errno = 0;
    struct block *block = malloc(size);
    if (!block) {
        CHECK(errno == ENOMEM);
        return NULL;
    }
    block->before = before;
    block->size = size;
    ((unsigned char *)block)[size - 1] = (unsigned char)(size >> 5);
    return block;
}

/* Larger sizes first, each until it is refused: in the end not even a few bytes are left. */
static struct block *exhaust(size_t *total)
{
    struct block *last = NULL;
    *total = 0;
    for (int kind = 0; kind < KINDS; kind++) {
        struct block *next;
        while ((next = take(last, SIZES[kind])) != NULL) {
            last = next;
            *total += SIZES[kind];
        }
    }
    return last;
}

static void all_is_refused(struct block *live)
{
    errno = 0;
    CHECK(calloc(4096, 1024) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(aligned_alloc(1 << 20, 1 << 20) == NULL && errno == ENOMEM);
    void *out = live;
    CHECK(posix_memalign(&out, 1 << 16, 1 << 20) == ENOMEM && out == live);
    errno = 0;
    CHECK(realloc(live, live->size + (128u << 20)) == NULL && errno == ENOMEM);
}

static void give_back(struct block *last)
{
    while (last) {
        struct block *before = last->before;
        CHECK(((unsigned char *)last)[last->size - 1] == (unsigned char)(last->size >> 5));
        CHECK(last->size > 0);
        free(last);
        last = before;
    }
}

int main(void)
{
    WATCHDOG();
    size_t first, again;
    struct block *last = exhaust(&first);
    CHECK(last != NULL);
    all_is_refused(last);
    give_back(last);

    for (int round = 0; round < 3; round++) {
        last = exhaust(&again);
        all_is_refused(last);
        give_back(last);
        /* Nothing was lost by failing, but for what splits differently. */
        CHECK(again >= first - first / 16);
    }
    printf("%zu\n", first);
    return 0;
}
