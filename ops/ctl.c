/*
 * ctl.c -- main of sluicectl: finds the subcommand in the table and calls it.
 *
 * Threads: one.
 */
#include "ctl.h"

#include "check.h"
#include "version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ctl_command {
    const char *name;
    int (*run)(int argc, char *const *argv);
    const char *usage;
    const char *text;
};

static const struct ctl_command ctl_commands[] = {
#define CTL_ROW(name, function, usage, text) {name, function, usage, text},
    CTL_TABLE(CTL_ROW)
#undef CTL_ROW
};

static const struct ctl_command *ctl_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(ctl_commands); i++) {
        if (strcmp(ctl_commands[i].name, name) == 0)
            return &ctl_commands[i];
    }
    return NULL;
}

int ctl_usage(const char *name, const char *what)
{
    const struct ctl_command *command = ctl_find(name);
    CHECK(command != NULL);
    fprintf(stderr, "sluicectl %s: %s\nusage: sluicectl %s %s\n", name, what, command->name,
            command->usage);
    return CTL_USAGE;
}

static void ctl_help(FILE *out)
{
    fprintf(out, "usage: sluicectl COMMAND ...\n\n");
    for (size_t i = 0; i < ARRAY_LEN(ctl_commands); i++)
        fprintf(out, "  %s %s\n      %s\n", ctl_commands[i].name, ctl_commands[i].usage,
                ctl_commands[i].text);
    fprintf(out, "\n  --version, --help\n");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        ctl_help(stderr);
        return CTL_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        ctl_help(stdout);
        return EXIT_SUCCESS;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("sluicectl %s\n", SLUICE_VERSION);
        return EXIT_SUCCESS;
    }
    const struct ctl_command *command = ctl_find(argv[1]);
    if (command == NULL) {
        fprintf(stderr, "sluicectl: there is no command \"%s\"; see sluicectl --help\n", argv[1]);
        return CTL_USAGE;
    }
    return command->run(argc - 1, argv + 1);
}
