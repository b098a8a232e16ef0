/* A condition that must hold: counted, and when it does not, named with its place. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>

static int checks_passed, checks_failed;

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (condition) {                                                       \
            checks_passed++;                                                   \
        } else {                                                               \
            checks_failed++;                                                   \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
        }                                                                      \
    } while (0)

/* What main returns. */
static int checks_end(const char *program)
{
    printf("%s: %d checks passed, %d failed\n", program, checks_passed, checks_failed);
    return checks_failed == 0 && checks_passed > 0 ? 0 : 1;
}

#endif /* CHECK_H */
