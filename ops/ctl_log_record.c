/*
 * ctl_log_record.c -- see ctl_log_record.h.
 *
 * Which parts of a record its type fills is one table; the parts are printed in the table's order
 * of columns, whatever the type.
 */
#include "ctl_log_record.h"

#include <inttypes.h>

#include "rfc3339.h"
#include "store_record.h"

#define SHOWN_TEXT_MAX    256 /* of topics, filters and names: more than people write */
#define SHOWN_PAYLOAD_MAX 48

enum {
    SHOW_SESSION = 1 << 0,
    SHOW_CLIENT = 1 << 1, /* id, version, connected or not */
    SHOW_EXPIRY = 1 << 2, /* in seconds */
    SHOW_SINCE = 1 << 3,  /* moment of the disconnection */
    SHOW_FILTER = 1 << 4,
    SHOW_OPTIONS = 1 << 5, /* of a subscription, with its identifier */
    SHOW_PACKET_ID = 1 << 6,
    SHOW_NUMBER = 1 << 7, /* under the name in the table */
    SHOW_DELAY = 1 << 8,
    SHOW_ENTRY = 1 << 9,
    SHOW_ENTRIES = 1 << 10,
    SHOW_TOPIC = 1 << 11,
    SHOW_MESSAGE = 1 << 12, /* if there is one */
    SHOW_KEYED = 1 << 13,
    SHOW_BY = 1 << 14, /* which part of the sessions */
    SHOW_HOME = 1 << 15,
};

/* Of each type: what is in it, and what its number is. */
static const struct {
    uint16_t parts;
    const char *number;
} shown[STORE_TYPE_END] = {
    [STORE_SESSION] = {SHOW_SESSION | SHOW_CLIENT | SHOW_EXPIRY | SHOW_SINCE, NULL},
    [STORE_SESSION_END] = {SHOW_SESSION, NULL},
    [STORE_DETACHED] = {SHOW_SESSION | SHOW_SINCE | SHOW_EXPIRY, NULL},
    [STORE_SUBSCRIBE] = {SHOW_SESSION | SHOW_FILTER | SHOW_OPTIONS, NULL},
    [STORE_UNSUBSCRIBE] = {SHOW_SESSION | SHOW_FILTER, NULL},
    [STORE_ENQUEUE] = {SHOW_SESSION | SHOW_ENTRY | SHOW_MESSAGE, NULL},
    [STORE_SENT] = {SHOW_SESSION | SHOW_ENTRY, NULL},
    [STORE_RECEIVED] = {SHOW_SESSION | SHOW_PACKET_ID, NULL},
    [STORE_DONE] = {SHOW_SESSION | SHOW_PACKET_ID, NULL},
    [STORE_DROPPED] = {SHOW_SESSION | SHOW_NUMBER, "entry"},
    [STORE_INBOUND] = {SHOW_SESSION | SHOW_PACKET_ID | SHOW_NUMBER, "message"},
    [STORE_RELEASED] = {SHOW_SESSION | SHOW_PACKET_ID, NULL},
    [STORE_WILL] = {SHOW_SESSION | SHOW_NUMBER | SHOW_DELAY | SHOW_EXPIRY | SHOW_MESSAGE, "will"},
    [STORE_WILL_GONE] = {SHOW_NUMBER, "will"},
    [STORE_RETAIN] = {SHOW_NUMBER | SHOW_MESSAGE, "version"},
    [STORE_UNRETAIN] = {SHOW_NUMBER | SHOW_TOPIC, "version"},
    [STORE_COPY] = {SHOW_NUMBER | SHOW_MESSAGE, "from"},
    [STORE_SNAP_BEGIN] = {SHOW_SESSION | SHOW_CLIENT | SHOW_EXPIRY | SHOW_SINCE | SHOW_NUMBER |
                              SHOW_PACKET_ID,
                          "next_entry"},
    [STORE_SNAP_ENTRIES] = {SHOW_SESSION | SHOW_ENTRIES, NULL},
    [STORE_SNAP_END] = {SHOW_SESSION, NULL},
    [STORE_KEYED] = {SHOW_KEYED | SHOW_NUMBER, "version"},
    [STORE_SEEN] = {SHOW_SESSION | SHOW_PACKET_ID | SHOW_NUMBER, "home"},
    [STORE_SEEN_BY] = {SHOW_SESSION | SHOW_PACKET_ID | SHOW_NUMBER | SHOW_BY, "home"},
    [STORE_UNSEEN] = {SHOW_SESSION | SHOW_PACKET_ID | SHOW_NUMBER, "home"},
    [STORE_TAKEN] = {SHOW_SESSION | SHOW_NUMBER | SHOW_HOME, "entry"},
    [STORE_UNTAKEN] = {SHOW_SESSION | SHOW_NUMBER | SHOW_HOME, "entry"},
};

static void print_bytes(struct bytes bytes, uint32_t max, FILE *out)
{
    uint32_t len = bytes.len < max ? bytes.len : max;
    fputc('"', out);
    for (uint32_t i = 0; i < len; i++) {
        uint8_t byte = bytes.ptr[i];
        if (byte >= ' ' && byte < 127 && byte != '\\' && byte != '"')
            fputc(byte, out);
        else
            fprintf(out, "\\x%02x", byte);
    }
    fputs(len < bytes.len ? "\"..." : "\"", out);
}

static void print_text(const char *name, struct bytes text, FILE *out)
{
    fprintf(out, " %s=", name);
    print_bytes(text, SHOWN_TEXT_MAX, out);
}

