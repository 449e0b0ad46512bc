/*
 * exposition.h -- the text in which metrics are handed out, written into a growing buffer.
 *
 * Two formats with the same samples:
 *
 *   text         the Prometheus text format 0.0.4
 *                    # HELP sluice_x_total Help.
 *                    # TYPE sluice_x_total counter
 *                    sluice_x_total{qos="1"} 5
 *   OpenMetrics  1.0.0: a counter's family is named without `_total`, units are told, information
 *                has a type of its own, and the last line is `# EOF`
 *
 * A family is opened once and followed by all of its samples; its name is given without `_total`,
 * `_info` or `_bucket`, which come from the type. Limits of histograms are written in one spelling
 * ("1.0", "1e-05") in both formats, so that a scraper that changes from one to the other sees the
 * same series.
 *
 * Nothing here fails in the middle: without memory the rest is dropped, and exposition_end says so.
 *
 * Threads: an exposition belongs to its caller; exposition_negotiate is pure.
 */
#ifndef SLUICE_EXPOSITION_H
#define SLUICE_EXPOSITION_H

#include "check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPOSITION_LABELS_MAX 4

enum exposition_format { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS };

enum exposition_type {
    EXPOSITION_COUNTER,
    EXPOSITION_GAUGE,
    EXPOSITION_HISTOGRAM,
    EXPOSITION_INFO, /* the value is always 1 */
};

/* What stands before the samples of a family, a value; texts are borrowed for the call. */
struct exposition_family {
    const char *name; /* [a-zA-Z_:][a-zA-Z0-9_:]*, without the suffix of its type */
    enum exposition_type type;
    const char *unit; /* "seconds", "bytes", ...; then the name ends in it. NULL: none */
    const char *help;
};

/* One label; the value is any UTF-8 text and is escaped here. */
struct exposition_label {
    const char *name;
    const char *value;
};

struct exposition {
    enum exposition_format format;
    char *text; /* owned; not terminated */
    size_t len;
    size_t capacity;
    bool failed;               /* no memory: what follows is dropped */
    const char *family_name;   /* borrowed: of the family that is open */
    enum exposition_type type; /* of the family that is open */
};

/* The Content-Type of a format; static text. */
const char *exposition_content_type(enum exposition_format format);

/*
 * The format to answer with. `accept` is the Accept header of the request, NULL if it has none.
 * OpenMetrics if it is named in version 1.0.0 or without a version, and not wanted less than text
 * (RFC 9110 section 12.5.1); text in all other cases, also if the header allows neither.
 */
enum exposition_format exposition_negotiate(const char *accept);

void exposition_init(struct exposition *out, enum exposition_format format);
void exposition_fini(struct exposition *exposition);

/* Opens a family. `family->name` is borrowed until the next one is opened. */
void exposition_open(struct exposition *out, const struct exposition_family *family);

/* One sample of the open family, a counter, a gauge or information. */
void exposition_whole(struct exposition *out, const struct exposition_label *labels,
                      uint32_t num_labels, uint64_t value);
void exposition_real(struct exposition *out, const struct exposition_label *labels,
                     uint32_t num_labels, double value);

/* A histogram's figures, a value; arrays are borrowed for the call. */
struct exposition_buckets {
    const char *const *limits; /* texts of the upper limits, rising, without +Inf */
    const uint64_t *counts;    /* at or below each limit */
    uint32_t num;
    uint64_t count; /* of all, which is that of +Inf */
    double sum;
};

/* All samples of the open family, a histogram without further labels. */
void exposition_histogram(struct exposition *out, const struct exposition_buckets *buckets);

/* Ends the text. False if memory was short and the text is not whole. */
MUST_USE bool exposition_end(struct exposition *out);

#endif
