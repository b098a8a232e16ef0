/* What C, POSIX and glibc's manual say of the family, call by call. */
#define _GNU_SOURCE
#include "check.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdint.h>

#define LARGEST ((size_t)PTRDIFF_MAX)

/* The compiler knows these functions, and would answer some of the calls itself. */
typedef void *(*request)(size_t);
typedef void *(*request_two)(size_t, size_t);
typedef void *(*resize)(void *, size_t);
static volatile request m = malloc;
static volatile request_two c = calloc, aligned = aligned_alloc, mem = memalign;
static volatile resize r = realloc;

static int aligned_to(const void *block, size_t alignment)
{
    return ((uintptr_t)block & (alignment - 1)) == 0;
}

static void empty_blocks_are_blocks(void)
{
    void *one = m(0), *two = m(0), *three = c(0, 17);
    CHECK(one && two && three && one != two && two != three && one != three);
    CHECK(malloc_usable_size(one) == 0);
    free(one);
    free(two);
    free(three);
    free(NULL);
    CHECK(malloc_usable_size(NULL) == 0);
}

static void the_impossible_is_enomem(void)
{
    const size_t impossible[] = {LARGEST + 1, SIZE_MAX, SIZE_MAX - 7, SIZE_MAX - 4096, LARGEST};
    char *block = m(10);
    strcpy(block, "unharmed");
    for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++) {
        errno = 0;
        CHECK(!m(impossible[i]) && errno == ENOMEM);
        errno = 0;
        CHECK(!c(1, impossible[i]) && errno == ENOMEM);
        errno = 0;
        CHECK(!r(block, impossible[i]) && errno == ENOMEM && !strcmp(block, "unharmed"));
        errno = 0;
        CHECK(!aligned(64, impossible[i]) && errno == ENOMEM);
        errno = 0;
        CHECK(!pvalloc(impossible[i]) && errno == ENOMEM);
        void *out = block;
        errno = 17;
        CHECK(posix_memalign(&out, 64, impossible[i]) == ENOMEM && out == block && errno == 17);
    }
    errno = 0;
    CHECK(!c(SIZE_MAX / 2, 3) && errno == ENOMEM);
    errno = 0;
    CHECK(!reallocarray(block, SIZE_MAX / 2, 3) && errno == ENOMEM && !strcmp(block, "unharmed"));
    free(block);
}

static void calloc_is_zero_also_where_others_wrote(void)
{
    for (size_t size = 1; size < 3000000; size = size * 3 + 1) {
        unsigned char *block = m(size);
        memset(block, 0xa5, size);
        free(block);
        block = c(1, size);
        CHECK(block);
        for (size_t i = 0; i < size; i++)
            CHECK(block[i] == 0);
        free(block);
    }
}

static void realloc_keeps_what_fits(void)
{
    unsigned char *block = r(NULL, 100);
    CHECK(block);
    fill(block, 100, 9);
    const size_t sizes[] = {101, 5000, 70000, 2000000, 300000, 64, 100};
    size_t kept = 100;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        block = r(block, sizes[i]);
        kept = kept < sizes[i] ? kept : sizes[i];
        CHECK(block && malloc_usable_size(block) == sizes[i] && holds(block, kept, 9));
    }
    errno = 17;
    CHECK(r(block, 0) == NULL && errno == 17);
    void *fresh = r(NULL, 0);
    CHECK(fresh && malloc_usable_size(fresh) == 0);
    free(fresh);
    fresh = reallocarray(NULL, 7, 11);
    CHECK(fresh && malloc_usable_size(fresh) == 77);
    free(fresh);
}

