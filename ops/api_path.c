/*
 * api_path.c -- see api_path.h.
 * Threads: see api_path.h.
 */
#include "api_path.h"

#include <string.h>

#include "limits.h"
#include "utf8.h"

static int api_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool api_decode(const char *text, size_t len, char *out)
{
    size_t num = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            int high = len - i < 3 ? -1 : api_hex(text[i + 1]);
            int low = len - i < 3 ? -1 : api_hex(text[i + 2]);
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0')
            return false;
        out[num++] = c;
    }
    out[num] = '\0';
    return num <= STRING_LEN_MAX && utf8_check((const uint8_t *)out, num);
}

enum api_path_match api_path_match(const char *route, const char *path, char *text,
                                   const char **params, unsigned params_max)
{
    unsigned num = 0;
    bool right = true;
    while (*route == '/' && *path == '/') {
        size_t want = strcspn(++route, "/");
        size_t have = strcspn(++path, "/");
        if (want == 2 && memcmp(route, "{}", 2) == 0) {
            CHECK(num < params_max);
            bool decoded = have > 0 && api_decode(path, have, text);
            right &= decoded;
            params[num++] = text;
            text += decoded ? strlen(text) + 1 : 0;
        } else if (want != have || memcmp(route, path, want) != 0) {
            return API_PATH_OTHER;
        }
        route += want;
        path += have;
    }
    if (*route != '\0' || *path != '\0')
        return API_PATH_OTHER;
    return right ? API_PATH_IS : API_PATH_WRONG;
}
