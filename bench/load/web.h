/*
 * web.h -- WebSocket of the generator's connections: a client's side of RFC 6455.
 *
 * A connection begins with a request for an upgrade, asks for the subprotocol `mqtt`, and holds the
 * answer to what section 4.1 says of it. From then on everything travels in frames, those of the
 * client masked with a key of their own each (a quick one: it protects proxies from the payload of
 * a browser's page, and a load generator has none).
 *
 * Reading: web_read cuts input into events, in place. The payload of data frames is handed on in
 * the pieces in which it came, as part of one stream of MQTT bytes: a frame may hold several
 * packets, a packet may be in several frames, and a frame in several pieces. Only a header that is
 * cut in two and the payload of a control frame (at most 125 bytes) are kept.
 *
 * Writing: stream.c asks for frames when it sends (web_write). Without --ws-frame there is a frame
 * for each MQTT packet, as the clients of browsers send them; with it the bytes are cut into frames
 * of that length, wherever packets begin and end. What answers a control frame goes before them.
 *
 * What ends the run is a broker that masks, sends text, breaks a message off or breaks any other
 * rule of section 5; the sentence says which.
 *
 * It shares nothing with the broker's own WebSocket, on purpose (codec.h says why).
 *
 * Threads: the connection's worker.
 */
#ifndef BENCH_WEB_H
#define BENCH_WEB_H

#include "bytes.h"

/* Two bytes, eight of length, four of key. */
#define WEB_HEADER_LEN_MAX   14
#define WEB_CONTROL_LEN_MAX  125
#define WEB_KEY_LEN          24
#define WEB_ACCEPT_LEN       28
#define WEB_REQUEST_LEN_MAX  2048
#define WEB_RESPONSE_LEN_MAX 8192

enum web_opcode {
    WEB_CONTINUATION = 0,
    WEB_TEXT = 1,
    WEB_BINARY = 2,
    WEB_CLOSE = 8,
    WEB_PING = 9,
    WEB_PONG = 10,
};

enum web_event {
    WEB_MORE,   /* the input is used up */
    WEB_OPENED, /* the broker has agreed to the upgrade */
    WEB_DATA,   /* *out is a piece of MQTT */
    WEB_ASKED,  /* there is an answer to a control frame to be sent */
    WEB_CLOSED, /* the broker has closed; web_close_code */
    WEB_FAULT,  /* web_fault says what is wrong */
};

struct web;

/* `frame_len`: of the frames to be sent, 0 for one to each packet. */
struct web *web_open(uint32_t frame_len);
void web_close(struct web *web);

/* The request, into `out` of WEB_REQUEST_LEN_MAX bytes, of a path that is no longer than half of
 * them; its length. */
uint32_t web_request(const struct web *web, char *out, const char *host, unsigned port,
                     const char *path);

/* What the answer to a request with that key has to say, WEB_ACCEPT_LEN characters. */
void web_accept(const char *key, char out[WEB_ACCEPT_LEN + 1]);

/* Takes bytes off the front of *input. */
enum web_event web_read(struct web *web, struct bytes *input, struct bytes *out);

const char *web_fault(const struct web *web);
unsigned web_close_code(const struct web *web);

/* An answer to a control frame waits to be written. */
bool web_has_answer(const struct web *web);

/*
 * Writes the answer that waits, if there is one, and then frames with as much of `packets` as goes
 * into `room` bytes, which are WEB_HEADER_LEN_MAX more than the longest packet at least, and room
 * for an answer. Returns the length written; *out_used is how much of `packets` is in it.
 */
uint32_t web_write(struct web *web, uint8_t *to, uint32_t room, struct bytes packets,
                   uint32_t *out_used);

/* One whole frame of `len` bytes, masked; returns its length. */
uint32_t web_frame_put(struct web *web, uint8_t *to, enum web_opcode opcode, const uint8_t *from,
                       uint32_t len);

#endif