static void alignment_is_any_power_of_two_to_a_gigabyte(void)
{
    for (size_t size = 0; size < 600; size += 7) {
        void *block = m(size);
        CHECK(block && aligned_to(block, 2 * sizeof(void *)));
        free(block);
    }
    /* Six blocks that lie a gigabyte apart are more than a 32-bit address space has. */
    const size_t most = (size_t)1 << (sizeof(void *) == 8 ? 30 : 26);
    for (size_t alignment = 1; alignment <= most; alignment *= 2) {
        const size_t sizes[] = {0, 1, 100, 5000, 70000, 1500000};
        unsigned char *blocks[6];
        for (int i = 0; i < 6; i++) {
            blocks[i] = aligned(alignment, sizes[i]);
            CHECK(blocks[i] && aligned_to(blocks[i], alignment));
            CHECK(malloc_usable_size(blocks[i]) == sizes[i]);
            fill(blocks[i], sizes[i], (unsigned)i);
        }
        for (int i = 0; i < 6; i++)
            CHECK(holds(blocks[i], sizes[i], (unsigned)i));
        for (int i = 0; i < 6; i += 2)
            free(blocks[i]);
        for (int i = 1; i < 6; i += 2) {
            blocks[i] = r(blocks[i], sizes[i] * 2);
            CHECK(blocks[i] && malloc_usable_size(blocks[i]) == sizes[i] * 2);
            CHECK(holds(blocks[i], sizes[i], (unsigned)i));
            free(blocks[i]);
        }
    }
    void *out = NULL;
    for (size_t alignment = sizeof(void *); alignment <= 1 << 20; alignment *= 2) {
        CHECK(posix_memalign(&out, alignment, 33) == 0 && aligned_to(out, alignment));
        free(out);
    }
}

static void a_wrong_alignment_is_einval(void)
{
    static volatile const size_t wrong[] = {0, 3, 24, 4097, SIZE_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        errno = 0;
        CHECK(!aligned(wrong[i], 64) && errno == EINVAL);
        void *out = &out;
        errno = 17;
        CHECK(posix_memalign(&out, wrong[i], 64) == EINVAL && out == &out && errno == 17);
    }
    void *out = &out;
    CHECK(posix_memalign(&out, sizeof(void *) / 2, 64) == EINVAL && out == &out);
    errno = 0;
    CHECK(!mem(SIZE_MAX, 1) && errno == EINVAL);
    void *block = mem(24, 10);
    CHECK(block && aligned_to(block, 32));
    free(block);
}

static void pages(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *block = valloc(10);
    CHECK(block && aligned_to(block, page) && malloc_usable_size(block) == 10);
    free(block);
    block = pvalloc(10);
    CHECK(block && aligned_to(block, page) && malloc_usable_size(block) == page);
    memset(block, 1, page);
    free(block);
}

static void free_leaves_errno_alone(void)
{
    for (size_t size = 1; size < 100000000; size *= 10) {
        char *block = m(size);
        CHECK(block);
        block[size - 1] = 1;
        errno = 4711;
        free(block);
        CHECK(errno == 4711);
    }
}

static void figures(void)
{
    struct mallinfo2 before = mallinfo2();
    char *block = m(5000000);
    CHECK(block);
    struct mallinfo2 after = mallinfo2();
    CHECK(after.uordblks == before.uordblks + 5000000);
    CHECK(after.arena >= after.uordblks);
    free(block);
    CHECK(mallinfo2().uordblks == before.uordblks);
    /* Once all is trimmed there is nothing left to trim. */
    malloc_trim(0);
    CHECK(malloc_trim(0) == 0);
}

/* K7: a name left to the C library would be served from another heap. */
static void every_name_is_ours(void)
{
    static const char *const names[] = {
        "malloc", "free", "calloc", "realloc", "reallocarray", "reallocf", "aligned_alloc",
        "posix_memalign", "memalign", "valloc", "pvalloc", "malloc_usable_size", "cfree",
        "malloc_trim", "mallinfo", "mallinfo2", "mallopt", "free_sized", "free_aligned_sized",
        "__libc_malloc", "__libc_free", "__libc_calloc", "__libc_realloc", "__libc_memalign",
        "__libc_valloc", "__libc_pvalloc", "__posix_memalign",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *address = dlsym(RTLD_DEFAULT, names[i]);
        Dl_info info;
        CHECK(address && dladdr(address, &info));
        if (!strstr(info.dli_fname, "librtlheap_malloc")) {
            fprintf(stderr, "%s is in %s\n", names[i], info.dli_fname);
            _exit(1);
        }
    }
}

int main(void)
{
    WATCHDOG();
    every_name_is_ours();
    empty_blocks_are_blocks();
    the_impossible_is_enomem();
    calloc_is_zero_also_where_others_wrote();
    realloc_keeps_what_fits();
    alignment_is_any_power_of_two_to_a_gigabyte();
    a_wrong_alignment_is_einval();
    pages();
    free_leaves_errno_alone();
    figures();
    printf("as C says\n");
    return 0;
}
