/*
 * sim_oracle.h -- what must be true of every message, kept beside the broker by somebody who sees
 * all clients.
 *
 * Topics and filters are two small fixed tables, so that filters overlap. A message carries its
 * number and a filling made from it, so that a receiver can tell which it is and that it is whole.
 *
 * A duty is a promise of the broker to one subscriber: the subscriber's filter was confirmed before
 * the message was sent, both sides ask for QoS 1 or 2, and the subscriber's session lasts. It binds
 * once the broker has acknowledged the message, and is waived when the subscriber unsubscribes or
 * its session ends. At the end of a run no duty may be open.
 *
 * Will messages are numbered when CONNECT is written; how the connection ends says how often the
 * witness (client 0, which subscribes to wills with QoS 2 and stays) must see them.
 */
#ifndef SLUICE_SIM_ORACLE_H
#define SLUICE_SIM_ORACLE_H

#include "bytes.h"

#define SIM_CLIENTS_MAX    12
#define SIM_WITNESS        0
#define SIM_PAYLOAD_MIN    8
#define SIM_TOPIC_NONE     UINT8_MAX
#define SIM_TOPIC_WILL     8
#define SIM_RETAINED_FIRST 4 /* topics that are published with RETAIN, by one client each */
#define SIM_RETAINED_COUNT 2
#define SIM_SHARED_FIRST   6 /* topics that only shared subscriptions ask for */
#define SIM_SHARED_COUNT   2

/* The rows' order is what the numbers above say. */
#define SIM_TOPIC_TABLE(X)                                                                         \
    X("a/0")                                                                                       \
    X("a/1")                                                                                       \
    X("b/0")                                                                                       \
    X("b/1/x")                                                                                     \
    X("r/0")                                                                                       \
    X("r/1")                                                                                       \
    X("s/x/0")                                                                                     \
    X("s/x/1")                                                                                     \
    X("w/z/0")

#define SIM_FILTER_WILL 0

/* X(filter, share name or "") */
#define SIM_FILTER_TABLE(X)                                                                        \
    X("w/#", "")                                                                                   \
    X("a/0", "")                                                                                   \
    X("a/0/#", "")                                                                                 \
    X("+/0/#", "")                                                                                 \
    X("a/+", "")                                                                                   \
    X("a/#", "")                                                                                   \
    X("b/#", "")                                                                                   \
    X("b/1/x", "")                                                                                 \
    X("+/0", "")                                                                                   \
    X("+/+", "")                                                                                   \
    X("+/1/+", "")                                                                                 \
    X("r/0", "")                                                                                   \
    X("r/+", "")                                                                                   \
    X("s/#", "g")                                                                                  \
    X("s/x/0", "h")

#define SIM_COUNT_ROW(...) +1
enum {
    SIM_TOPICS = 0 SIM_TOPIC_TABLE(SIM_COUNT_ROW),
    SIM_FILTERS = 0 SIM_FILTER_TABLE(SIM_COUNT_ROW),
};
#undef SIM_COUNT_ROW

enum sim_duty { SIM_DUTY_NONE, SIM_DUTY_OWED, SIM_DUTY_WAIVED };

enum sim_will { SIM_WILL_UNKNOWN, SIM_WILL_NEVER, SIM_WILL_ONCE };

struct sim_message {
    uint32_t number;
    uint32_t len; /* of the payload; 0: clears a retained topic */
    uint8_t publisher;
    uint8_t topic;
    uint8_t qos;
    bool retain;
    bool is_will;
    bool lasts; /* a will: of a session that survives its connection */
    bool acked;
    bool expires;           /* has a Message Expiry Interval: may be dropped */
    uint8_t will;           /* enum sim_will */
    bool repeats;           /* the broker was gone before it had acknowledged it */
    uint16_t sendings;      /* PUBLISH packets made of it */
    uint32_t crashes;       /* before it was made */
    uint32_t expiry_s;      /* if expires */
    uint8_t groups_owed;    /* shared groups with a confirmed member when it was sent */
    uint16_t shared_taken;  /* copies accepted by members of shared groups */
    uint16_t shared_double; /* of these, with QoS 2 */
    uint8_t duty[SIM_CLIENTS_MAX];
    uint8_t owed_qos[SIM_CLIENTS_MAX];  /* 3: not known exactly */
    uint32_t version[SIM_CLIENTS_MAX];  /* of the subscriber's subscriptions when it was sent */
    uint16_t fresh[SIM_CLIENTS_MAX];    /* PUBLISH packets without DUP */
    uint16_t accepted[SIM_CLIENTS_MAX]; /* given to the application */
    uint16_t exact[SIM_CLIENTS_MAX];    /* of these, with QoS 2 */
};

