/*
 * text.c -- see text.h.
 *
 * Threads: any.
 */
#include "text.h"

#include <stdio.h>
#include <string.h>

const char *text_grouped(struct text_number *out, uint64_t value)
{
    char digits[32];
    int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
    CHECK(len > 0 && len < (int)sizeof(digits));
    char *to = out->text;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    CHECK(to < out->text + sizeof(out->text));
    return out->text;
}

const char *text_duration(struct text_number *out, uint64_t value_ns)
{
    static const struct {
        double unit_ns;
        const char *name;
    } units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}};
    unsigned at = 0;
    while (at + 1 < ARRAY_LEN(units) && (double)value_ns < units[at].unit_ns)
        at++;
    double value = (double)value_ns / units[at].unit_ns;
    int decimals = value < 10 ? 2 : value < 100 ? 1 : 0;
    if (units[at].unit_ns < 2)
        decimals = 0;
    snprintf(out->text, sizeof(out->text), "%.*f %s", decimals, value, units[at].name);
    return out->text;
}

const char *text_json_string(char *out, size_t out_len, const char *text)
{
    /* Room for the longest escape, the closing quote and the zero byte. */
    const size_t reserve = 6 + 1 + 1;
    CHECK(out_len > reserve + 1);
    size_t at = 0;
    out[at++] = '"';
    for (const char *from = text; *from != '\0' && at + reserve <= out_len; from++) {
        unsigned char c = (unsigned char)*from;
        if (c == '"' || c == '\\') {
            out[at++] = '\\';
            out[at++] = (char)c;
        } else if (c < 0x20) {
            at += (size_t)snprintf(out + at, out_len - at, "\\u%04x", c);
        } else {
            out[at++] = (char)c;
        }
    }
    out[at++] = '"';
    out[at] = '\0';
    return out;
}
