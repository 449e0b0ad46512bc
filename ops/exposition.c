/*
 * exposition.c -- see exposition.h.
 *
 * The buffer doubles; a failure to grow sets `failed`, after which nothing is written any more.
 * Negotiation walks the header once: media ranges are separated by commas, their parameters by
 * semicolons; what cannot be read is passed over like a range that nobody asked for. Quality is
 * kept in thousandths.
 */
#include "exposition.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define EXPOSITION_FIRST_CAPACITY 32768 /* two thirds of a usual answer */
#define EXPOSITION_NUMBER_LEN_MAX 32
#define EXPOSITION_QUALITY_MAX    1000

static const char *const exposition_types[] = {
    [EXPOSITION_COUNTER] = "counter",
    [EXPOSITION_GAUGE] = "gauge",
    [EXPOSITION_HISTOGRAM] = "histogram",
    [EXPOSITION_INFO] = "info",
};

const char *exposition_content_type(enum exposition_format format)
{
    return format == EXPOSITION_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

/* ---- negotiation ---- */

/* A piece of a header, between separators, without the space around it. */
struct exposition_piece {
    const char *at;
    size_t len;
};

/* Takes the piece before `separator` off the front of *rest, which becomes NULL after the last. */
static struct exposition_piece exposition_piece_take(const char **rest, const char *end,
                                                     char separator)
{
    const char *at = *rest;
    const char *stop = memchr(at, separator, (size_t)(end - at));
    *rest = stop == NULL ? NULL : stop + 1;
    if (stop == NULL)
        stop = end;
    while (at < stop && (*at == ' ' || *at == '\t'))
        at++;
    while (stop > at && (stop[-1] == ' ' || stop[-1] == '\t'))
        stop--;
    return (struct exposition_piece){.at = at, .len = (size_t)(stop - at)};
}

static bool exposition_piece_is(struct exposition_piece piece, const char *text)
{
    return piece.len == strlen(text) && strncasecmp(piece.at, text, piece.len) == 0;
}

static bool exposition_piece_begins(struct exposition_piece piece, const char *text)
{
    size_t len = strlen(text);
    return piece.len >= len && strncasecmp(piece.at, text, len) == 0;
}

/* "0.75" in thousandths; what is no number is 1, as if nothing had been said. */
static unsigned exposition_quality(struct exposition_piece number)
{
    if (number.len == 0 || (number.at[0] != '0' && number.at[0] != '1'))
        return EXPOSITION_QUALITY_MAX;
    unsigned quality = (unsigned)(number.at[0] - '0') * EXPOSITION_QUALITY_MAX;
    unsigned place = EXPOSITION_QUALITY_MAX / 10;
    for (size_t i = 2; i < number.len && place > 0; i++, place /= 10) {
        if (number.at[i] < '0' || number.at[i] > '9')
            return EXPOSITION_QUALITY_MAX;
        quality += (unsigned)(number.at[i] - '0') * place;
    }
    return quality > EXPOSITION_QUALITY_MAX ? EXPOSITION_QUALITY_MAX : quality;
}

/* How much the two formats are wanted, and how exactly text was named: 0 not at all, 3 by name. */
struct exposition_wishes {
    unsigned openmetrics;
    unsigned text;
    unsigned text_exactness;
};

static void exposition_wish_add(struct exposition_wishes *wishes, struct exposition_piece range)
{
    const char *rest = range.at;
    const char *end = range.at + range.len;
    struct exposition_piece type = exposition_piece_take(&rest, end, ';');
    unsigned quality = EXPOSITION_QUALITY_MAX;
    bool version_fits = true;
    while (rest != NULL) {
        struct exposition_piece parameter = exposition_piece_take(&rest, end, ';');
        if (exposition_piece_begins(parameter, "q="))
            quality = exposition_quality(
                (struct exposition_piece){parameter.at + 2, parameter.len - 2});
        else if (exposition_piece_begins(parameter, "version="))
            version_fits = exposition_piece_is(parameter, "version=1.0.0");
    }
    if (exposition_piece_is(type, "application/openmetrics-text")) {
        if (version_fits && quality > wishes->openmetrics)
            wishes->openmetrics = quality;
        return;
    }
    unsigned exactness = 0;
    if (exposition_piece_is(type, "text/plain"))
        exactness = 3;
    else if (exposition_piece_is(type, "text/*"))
        exactness = 2;
    else if (exposition_piece_is(type, "*/*"))
        exactness = 1;
    if (exactness > wishes->text_exactness) {
        wishes->text_exactness = exactness;
        wishes->text = quality;
    }
}

enum exposition_format exposition_negotiate(const char *accept)
{
    if (accept == NULL)
        return EXPOSITION_TEXT;
    struct exposition_wishes wishes = {0};
    const char *rest = accept;
    const char *end = accept + strlen(accept);
    while (rest != NULL)
        exposition_wish_add(&wishes, exposition_piece_take(&rest, end, ','));
    return wishes.openmetrics > 0 && wishes.openmetrics >= wishes.text ? EXPOSITION_OPENMETRICS
                                                                       : EXPOSITION_TEXT;
}

/* ---- the buffer ---- */

void exposition_init(struct exposition *out, enum exposition_format format)
{
    CHECK(out != NULL);
    *out = (struct exposition){.format = format};
}

void exposition_fini(struct exposition *exposition)
{
    CHECK(exposition != NULL);
    free(exposition->text);
    *exposition = (struct exposition){.format = exposition->format};
}

static void exposition_add(struct exposition *out, const char *text, size_t len)
{
    if (out->failed)
        return;
    if (out->capacity - out->len < len) {
        size_t capacity = out->capacity == 0 ? EXPOSITION_FIRST_CAPACITY : out->capacity;
        while (capacity - out->len < len)
            capacity *= 2;
        char *larger = realloc(out->text, capacity);
        if (larger == NULL) {
            out->failed = true;
            return;
        }
        out->text = larger;
        out->capacity = capacity;
    }
    memcpy(out->text + out->len, text, len);
    out->len += len;
}

static void exposition_put(struct exposition *out, const char *text)
{
    exposition_add(out, text, strlen(text));
}

/* With a backslash before what would end or break the text it stands in. */
static void exposition_put_escaped(struct exposition *out, const char *text, bool is_quoted)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\n')
            exposition_put(out, "\\n");
        else if (*c == '\\' || (*c == '"' && is_quoted))
            exposition_add(out, (const char[]){'\\', *c}, 2);
        else
            exposition_add(out, c, 1);
    }
}

