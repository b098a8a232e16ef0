/* R6: what is reserved once the first block is there. Prints the bytes of address space that are
   no file's: reservations, zeroed data, stacks. */
#include "check.h"

#include <fcntl.h>

static char text[1 << 20];

int main(void)
{
    char *volatile block = malloc(1);
    *block = 1;

    int file = open("/proc/self/maps", O_RDONLY);
    size_t length = 0;
    ssize_t got;
    while ((got = read(file, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)got;
    CHECK(file >= 0 && length > 0);

    unsigned long total = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        unsigned long low, high, inode;
        CHECK(sscanf(line, "%lx-%lx %*s %*s %*s %lu", &low, &high, &inode) == 3);
        /* The kernel's own pages are not the program's. */
        if (inode == 0 && !strstr(line, "[vdso]") && !strstr(line, "[vvar") &&
            !strstr(line, "[vsyscall]"))
            total += high - low;
    }
    printf("%lu\n", total);
    return 0;
}
