/*
 * reference_page.c -- see reference_page.h.
 */
#include "reference_page.h"

#include <stdlib.h>
#include <string.h>

/* 0: the file at `path` is the page; 1: it is not, or cannot be read. */
static int reference_page_check(const char *program, const char *path, void (*print)(FILE *out))
{
    char *page = NULL;
    size_t page_len = 0;
    FILE *memory = open_memstream(&page, &page_len);
    FILE *file = fopen(path, "r");
    int status = 1;
    if (memory == NULL || file == NULL) {
        perror(path);
    } else {
        print(memory);
        fflush(memory);
        size_t line = 1;
        size_t at = 0;
        int c = getc(file);
        for (; c != EOF && at < page_len && c == (unsigned char)page[at]; at++) {
            line += c == '\n';
            c = getc(file);
        }
        status = c == EOF && at == page_len ? 0 : 1;
        if (status != 0)
            fprintf(stderr, "%s:%zu: not as the broker has it; run %s > %s\n", path, line, program,
                    path);
    }
    if (file != NULL)
        fclose(file);
    if (memory != NULL)
        fclose(memory);
    free(page);
    return status;
}

int reference_page_main(int argc, char **argv, void (*print)(FILE *out))
{
    if (argc == 3 && strcmp(argv[1], "--check") == 0)
        return reference_page_check(argv[0], argv[2], print);
    if (argc != 1) {
        fprintf(stderr, "usage: %s [--check FILE]\n", argv[0]);
        return 2;
    }
    print(stdout);
    return 0;
}