/* Left out if it is empty. */
static void print_blob(const char *name, struct bytes blob, FILE *out)
{
    if (blob.len == 0)
        return;
    fprintf(out, " %s[%" PRIu32 "]=", name, blob.len);
    print_bytes(blob, SHOWN_PAYLOAD_MAX, out);
}

static void print_moment(const char *name, uint64_t wall_ms, FILE *out)
{
    char text[RFC3339_LEN_MAX + 1];
    fprintf(out, " %s=%s", name, rfc3339_format(wall_ms / 1000, text));
}

static void print_entry(const struct store_entry *entry, FILE *out)
{
    static const char *const states[] = {
        [STORE_QUEUED] = "queued",
        [STORE_WAIT_PUBACK] = "waits-for-puback",
        [STORE_WAIT_PUBREC] = "waits-for-pubrec",
        [STORE_WAIT_PUBCOMP] = "waits-for-pubcomp",
    };
    fprintf(out, " entry=%" PRIu64 " qos=%u %s", entry->number, entry->qos, states[entry->state]);
    if (entry->packet_id != 0)
        fprintf(out, " packet_id=%u", entry->packet_id);
    if (entry->location != 0)
        fprintf(out, " message_at=%" PRIu64, entry->location);
    if (entry->priority != 0)
        fprintf(out, " priority=%u", entry->priority);
    for (uint32_t i = 0; i < entry->ids_count; i++)
        fprintf(out, "%s%" PRIu32, i == 0 ? " identifiers=" : ",", entry->ids[i]);
    if (entry->group.len > 0) {
        print_text("group", entry->group, out);
        fprintf(out, " attempts=%" PRIu32, entry->attempts);
    }
    if (entry->retain)
        fputs(" retain", out);
}

static void print_message(const struct store_message *message, FILE *out)
{
    print_text("topic", message->topic, out);
    fprintf(out, " message_qos=%u%s", message->qos, message->retain ? " message_retain" : "");
    if (message->expires_wall_ms != 0)
        print_moment("expires", message->expires_wall_ms, out);
    if (message->owner != 0)
        fprintf(out, " owner=%016" PRIx64, message->owner);
    print_blob("properties", message->props, out);
    print_blob("payload", message->payload, out);
}

static void print_session(const struct store_record *record, unsigned parts, FILE *out)
{
    if ((parts & SHOW_SESSION) != 0)
        fprintf(out, " session=%" PRIu64, record->session);
    if ((parts & SHOW_CLIENT) != 0) {
        print_text("client", record->client_id, out);
        fprintf(out, " mqtt=%u%s%s", record->version, record->is_bridge ? " bridge" : "",
                record->connected ? " connected" : "");
        if (record->owner != 0)
            fprintf(out, " owner=%016" PRIx64, record->owner);
    }
    if ((parts & SHOW_EXPIRY) != 0)
        fprintf(out, " expiry_s=%" PRIu32, record->expiry_s);
    if ((parts & SHOW_SINCE) != 0 && record->wall_ms != 0)
        print_moment("disconnected", record->wall_ms, out);
    if ((parts & SHOW_FILTER) != 0)
        print_text("filter", record->filter, out);
    if ((parts & SHOW_OPTIONS) != 0)
        fprintf(out, " options=0x%02x identifier=%" PRIu32, record->options, record->sub_id);
}

static void print_keyed(const struct store_record *record, FILE *out)
{
    print_text("table", record->table, out);
    print_text("key", record->key, out);
    if (record->kept)
        print_blob("value", record->value, out);
    else
        fputs(" deleted", out);
}

static void print_record(const struct store_record *record, uint32_t *id_space, FILE *out)
{
    unsigned parts = shown[record->type].parts;
    print_session(record, parts, out);
    if ((parts & SHOW_NUMBER) != 0)
        fprintf(out, " %s=%" PRIu64, shown[record->type].number, record->number);
    if ((parts & SHOW_PACKET_ID) != 0)
        fprintf(out, " packet_id=%u", record->packet_id);
    if ((parts & SHOW_DELAY) != 0)
        fprintf(out, " delay_s=%" PRIu32, record->delay_s);
    if ((parts & SHOW_ENTRY) != 0)
        print_entry(&record->entry, out);
    struct bytes rest = record->entries;
    struct store_entry entry;
    while ((parts & SHOW_ENTRIES) != 0 && store_entry_next(&rest, id_space, &entry) == RC_OK)
        print_entry(&entry, out);
    if ((parts & SHOW_ENTRIES) != 0 && rest.len > 0)
        print_blob("undecodable", rest, out);
    if ((parts & SHOW_TOPIC) != 0)
        print_text("topic", record->message.topic, out);
    if ((parts & SHOW_MESSAGE) != 0 && record->message.topic.len > 0)
        print_message(&record->message, out);
    if ((parts & SHOW_BY) != 0)
        fprintf(out, " by=%u/%u", record->by.number, record->by.shards);
    if ((parts & SHOW_HOME) != 0)
        fprintf(out, " home=%u", record->home);
    if ((parts & SHOW_KEYED) != 0)
        print_keyed(record, out);
}

void ctl_log_record_print(uint8_t type, struct bytes body, FILE *out)
{
    CHECK(out != NULL);
    uint32_t id_space[STORE_IDS_MAX];
    struct store_record record;
    const char *name = store_type_name(type);
    if (name != NULL)
        fputs(name, out);
    else
        fprintf(out, "type-%u", type);
    if (store_decode(type, body, id_space, &record) == RC_OK)
        print_record(&record, id_space, out);
    else
        print_blob("undecodable", body, out);
}
