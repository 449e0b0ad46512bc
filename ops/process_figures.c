/*
 * process_figures.c -- see process_figures.h.
 *
 * /proc/self/stat is one line; the second field is the program's name in parentheses and may have
 * anything in it, so fields are counted from the last closing parenthesis. The time of the start is
 * in ticks since boot, and the boot in seconds since 1970 is the line `btime` of /proc/stat, which
 * never changes and is read once.
 */
#include "process_figures.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* The whole of a small file as text; false if it cannot be read. */
static bool process_file_read(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t len = fread(out, 1, size - 1, file);
    fclose(file);
    out[len] = '\0';
    return len > 0;
}

static double process_boot_seconds(void)
{
    static double boot_seconds; /* 0: not read yet */
    if (boot_seconds > 0)
        return boot_seconds;
    FILE *file = fopen("/proc/stat", "re");
    char line[256];
    unsigned long long seconds = 0;
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "btime %llu", &seconds) == 1)
            boot_seconds = (double)seconds;
    }
    if (file != NULL)
        fclose(file);
    return boot_seconds;
}

static uint64_t process_open_fds(void)
{
    struct stat status;
    if (stat("/proc/self/fd", &status) == 0 && status.st_size > 0)
        return (uint64_t)status.st_size;
    DIR *directory = opendir("/proc/self/fd");
    uint64_t count = 0;
    while (directory != NULL && readdir(directory) != NULL)
        count++;
    if (directory != NULL)
        closedir(directory);
    return count > 3 ? count - 3 : 0; /* `.`, `..` and the directory's own */
}

bool process_figures_read(struct process_figures *out)
{
    char text[1024];
    memset(out, 0, sizeof(*out));
    if (!process_file_read("/proc/self/stat", text, sizeof(text)))
        return false;
    const char *rest = strrchr(text, ')');
    unsigned long long user = 0;
    unsigned long long kernel = 0;
    unsigned long long start = 0;
    unsigned long long virtual_bytes = 0;
    unsigned long long pages = 0;
    /* Fields 3 (the state) to 24 (resident pages). */
    if (rest == NULL ||
        sscanf(rest,
               ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d "
               "%llu %llu %llu",
               &user, &kernel, &start, &virtual_bytes, &pages) != 5)
        return false;
    double ticks = (double)sysconf(_SC_CLK_TCK);
    struct rlimit limit = {0};
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    *out = (struct process_figures){
        .resident_bytes = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE),
        .virtual_bytes = virtual_bytes,
        .open_fds = process_open_fds(),
        .max_fds = limit.rlim_cur,
        .cpu_seconds = (double)(user + kernel) / ticks,
        .start_seconds = process_boot_seconds() + (double)start / ticks};
    return true;
}

bool process_resident_read(uint64_t *out_bytes)
{
    CHECK(out_bytes != NULL);
    char text[256];
    unsigned long long pages = 0;
    if (!process_file_read("/proc/self/statm", text, sizeof(text)) ||
        sscanf(text, "%*u %llu", &pages) != 1)
        return false;
    *out_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return true;
}
