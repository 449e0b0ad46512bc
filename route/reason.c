/*
 * reason.c -- look-ups in the table of reason codes.
 *
 * The codes are sparse (0x00 to 0xA2), so the table is expanded into an array indexed by the code;
 * a row without a text is a number that MQTT does not define.
 *
 * Threads: pure functions, any.
 */
#include "reason.h"

struct reason_row {
    const char *text;
    uint16_t packets;
    uint8_t connack3;
};

#define REASON_ROW(name, code, return_code, where, words)                                          \
    [code] = {.text = (words), .packets = (where), .connack3 = (return_code)},
static const struct reason_row reason_rows[256] = {REASON_TABLE(REASON_ROW)};
#undef REASON_ROW

static const struct reason_row *reason_row(enum reason reason)
{
    CHECK((unsigned)reason < ARRAY_LEN(reason_rows));
    return &reason_rows[reason];
}

const char *reason_text(enum reason reason)
{
    const char *text = reason_row(reason)->text;
    return text != NULL ? text : "unknown reason";
}

bool reason_is_legal(enum reason reason, enum reason_packet packet)
{
    return (reason_row(reason)->packets & packet) != 0;
}

uint8_t reason_connack3(enum reason reason)
{
    return reason_row(reason)->connack3;
}

enum reason reason_of_connack3(uint8_t return_code)
{
    static const uint8_t reasons[] = {
        REASON_SUCCESS,
        REASON_UNSUPPORTED_PROTOCOL_VERSION,
        REASON_CLIENT_ID_NOT_VALID,
        REASON_SERVER_UNAVAILABLE,
        REASON_BAD_USERNAME_OR_PASSWORD,
        REASON_NOT_AUTHORIZED,
    };
    return return_code < ARRAY_LEN(reasons) ? (enum reason)reasons[return_code]
                                            : REASON_PROTOCOL_ERROR;
}
