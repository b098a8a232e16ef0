/* What every program here begins with: a check that ends it, and a watchdog against hanging. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A failed check says where and ends the process at once, without the exit handlers. */
#define CHECK(condition)                                                                          \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            char text[256];                                                                       \
            int length = snprintf(text, sizeof text, "%s:%d: %s\n", __FILE__, __LINE__,           \
                                  #condition);                                                    \
            (void)!write(2, text, (size_t)length);                                                \
            _exit(1);                                                                             \
        }                                                                                         \
    } while (0)

/* Ends this process (children have to ask anew) by SIGALRM if it is still there by then. Long
   enough for the slowest machine: what is told apart is some time and for ever. */
#define WATCHDOG() alarm(1200)

/* Two opposite patterns for the contents of a block. */
static inline void fill(unsigned char *block, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        block[i] = (unsigned char)(seed + i * 7);
}

static inline int holds(const unsigned char *block, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        if (block[i] != (unsigned char)(seed + i * 7))
            return 0;
    return 1;
}

#endif
