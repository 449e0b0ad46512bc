/*
 * packet.h -- what the MQTT packets say, one view for each.
 *
 * decode.h fills these from bytes, encode.h makes bytes from the same structures, so that what one
 * writes the other reads back. Strings and payloads are views into the packet's bytes and live as
 * long as they do.
 *
 * Conventions:
 *   - An optional string is absent if its pointer is NULL; present and empty is a length of 0 with
 *     a pointer.
 *   - `props` is the raw property block (props.h), empty before MQTT 5.0: walk it with
 *     props_next_user. For an encoder it is where the user properties come from; whatever else
 *     stands in it is ignored, because the named fields say that.
 *   - Defaults that MQTT 5.0 gives to absent properties are filled in by the decoder; an encoder
 *     leaves a property out that has its default.
 *
 * Threads: plain values, any.
 */
#ifndef SLUICE_PACKET_H
#define SLUICE_PACKET_H

#include "bytes.h"
#include "limits.h"
#include "mqtt.h"
#include "packet_table.h"
#include "reason.h"

/* No limit beyond the protocol's own: the largest packet there can be (3.1.2.11.4). */
#define PACKET_SIZE_UNLIMITED (PACKET_LEN_MAX + FIXED_HEADER_LEN_MAX)

/* Name of a type, "CONNECT" and so on; "RESERVED" for 0 and anything out of range. */
const char *packet_text(enum packet_type type);

/* May a client (or a server) send this type of packet at all? */
bool packet_from_client(enum packet_type type);
bool packet_from_server(enum packet_type type);

struct will_view {
    struct bytes topic;
    struct bytes payload;
    struct bytes props; /* raw; forward it with props_copy_forwardable */
    uint32_t delay_s;
    uint32_t expiry_s; /* if has_expiry */
    uint8_t qos;
    bool retain;
    bool has_expiry;
    bool payload_is_text; /* payload format indicator 1 */
};

struct connect_view {
    /*
     * After a failure: the form in which a CONNACK can still be sent (MQTT_NONE: in none, the
     * protocol's name is not MQTT's). After success: the version that the client speaks.
     */
    enum mqtt_version version;
    uint8_t level;    /* the protocol level's byte as received; 0 if not reached */
    bool bridge;      /* bit 7 of the level: a mosquitto bridge, which wants no-local */
    bool clean_start; /* Clean Session before MQTT 5.0 */
    bool has_will;
    uint16_t keep_alive_s; /* 0: none */
    struct bytes client_id;
    struct will_view will; /* if has_will */
    struct bytes username; /* optional */
    struct bytes password; /* optional */

    /* MQTT 5.0 properties; their defaults otherwise. */
    struct bytes props;
    struct bytes auth_method;   /* optional */
    struct bytes auth_data;     /* optional, never without a method */
    uint32_t session_expiry_s;  /* 3.x: MQTT_EXPIRY_NEVER_S without Clean Session, else 0 */
    uint32_t packet_size_max;   /* of what the client accepts; PACKET_SIZE_UNLIMITED */
    uint16_t receive_max;       /* MQTT_RECEIVE_DEFAULT */
    uint16_t topic_alias_max;   /* 0: the client takes no aliases */
    bool request_response_info; /* false */
    bool request_problem_info;  /* true */
};

struct connack_view {
    enum reason reason; /* 3.x: through the table of reason.h */
    bool session_present;

    /* MQTT 5.0 */
    bool has_session_expiry; /* absent: what the client asked for */
    bool has_server_keep_alive;
    bool retain_available;    /* true */
    bool wildcard_available;  /* true */
    bool sub_id_available;    /* true */
    bool shared_available;    /* true */
    uint8_t qos_max;          /* MQTT_QOS_2 */
    uint16_t receive_max;     /* MQTT_RECEIVE_DEFAULT */
    uint16_t topic_alias_max; /* 0 */
    uint16_t server_keep_alive_s;
    uint32_t session_expiry_s;
    uint32_t packet_size_max;        /* PACKET_SIZE_UNLIMITED */
    struct bytes assigned_client_id; /* optional, and so are all below */
    struct bytes reason_string;
    struct bytes response_info;
    struct bytes server_reference;
    struct bytes auth_method;
    struct bytes auth_data;
    struct bytes props;
};

/* A CONNACK that says nothing but its reason: every property at its default. */
#define CONNACK_VIEW_DEFAULT                                                                       \
    ((struct connack_view){.retain_available = true,                                               \
                           .wildcard_available = true,                                             \
                           .sub_id_available = true,                                               \
                           .shared_available = true,                                               \
                           .qos_max = MQTT_QOS_2,                                                  \
                           .receive_max = MQTT_RECEIVE_DEFAULT,                                    \
                           .packet_size_max = PACKET_SIZE_UNLIMITED})

struct publish_view {
    struct bytes topic; /* UTF-8 is checked, the rules of topic names are not */
    struct bytes payload;
    struct bytes props;
    uint32_t expiry_s; /* if has_expiry */
    uint16_t alias;    /* 0: none; the bound is the connection's to check */
    bool has_expiry;
    bool payload_is_text; /* payload format indicator 1; checking that is the caller's choice */
    uint16_t packet_id;   /* 0 with QoS 0, never 0 otherwise */
    uint8_t qos;
    bool dup;
    bool retain;
    bool props_plain; /* `props` can be forwarded as it is: nothing in it is for one hop only */
};

/* PUBACK, PUBREC, PUBREL, PUBCOMP. */
struct ack_view {
    uint16_t packet_id;
    enum reason reason;
    struct bytes reason_string; /* optional */
    struct bytes props;
};

/* One filter of a SUBSCRIBE. */
struct subscribe_item {
    struct bytes filter; /* UTF-8 is checked, the rules of topic filters are not */
    uint8_t qos;
    uint8_t retain_handling; /* enum mqtt_retain_handling; SEND before MQTT 5.0 */
    bool no_local;
    bool retain_as_published;
};

struct subscribe_view {
    uint16_t packet_id;
    uint8_t options_mask; /* bits of an options byte that mean something to this client */
    uint32_t sub_id;      /* 0: none */
    uint32_t filters_num; /* at least 1 */
    struct bytes filters; /* checked; subscribe_next takes them off */
    struct bytes props;
};

/* Takes the next filter off view->filters; false when there is none left. */
bool subscribe_next(struct subscribe_view *view, struct subscribe_item *out);

struct unsubscribe_view {
    uint16_t packet_id;
    uint32_t filters_num; /* at least 1 */
    struct bytes filters; /* checked; unsubscribe_next takes them off */
    struct bytes props;
};

/* Takes the next filter off view->filters; false when there is none left. */
bool unsubscribe_next(struct unsubscribe_view *view, struct bytes *out_filter);

/* SUBACK and UNSUBACK. */
struct suback_view {
    uint16_t packet_id;
    struct bytes codes; /* one reason code for each filter; none in an UNSUBACK before MQTT 5.0 */
    struct bytes reason_string; /* optional */
    struct bytes props;
};

struct disconnect_view {
    enum reason reason;
    bool has_session_expiry;
    uint32_t session_expiry_s;     /* client only */
    struct bytes reason_string;    /* optional */
    struct bytes server_reference; /* optional, server only */
    struct bytes props;
};

struct auth_view {
    enum reason reason;
    struct bytes auth_method;   /* optional only with REASON_SUCCESS */
    struct bytes auth_data;     /* optional */
    struct bytes reason_string; /* optional */
    struct bytes props;
};

#endif