/* ---- families and samples ---- */

/* The suffix of a family's only samples; "" for histograms, whose samples differ. */
static const char *exposition_suffix(enum exposition_type type)
{
    if (type == EXPOSITION_COUNTER)
        return "_total";
    return type == EXPOSITION_INFO ? "_info" : "";
}

static void exposition_put_meta(struct exposition *out, const char *word, const char *suffix,
                                const char *text)
{
    exposition_put(out, "# ");
    exposition_put(out, word);
    exposition_put(out, " ");
    exposition_put(out, out->family_name);
    exposition_put(out, suffix);
    exposition_put(out, " ");
    exposition_put_escaped(out, text, out->format == EXPOSITION_OPENMETRICS);
    exposition_put(out, "\n");
}

void exposition_open(struct exposition *out, const struct exposition_family *family)
{
    CHECK(out != NULL && family != NULL && family->name != NULL && family->help != NULL);
    CHECK((unsigned)family->type < ARRAY_LEN(exposition_types));
    out->family_name = family->name;
    out->type = family->type;
    bool is_open = out->format == EXPOSITION_OPENMETRICS;
    const char *suffix = is_open ? "" : exposition_suffix(family->type);
    const char *type = exposition_types[family->type];
    if (family->type == EXPOSITION_INFO && !is_open)
        type = exposition_types[EXPOSITION_GAUGE];
    exposition_put_meta(out, "HELP", suffix, family->help);
    exposition_put_meta(out, "TYPE", suffix, type);
    if (is_open && family->unit != NULL)
        exposition_put_meta(out, "UNIT", suffix, family->unit);
}

