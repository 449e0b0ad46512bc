/*
 * config_reference_main.c -- a program that prints the reference page, or says whether it is stale.
 *
 *   config_reference                                 prints the page
 *   config_reference --check docs/configuration.md   status 1 if the file is not that page
 *
 * Part of the build and the tests, not installed.
 */
#include "config_reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 0: the file at `path` is the page; 1: it is not, or cannot be read. */
static int config_reference_check(const char *path)
{
    char *page = NULL;
    size_t page_len = 0;
    FILE *memory = open_memstream(&page, &page_len);
    FILE *file = fopen(path, "r");
    int status = 1;
    if (memory == NULL || file == NULL) {
        perror(path);
    } else {
        config_reference_print(memory);
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
            fprintf(stderr, "%s:%zu: not as the table of keys has it; run config_reference > %s\n",
                    path, line, path);
    }
    if (file != NULL)
        fclose(file);
    if (memory != NULL)
        fclose(memory);
    free(page);
    return status;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--check") == 0)
        return config_reference_check(argv[2]);
    if (argc != 1) {
        fputs("usage: config_reference [--check FILE]\n", stderr);
        return 2;
    }
    config_reference_print(stdout);
    return 0;
}
