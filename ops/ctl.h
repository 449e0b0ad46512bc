/*
 * ctl.h -- sluicectl, the broker's command line, as a table of subcommands.
 *
 * A subcommand is a row of CTL_TABLE and one function in a file ops/ctl_<name>.c. It gets what
 * stands behind its name (argv[0] is the name), prints what was asked for to standard output and
 * what went wrong to standard error, and answers with the exit code: 0, CTL_FAILED, or CTL_USAGE
 * after ctl_usage.
 *
 * Threads: one.
 */
#ifndef SLUICE_CTL_H
#define SLUICE_CTL_H

#define CTL_FAILED 1
#define CTL_USAGE  2

/* X(name, function, what stands behind the name, text) */
#define CTL_TABLE(X)                                                                               \
    X("passwd", ctl_passwd, "[-b] [-D] [-a ALGORITHM] [-s] FILE USER [PASSWORD]",                  \
      "add a user to a password file, or change or delete (-D) one")                               \
    X("acl", ctl_acl,                                                                              \
      "check [--config FILE] [--client ID] [--user NAME] [--cn NAME] [--addr ADDRESS]"             \
      " [--attr NAME=VALUE]... [--qos N] [--retain] --topic TOPIC publish|subscribe",              \
      "say which access rule decides, by file and line")                                           \
    X("ban", ctl_ban,                                                                              \
      "add KIND WHO [--reason TEXT] [--by NAME] [--for TIME | --until MOMENT]"                     \
      " | list | delete KIND WHO  [--data DIR | --socket PATH]",                                   \
      "change the ban list of a running broker; KIND is clientid, username, peerhost,"             \
      " peerhost_net, clientid_re or username_re")                                                 \
    X("user", ctl_user,                                                                            \
      "add [-s] USER | passwd USER | delete USER | list"                                           \
      "  [--database NAME] [--data DIR | --socket PATH]",                                          \
      "change users of the built-in database of a running broker; the password is asked for, or"   \
      " read from standard input")                                                                 \
    X("log", ctl_log, "dump|verify|stat DIR",                                                      \
      "read the logs of a data directory: records, damage, figures")

#define CTL_DECLARE(name, function, usage, text) int function(int argc, char *const *argv);
CTL_TABLE(CTL_DECLARE)
#undef CTL_DECLARE

/* Says how the subcommand is called, after `what` is wrong. Always CTL_USAGE. */
int ctl_usage(const char *name, const char *what);

#endif