static void exposition_put_labels(struct exposition *out, const struct exposition_label *labels,
                                  uint32_t num_labels)
{
    CHECK(num_labels <= EXPOSITION_LABELS_MAX);
    for (uint32_t i = 0; i < num_labels; i++) {
        exposition_put(out, i == 0 ? "{" : ",");
        exposition_put(out, labels[i].name);
        exposition_put(out, "=\"");
        exposition_put_escaped(out, labels[i].value, true);
        exposition_put(out, "\"");
    }
    if (num_labels > 0)
        exposition_put(out, "}");
}

static void exposition_put_sample(struct exposition *out, const char *suffix,
                                  const struct exposition_label *labels, uint32_t num_labels,
                                  const char *number)
{
    CHECK(out->family_name != NULL);
    exposition_put(out, out->family_name);
    exposition_put(out, suffix);
    exposition_put_labels(out, labels, num_labels);
    exposition_put(out, " ");
    exposition_put(out, number);
    exposition_put(out, "\n");
}

static const char *exposition_format_whole(uint64_t value, char *out)
{
    snprintf(out, EXPOSITION_NUMBER_LEN_MAX, "%" PRIu64, value);
    return out;
}

static const char *exposition_format_real(double value, char *out)
{
    if (isnan(value))
        return "NaN";
    if (isinf(value))
        return value > 0 ? "+Inf" : "-Inf";
    snprintf(out, EXPOSITION_NUMBER_LEN_MAX, "%.15g", value);
    return out;
}

void exposition_whole(struct exposition *out, const struct exposition_label *labels,
                      uint32_t num_labels, uint64_t value)
{
    char number[EXPOSITION_NUMBER_LEN_MAX];
    CHECK(out->type != EXPOSITION_HISTOGRAM);
    CHECK(out->type != EXPOSITION_INFO || value == 1);
    exposition_put_sample(out, exposition_suffix(out->type), labels, num_labels,
                          exposition_format_whole(value, number));
}

void exposition_real(struct exposition *out, const struct exposition_label *labels,
                     uint32_t num_labels, double value)
{
    char number[EXPOSITION_NUMBER_LEN_MAX];
    CHECK(out->type == EXPOSITION_COUNTER || out->type == EXPOSITION_GAUGE);
    exposition_put_sample(out, exposition_suffix(out->type), labels, num_labels,
                          exposition_format_real(value, number));
}

void exposition_histogram(struct exposition *out, const struct exposition_buckets *buckets)
{
    char number[EXPOSITION_NUMBER_LEN_MAX];
    CHECK(out->type == EXPOSITION_HISTOGRAM);
    struct exposition_label le = {.name = "le", .value = "+Inf"};
    for (uint32_t i = 0; i < buckets->num; i++) {
        CHECK(buckets->counts[i] <= buckets->count);
        CHECK(i == 0 || buckets->counts[i - 1] <= buckets->counts[i]);
        le.value = buckets->limits[i];
        exposition_put_sample(out, "_bucket", &le, 1,
                              exposition_format_whole(buckets->counts[i], number));
    }
    le.value = "+Inf";
    const char *count = exposition_format_whole(buckets->count, number);
    exposition_put_sample(out, "_bucket", &le, 1, count);
    exposition_put_sample(out, "_count", NULL, 0, count);
    exposition_put_sample(out, "_sum", NULL, 0, exposition_format_real(buckets->sum, number));
}

bool exposition_end(struct exposition *out)
{
    CHECK(out != NULL);
    if (out->format == EXPOSITION_OPENMETRICS)
        exposition_put(out, "# EOF\n");
    out->family_name = NULL;
    return !out->failed;
}
