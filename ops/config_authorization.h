/*
 * config_authorization.h -- the keys of the section `authorization`, as rows of config_table.h, and
 * the words that they may be.
 *
 * Threads: constants, any.
 */
#ifndef SLUICE_CONFIG_AUTHORIZATION_H
#define SLUICE_CONFIG_AUTHORIZATION_H

/* X(constant, text) */
#define CONFIG_ACL_FORMAT_TABLE(X)                                                                 \
    X(ACL_FORMAT_AUTO, "auto")                                                                     \
    X(ACL_FORMAT_PLAIN, "plain")                                                                   \
    X(ACL_FORMAT_EMQX, "emqx")                                                                     \
    X(ACL_FORMAT_MOSQUITTO, "mosquitto")

#define CONFIG_PERMISSION_TABLE(X)                                                                 \
    X(CONFIG_DENY, "deny")                                                                         \
    X(CONFIG_ALLOW, "allow")

#define CONFIG_DENY_ACTION_TABLE(X)                                                                \
    X(CONFIG_DENY_IGNORE, "ignore")                                                                \
    X(CONFIG_DENY_DISCONNECT, "disconnect")

/* clang-format off */

#define CONFIG_AUTHORIZATION_TABLE(X) \
    X(file, TEXT, 0, 4000, "", NUMBER, RELOAD, \
      "File with access rules. Empty: the built-in rules, which keep `$SYS/#`, `#` and `+/#` for " \
      "clients of this machine and allow everything else.") \
    X(format, ACL_FORMAT, 0, 0, "auto", NUMBER, RELOAD, \
      "Format of the file: `plain`, EMQX's acl.conf, mosquitto's acl_file. `auto` tells by its " \
      "first rule.") \
    X(no_match, PERMISSION, 0, 0, "deny", NUMBER, RELOAD, \
      "What holds when no rule of the file fits.") \
    X(deny_action, DENY_ACTION, 0, 0, "ignore", NUMBER, RELOAD, \
      "What happens to a client that publishes or subscribes where it may not, beside being told " \
      "(MQTT 5: reason 0x87; 3.x: 0x80 in SUBACK): nothing, or it is disconnected.") \
    X(cache_size, COUNT, 0, 4096, "32", NUMBER, RELOAD, \
      "Topics for which a client's session remembers what it may publish. 0: none.") \
    X(session_owner, BOOL, 0, 0, "false", NUMBER, RELOAD, \
      "Whether a session belongs to the user name that made it: a client of another name with " \
      "the same client identifier is refused (reason 0x87).")

/* clang-format on */

#endif
