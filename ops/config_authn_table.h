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
    X(CONFIG_AUTHN_SCRAM, "scram")                                                                 \
    X(CONFIG_AUTHN_JWT, "jwt")                                                                     \
    X(CONFIG_AUTHN_CERTIFICATE, "certificate")                                                     \
    X(CONFIG_AUTHN_BUILT_IN, "built_in_database")

#define CONFIG_HTTP_METHOD_TABLE(X)                                                                \
    X(CONFIG_HTTP_POST, "post")                                                                    \
    X(CONFIG_HTTP_GET, "get")

#define CONFIG_AUTHN_USER_IS_TABLE(X)                                                              \
    X(CONFIG_USER_IS_USERNAME, "username")                                                         \
    X(CONFIG_USER_IS_CLIENTID, "clientid")

#define CONFIG_AUTHN_SCRAM_TABLE(X)                                                                \
    X(CONFIG_SCRAM_SHA256, "sha256")                                                               \
    X(CONFIG_SCRAM_SHA512, "sha512")

#define CONFIG_AUTHN_FROM_TABLE(X)                                                                 \
    X(CONFIG_FROM_PASSWORD, "password")                                                            \
    X(CONFIG_FROM_USERNAME, "username")

#define CONFIG_AUTHN_CERT_TABLE(X)                                                                 \
    X(CONFIG_CERT_IS_ANY, "any")                                                                   \
    X(CONFIG_CERT_IS_USERNAME, "username")                                                         \
    X(CONFIG_CERT_IS_CLIENTID, "clientid")

#define CONFIG_JWT_ALG_TABLE(X)                                                                    \
    X(CONFIG_JWT_ANY, "any")                                                                       \
    X(CONFIG_JWT_HS256, "HS256")                                                                   \
    X(CONFIG_JWT_HS384, "HS384")                                                                   \
    X(CONFIG_JWT_HS512, "HS512")                                                                   \
    X(CONFIG_JWT_RS256, "RS256")                                                                   \
    X(CONFIG_JWT_RS384, "RS384")                                                                   \
    X(CONFIG_JWT_RS512, "RS512")                                                                   \
    X(CONFIG_JWT_ES256, "ES256")                                                                   \
    X(CONFIG_JWT_ES384, "ES384")                                                                   \
    X(CONFIG_JWT_ES512, "ES512")                                                                   \
    X(CONFIG_JWT_EDDSA, "EdDSA")

/* clang-format off */

