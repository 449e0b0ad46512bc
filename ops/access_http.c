/*
 * access_http.c -- see access_http.h.
 *
 * Threads: see access_http.h.
 */
#include "access_http.h"

#include <string.h>
#include <strings.h>

#include "authn_http.h"
#include "http_template.h"

STATIC_CHECK(CONFIG_FIELDS_MAX <= AUTHN_HTTP_FIELDS_MAX, "what can be configured can be sent");

static const char http_form[] = "application/x-www-form-urlencoded";

static bool access_http_text(const char *key, const char *text, const struct config_report *report)
{
    const char *wrong = template_check(bytes_of_text(text));
    return wrong == NULL || config_refuse(report, "`%s` %s", key, wrong);
}

static bool access_http_url(const struct config_authn *from, const struct config_report *report)
{
    if (from->url[0] == '\0')
        return config_refuse(report, "the step needs `url`, the server to ask");
    if (strncmp(from->url, "http://", 7) != 0 && strncmp(from->url, "https://", 8) != 0)
        return config_refuse(report, "`url` begins with http:// or https://");
    return access_http_text("url", from->url, report);
}

/* A header must not be able to become two. */
static bool access_http_header(const struct config_field *field, const struct config_report *report)
{
    for (const char *at = field->name; *at != '\0'; at++)
        if (*at <= ' ' || *at >= 0x7f || *at == ':')
            return config_refuse(report, "a name in `headers` is no name of a header");
    for (const char *at = field->value; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return config_refuse(report, "a value in `headers` has control characters");
    return access_http_text("headers", field->value, report);
}

static void access_http_copy(struct authn_http_field *out, const struct config_fields *fields)
{
    for (uint32_t i = 0; i < fields->num; i++)
        out[i] = (struct authn_http_field){.name = bytes_of_text(fields->items[i].name),
                                           .value = bytes_of_text(fields->items[i].value)};
}

static bool access_http_is_form(const struct config_fields *headers)
{
    for (uint32_t i = 0; i < headers->num; i++)
        if (strcasecmp(headers->items[i].name, "content-type") == 0)
            return strncasecmp(headers->items[i].value, http_form, sizeof(http_form) - 1) == 0;
    return false;
}

static bool access_http_check(const struct config_authn *from, const struct config_report *report)
{
    bool right = access_http_url(from, report);
    for (uint32_t i = 0; i < from->headers.num; i++)
        right &= access_http_header(&from->headers.items[i], report);
    for (uint32_t i = 0; i < from->body.num; i++)
        right &= access_http_text("body", from->body.items[i].value, report);
    return right;
}

struct authn_step *access_http(const struct config_authn *from, const struct config_report *report)
{
    struct authn_http_field headers[AUTHN_HTTP_FIELDS_MAX];
    struct authn_http_field body[AUTHN_HTTP_FIELDS_MAX];
    if (!access_http_check(from, report))
        return NULL;
    access_http_copy(headers, &from->headers);
    access_http_copy(body, &from->body);
    struct authn_http_options options = {.is_get = from->method == CONFIG_HTTP_GET,
                                         .is_form = access_http_is_form(&from->headers),
                                         .insecure = !from->verify,
                                         .url = bytes_of_text(from->url),
                                         .ca_file = bytes_of_text(from->ca),
                                         .headers = headers,
                                         .headers_num = from->headers.num,
                                         .body = body,
                                         .body_num = from->body.num,
                                         .request_timeout_ms = (uint32_t)from->request_timeout_ms,
                                         .connect_timeout_ms = (uint32_t)from->connect_timeout_ms,
                                         .breaker_failures = from->breaker_failures,
                                         .breaker_open_ms = (uint32_t)from->breaker_open_ms,
                                         .cache_ttl_ms = (uint32_t)from->cache_ttl_ms,
                                         .cache_stale_ms = (uint32_t)from->cache_stale_ms};
    struct authn_step *step = authn_http_create(&options);
    if (step == NULL)
        config_refuse(report, "%s", rc_text(RC_NO_MEMORY));
    return step;
}
