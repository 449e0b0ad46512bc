/*
 * library.c -- see library.h. A file is read as a whole, up to LIBRARY_FILE_LEN_MAX bytes: more
 * than that is not a scenario.
 *
 * Threads: any.
 */
#include "library.h"

#include "heap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LIBRARY_FILE_LEN_MAX 65536

const char *library_find(const char *name)
{
    for (const struct library_entry *entry = library_entries; entry->name != NULL; entry++)
        if (strcmp(entry->name, name) == 0)
            return entry->text;
    return NULL;
}

static char *library_read(const char *path, char *error, size_t error_len)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        snprintf(error, error_len, "%s: %s; sluice-bench --list names what is built in", path,
                 strerror(errno));
        return NULL;
    }
    char *text = heap_zeroed(1, LIBRARY_FILE_LEN_MAX + 1);
    size_t len = fread(text, 1, LIBRARY_FILE_LEN_MAX, file);
    bool is_whole = feof(file) || fgetc(file) == EOF;
    bool is_text = !ferror(file) && memchr(text, '\0', len) == NULL;
    fclose(file);
    if (is_whole && is_text)
        return text;
    snprintf(error, error_len, "%s is not a scenario file", path);
    free(text);
    return NULL;
}

char *library_load(const char *name, char *error, size_t error_len)
{
    const char *text = library_find(name);
    if (text == NULL)
        return library_read(name, error, error_len);
    size_t size = strlen(text) + 1;
    char *copy = heap_zeroed(1, size);
    memcpy(copy, text, size);
    return copy;
}

void library_compare_exec(char *const argv[])
{
    char script[64];
    char self[4096];
    /* Inherited by the interpreter, gone with it. */
    int fd = memfd_create("compare.py", 0);
    size_t len = strlen(library_compare);
    if (fd < 0 || write(fd, library_compare, len) != (ssize_t)len)
        return;
    ssize_t self_len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (self_len > 0) {
        self[self_len] = '\0';
        setenv("SLUICE_BENCH", self, 1);
    }
    unsigned num = 0;
    while (argv[num] != NULL)
        num++;
    /* python3 and the script take the places of the program's name and its first word. */
    char **args = heap_zeroed(num + 1, sizeof(char *));
    snprintf(script, sizeof(script), "/proc/self/fd/%d", fd);
    args[0] = strdup("python3");
    args[1] = script;
    for (unsigned i = 2; i < num; i++)
        args[i] = argv[i];
    execvp("python3", args);
    free(args[0]);
    free(args);
    close(fd);
}

/* What the line `text = ...` says. */
static void library_list_text(FILE *file, const char *text)
{
    const char *at = strstr(text, "\ntext =");
    if (at == NULL)
        return;
    at += strlen("\ntext =");
    at += strspn(at, " ");
    fprintf(file, "%.*s", (int)strcspn(at, "\n"), at);
}

void library_list(void *file)
{
    for (const struct library_entry *entry = library_entries; entry->name != NULL; entry++) {
        fprintf(file, "  %-28s ", entry->name);
        library_list_text(file, entry->text);
        fputc('\n', file);
    }
}