#define CONFIG_AUTHN_TABLE(X) \
    X(type, AUTHN_KIND, 0, 0, "none", NUMBER, RELOAD, \
      "What the step does, see [access](access.md). Required.") \
    X(listener, TEXT, 0, 64, "", NUMBER, RELOAD, \
      "Name of a listener. The steps that name it are its chain, instead of the others.") \
    X(path, TEXT, 0, 4000, "", NUMBER, RELOAD, \
      "The file with users and their stored passwords.") \
    X(user_id_type, AUTHN_USER_IS, 0, 0, "username", NUMBER, RELOAD, \
      "What of CONNECT is the name of the user in the file or database.") \
    X(database, TEXT, 0, 64, "", NUMBER, RELOAD, \
      "The name of the built-in database, if there are several: letters, digits, `-` and `_`.") \
    X(password_hash_algorithm, PASSWORD_HASH, 0, 0, "argon2id", NUMBER, RELOAD, \
      "How passwords that are set from now on are stored.") \
    X(cert_is, AUTHN_CERT, 0, 0, "any", NUMBER, RELOAD, \
      "What the common name of the certificate has to be.") \
    X(from, AUTHN_FROM, 0, 0, "password", NUMBER, RELOAD, \
      "Where the token stands.") \
    X(algorithm, JWT_ALG, 0, 0, "any", NUMBER, RELOAD, \
      "The only algorithm of signatures that is taken; `any`: each that fits the kind of a key.") \
    X(secret_file, TEXT, 0, 4000, "", NUMBER, RELOAD, \
      "File with the secret of HS256, HS384 and HS512, without its last line feed.") \
    X(secret_base64, BOOL, 0, 0, "false", NUMBER, RELOAD, \
      "Whether the secret stands there in base64.") \
    X(public_key, TEXT, 0, 4000, "", NUMBER, RELOAD, \
      "File with a public key or certificate in PEM, for RS, ES and EdDSA.") \
    X(jwks_file, TEXT, 0, 4000, "", NUMBER, RELOAD, \
      "File with a JWK set.") \
    X(jwks_url, TEXT, 0, 4000, "", NUMBER, RELOAD, \
      "Address of a JWK set, `http://` or `https://`. Until it was fetched for the first time " \
      "the step ignores every client.") \
    X(jwks_refresh, SECONDS, 1, 86400, "5m", NUMBER, RELOAD, \
      "How often it is fetched again.") \
    X(leeway, SECONDS, 0, 3600, "0s", NUMBER, RELOAD, \
      "How far clocks may differ, for the times in a token.") \
    X(verify_claims, FIELDS, 0, 0, "", NUMBER, RELOAD, \
      "Claims that a token must have, with `${clientid}` and `${username}` in their values.") \
    X(acl_claim, TEXT, 1, 256, "acl", NUMBER, RELOAD, \
      "The claim that holds permissions.") \
    X(disconnect_after_expire, BOOL, 0, 0, "true", NUMBER, RELOAD, \
      "Whether the connection ends when the token expires (reason 0xA0).") \
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
    X("cert_is", 1u << CONFIG_AUTHN_CERTIFICATE) \
    X("from", 1u << CONFIG_AUTHN_JWT) \
    X("algorithm", 1u << CONFIG_AUTHN_JWT) \
    X("secret_file", 1u << CONFIG_AUTHN_JWT) \
    X("secret_base64", 1u << CONFIG_AUTHN_JWT) \
    X("public_key", 1u << CONFIG_AUTHN_JWT) \
    X("jwks_file", 1u << CONFIG_AUTHN_JWT) \
    X("jwks_url", 1u << CONFIG_AUTHN_JWT) \
    X("jwks_refresh", 1u << CONFIG_AUTHN_JWT) \
    X("leeway", 1u << CONFIG_AUTHN_JWT) \
    X("verify_claims", 1u << CONFIG_AUTHN_JWT) \
    X("acl_claim", 1u << CONFIG_AUTHN_JWT) \
    X("disconnect_after_expire", 1u << CONFIG_AUTHN_JWT) \
    X("user_id_type", 1u << CONFIG_AUTHN_PASSWORD_FILE | 1u << CONFIG_AUTHN_BUILT_IN) \
    X("database", 1u << CONFIG_AUTHN_BUILT_IN) \
    X("password_hash_algorithm", 1u << CONFIG_AUTHN_BUILT_IN) \
    X("url", 1u << CONFIG_AUTHN_HTTP) \
    X("method", 1u << CONFIG_AUTHN_HTTP) \
    X("headers", 1u << CONFIG_AUTHN_HTTP) \
    X("body", 1u << CONFIG_AUTHN_HTTP) \
    X("request_timeout", 1u << CONFIG_AUTHN_HTTP) \
    X("connect_timeout", 1u << CONFIG_AUTHN_HTTP) \
    X("ca", 1u << CONFIG_AUTHN_HTTP | 1u << CONFIG_AUTHN_JWT) \
    X("verify", 1u << CONFIG_AUTHN_HTTP | 1u << CONFIG_AUTHN_JWT) \
    X("cache_ttl", 1u << CONFIG_AUTHN_HTTP) \
    X("cache_stale", 1u << CONFIG_AUTHN_HTTP) \
    X("breaker_failures", 1u << CONFIG_AUTHN_HTTP) \
    X("breaker_open", 1u << CONFIG_AUTHN_HTTP)

/* clang-format on */

#endif
