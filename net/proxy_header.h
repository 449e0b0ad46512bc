/*
 * proxy_header.h -- the PROXY protocol, versions 1 and 2: what a load balancer says about the
 * client before the client's own bytes.
 *
 * Version 1 is a line of at most 107 bytes, CR LF included:
 *
 *   PROXY TCP4 192.0.2.1 198.51.100.7 51234 1883        PROXY UNKNOWN, and anything
 *
 * Version 2 is twelve bytes of signature; version and command (0x20 LOCAL, 0x21 PROXY); address
 * family and transport; two bytes of length; as many bytes of addresses and then of TLVs (type, two
 * bytes of length, value). All of it in network order. Of the TLVs these are understood:
 *
 *   0x01 ALPN   0x02 AUTHORITY (SNI)   0x03 CRC32C of the whole header   0x20 SSL, which holds one
 *   byte of flags, four of the result of verification, and TLVs of its own: 0x21 the version of
 *   TLS, 0x22 the common name of the client's certificate, 0x23 the cipher
 *
 * LOCAL (the balancer looks whether we live) and UNKNOWN carry no address: the connection is the
 * balancer's own. So is one over a Unix socket, whose path means nothing here.
 *
 * Bounds: a header of version 2 is at most PROXY_HEADER_LEN_MAX bytes, more is refused. Whether it
 * may be believed is for the caller to know: by address, before it is read.
 *
 * Threads: pure functions, any.
 */
#ifndef SLUICE_PROXY_HEADER_H
#define SLUICE_PROXY_HEADER_H

#include <netinet/in.h>

#include "bytes.h"

/* A certificate's names and every other TLV fit many times; the format would allow 65551. */
#define PROXY_HEADER_LEN_MAX 4096

enum proxy_result {
    PROXY_OK,   /* header->len bytes are the header */
    PROXY_MORE, /* it may become one */
    PROXY_NONE, /* it does not begin like one */
    PROXY_BAD,  /* it begins like one and is wrong */
};

/* All views lie in the input. */
struct proxy_header {
    uint32_t len;
    bool has_address;       /* source and destination are set */
    struct in6_addr source; /* IPv4-mapped where it is IPv4 */
    struct in6_addr destination;
    uint16_t source_port; /* host order */
    uint16_t destination_port;
    bool tls;                 /* the client came by TLS */
    bool certificate;         /* with a certificate, on this connection or the one resumed */
    bool verified;            /* which was verified */
    struct bytes tls_version; /* "TLSv1.3"; each empty if not said */
    struct bytes cipher;
    struct bytes common_name;
    struct bytes alpn;
    struct bytes server_name;
};

/* Reads a header at the start of `in`. *out is set with PROXY_OK only. */
MUST_USE enum proxy_result proxy_header_read(struct bytes in, struct proxy_header *out);

#endif