/* How a subscription stands, as its client knows it. */
enum sim_sub { SIM_SUB_NONE, SIM_SUB_ASKED, SIM_SUB_ON, SIM_SUB_LEAVING, SIM_SUB_UNKNOWN };

/* The oracle's view of a client. */
struct sim_view {
    uint32_t packet_max;           /* Maximum Packet Size of its connections; 0: none */
    bool lasting;                  /* its session survives its connection */
    bool was_brief;                /* some session of it did not */
    bool steady;                   /* its session lasts and never begins anew */
    bool v5;                       /* No Local and identifiers mean something */
    uint8_t subs[SIM_FILTERS];     /* enum sim_sub */
    uint32_t version;              /* raised by every change of subs */
    bool feeding[SIM_TOPICS];      /* a retained message is owed for a confirmed SUBSCRIBE */
    bool retained_own[SIM_TOPICS]; /* it has sent one itself, which No Local may keep from it */
    uint32_t feed_min[SIM_TOPICS];
    uint32_t feed_asked[SIM_TOPICS]; /* packet id of a SUBSCRIBE not yet confirmed; 0: none */
    uint32_t last[SIM_CLIENTS_MAX][SIM_TOPICS][3][3]; /* by publisher, topic, QoS sent, received */
};

/* What a client has just been given. */
struct sim_receipt {
    unsigned client;
    struct bytes topic;
    struct bytes payload;
    uint8_t qos;
    bool dup;
    bool retain;
    bool accepted; /* false: repeats a QoS 2 packet that was accepted before */
    bool resumed;  /* the connection resumed a session */
    bool has_expiry;
    uint32_t expiry_s;
    const uint32_t *sub_ids;
    uint32_t sub_ids_num;
};

extern struct sim_view sim_views[SIM_CLIENTS_MAX];

/* The limits of this run cannot cost a message; set by sim_world.c. */
extern bool sim_lossless;

/* Clients whose sessions end are members of shared groups, too. */
extern bool sim_mixed_groups;

/* Allocations fail in this run: a request may be refused, a connection dropped. */
extern bool sim_scarce;

void sim_oracle_start(void);
void sim_oracle_stop(void);

const char *sim_topic_text(unsigned topic);

/* The whole text, with $share/name/ in front where it is shared. */
const char *sim_filter_text(unsigned filter);
bool sim_filter_is_shared(unsigned filter);
bool sim_filter_matches(unsigned filter, unsigned topic);

/* The options with which a client subscribes to a filter, always the same. */
uint8_t sim_filter_qos(unsigned client, unsigned filter);
bool sim_filter_no_local(unsigned client, unsigned filter);
uint32_t sim_filter_sub_id(unsigned client, unsigned filter);

/* A new message, not sent yet. Valid until the next one is made; keep the number. */
struct sim_message *sim_message_create(unsigned publisher, unsigned topic, uint8_t qos,
                                       uint32_t len);
struct sim_message *sim_message_at(uint32_t number);
uint32_t sim_message_count(void);
void sim_message_fill(const struct sim_message *message, uint8_t *out);

/* The first PUBLISH of it is being written: duties begin. */
void sim_oracle_sent(struct sim_message *message);
void sim_oracle_acked(struct sim_message *message);

/* SUBSCRIBE is written, answered; UNSUBSCRIBE is written; the connection ended before that. */
void sim_oracle_asked(unsigned client, unsigned filter, uint16_t packet_id, bool wants_retained);
void sim_oracle_subscribed(unsigned client, unsigned filter, uint16_t packet_id);
void sim_oracle_leaving(unsigned client, unsigned filter);
void sim_oracle_cut(unsigned client);

/* The client's session has ended or will have when the broker reads what was sent. */
void sim_oracle_session_ended(unsigned client);

/* It may be that the client's session was there before, with subscriptions. */
void sim_oracle_session_unsure(unsigned client);

void sim_oracle_received(const struct sim_receipt *receipt);

/* The broker's machine or process is gone. */
void sim_oracle_crashed(void);

/* What the broker that started after that retains of a topic; no bytes: nothing. */
void sim_oracle_retained(unsigned topic, struct bytes payload);

/* Everything has come to rest: no duty may be open. */
void sim_oracle_finish(void);

#endif
