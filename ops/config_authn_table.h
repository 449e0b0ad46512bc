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
    X(CONFIG_AUTHN_PASSWORD_FILE, "password_file")                                                 \
    X(CONFIG_AUTHN_HTTP, "http")                                                                   \
    X(CONFIG_AUTHN_SCRAM, "scram")

#define CONFIG_HTTP_METHOD_TABLE(X)                                                                \
    X(CONFIG_HTTP_POST, "post")                                                                    \
    X(CONFIG_HTTP_GET, "get")

#define CONFIG_AUTHN_USER_IS_TABLE(X)                                                              \
    X(CONFIG_USER_IS_USERNAME, "username")                                                         \
    X(CONFIG_USER_IS_CLIENTID, "clientid")

#define CONFIG_AUTHN_SCRAM_TABLE(X)                                                                \
    X(CONFIG_SCRAM_SHA256, "sha256")                                                               \
    X(CONFIG_SCRAM_SHA512, "sha512")

/* clang-format off */

#define CONFIG_AUTHN_TABLE(X) \
    X(type, AUTHN_KIND, 0, 0, "none", NUMBER, RELOAD, \
      "What the step does, see [access](access.md). Required.") \
    X(listener, TEXT, 0, 64, "", NUMBER, RELOAD, \
      "Name of a listener. The steps that name it are its chain, instead of the others.") \
    X(path, TEXT, 0, 4000, "", NUMBER, RELOAD, \
      "The file with users and their stored passwords.") \
    X(user_is, AUTHN_USER_IS, 0, 0, "username", NUMBER, RELOAD, \
      "What of CONNECT is the name of the user in the file.") \
    X(mechanism, AUTHN_SCRAM, 0, 0, "sha256", NUMBER, RELOAD, \
      "The digest of SCRAM: authentication method SCRAM-SHA-256 or SCRAM-SHA-512.") \
    X(url, TEXT, 0, 4000, "", NUMBER, RELOAD, \
      "The server that is asked, `http://` or `https://`, with placeholders. Required for " \
      "`http`.") \
    X(method, HTTP_METHOD, 0, 0, "post", NUMBER, RELOAD, \
      "Whether the members of `body` are sent as a body or, with `get`, in the query.") \
    X(headers, FIELDS, 0, 0, "content-type=application/json", NUMBER, RELOAD, \
      "Headers of the request, with placeholders. With `content-type: " \
      "application/x-www-form-urlencoded` the body is a form instead of JSON.") \
    X(body, FIELDS, 0, 0, \
      "clientid=${clientid},username=${username},password=${password}", NUMBER, RELOAD, \
      "Members of the body or the query, with placeholders.") \
    X(request_timeout, DURATION, 10, CONFIG_S_IN_MS(60), "5s", NUMBER, RELOAD, \
      "A server that has not answered after this time has given no answer.") \
    X(connect_timeout, DURATION, 10, CONFIG_S_IN_MS(60), "15s", NUMBER, RELOAD, \
      "The same for the connection to it.") \
    X(ca, TEXT, 0, 4000, "", NUMBER, RELOAD, \
      "File with the certificates by which an https server is verified. Empty: those of the " \
      "system.") \
    X(verify, BOOL, 0, 0, "true", NUMBER, RELOAD, \
      "Whether the certificate of an https server is verified.") \
    X(cache_ttl, DURATION, 0, CONFIG_H_IN_MS(24), "0s", NUMBER, RELOAD, \
      "How long an answer is used again for the very same question. `0s`: no cache.") \
    X(cache_stale, DURATION, 0, CONFIG_H_IN_MS(168), "0s", NUMBER, RELOAD, \
      "For how long after that it is still used, while the server is asked anew.") \
    X(breaker_failures, COUNT, 0, 1000000, "5", NUMBER, RELOAD, \
      "After so many questions in a row without an answer the server is left alone. 0: never.") \
    X(breaker_open, DURATION, 10, CONFIG_H_IN_MS(1), "5s", NUMBER, RELOAD, \
      "For how long; then one question is tried.")

#define CONFIG_AUTHN_USE_TABLE(X) \
    X("path", 1u << CONFIG_AUTHN_PASSWORD_FILE | 1u << CONFIG_AUTHN_SCRAM) \
    X("mechanism", 1u << CONFIG_AUTHN_SCRAM) \
    X("user_is", 1u << CONFIG_AUTHN_PASSWORD_FILE) \
    X("url", 1u << CONFIG_AUTHN_HTTP) \
    X("method", 1u << CONFIG_AUTHN_HTTP) \
    X("headers", 1u << CONFIG_AUTHN_HTTP) \
    X("body", 1u << CONFIG_AUTHN_HTTP) \
    X("request_timeout", 1u << CONFIG_AUTHN_HTTP) \
    X("connect_timeout", 1u << CONFIG_AUTHN_HTTP) \
    X("ca", 1u << CONFIG_AUTHN_HTTP) \
    X("verify", 1u << CONFIG_AUTHN_HTTP) \
    X("cache_ttl", 1u << CONFIG_AUTHN_HTTP) \
    X("cache_stale", 1u << CONFIG_AUTHN_HTTP) \
    X("breaker_failures", 1u << CONFIG_AUTHN_HTTP) \
    X("breaker_open", 1u << CONFIG_AUTHN_HTTP)

/* clang-format on */

#endif
