/*
 * ctl_password.c -- see ctl_password.h.
 *
 * Threads: one.
 */
#include "ctl_password.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "digest.h"

/* One line of standard input without its end; on a terminal it is not shown. */
static bool ctl_password_line(const char *prompt, char *out, size_t size)
{
    struct termios shown;
    bool is_terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &shown) == 0;
    if (is_terminal) {
        struct termios hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
        fputs(prompt, stderr);
    }
    bool got = fgets(out, (int)size, stdin) != NULL;
    if (is_terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        fputc('\n', stderr);
    }
    if (got)
        out[strcspn(out, "\r\n")] = '\0';
    return got;
}

bool ctl_password_ask(const char *name, char *out)
{
    char again[CTL_PASSWORD_MAX + 1];
    const char *why = NULL;
    if (!ctl_password_line("Password: ", out, CTL_PASSWORD_MAX + 1)) {
        why = "there is no password";
    } else if (isatty(STDIN_FILENO)) {
        bool same = ctl_password_line("Again: ", again, sizeof(again)) && strcmp(out, again) == 0;
        digest_wipe(again, sizeof(again));
        why = same ? NULL : "the passwords differ";
    }
    if (why != NULL)
        fprintf(stderr, "sluicectl %s: %s\n", name, why);
    return why == NULL;
}
