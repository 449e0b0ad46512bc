/*
 * config_authn_table.h -- the keys of one step of `authentication`, in the form of config_table.h.
 *
 * Which kinds of step a key is for stands in CONFIG_AUTHN_USE_TABLE: X(key, kinds), the kinds as
 * bits of CONFIG_AUTHN_*. A key that is set in a step of another kind is an error.
 *
 * Threads: constants, any.
 */
#ifndef SLUICE_CONFIG_AUTHN_TABLE_H
#define SLUICE_CONFIG_AUTHN_TABLE_H

/* The kinds of step: X(constant, text). */
#define CONFIG_AUTHN_KIND_TABLE(X)                                                                 \
    X(CONFIG_AUTHN_NONE, "none")                                                                   \
    X(CONFIG_AUTHN_PASSWORD_FILE, "password_file")

#define CONFIG_AUTHN_USER_IS_TABLE(X)                                                              \
    X(CONFIG_USER_IS_USERNAME, "username")                                                         \
    X(CONFIG_USER_IS_CLIENTID, "clientid")

/* clang-format off */

#define CONFIG_AUTHN_TABLE(X) \
    X(type, AUTHN_KIND, 0, 0, "none", NUMBER, RELOAD, \
      "What the step does, see [access](access.md). Required.") \
    X(listener, TEXT, 0, 64, "", NUMBER, RELOAD, \
      "Name of a listener. The steps that name it are its chain, instead of the others.") \
    X(path, TEXT, 0, 4000, "", NUMBER, RELOAD, \
      "The file with users and their stored passwords.") \
    X(user_is, AUTHN_USER_IS, 0, 0, "username", NUMBER, RELOAD, \
      "What of CONNECT is the name of the user in the file.")

#define CONFIG_AUTHN_USE_TABLE(X) \
    X("path", 1u << CONFIG_AUTHN_PASSWORD_FILE) \
    X("user_is", 1u << CONFIG_AUTHN_PASSWORD_FILE)

/* clang-format on */

#endif
