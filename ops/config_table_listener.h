/*
 * config_table_listener.h -- every key of one listener, one row each; config_table.h has the form.
 *
 * Threads: constants, any.
 */
#ifndef SLUICE_CONFIG_TABLE_LISTENER_H
#define SLUICE_CONFIG_TABLE_LISTENER_H

/* clang-format off */

/* Keys of one entry of the sequence `listeners`. */
#define CONFIG_LISTENER_TABLE(X) \
    X(name, TEXT, 0, 64, "", NUMBER, RESTART, \
      "Name of the listener in logs and metrics: letters, digits and `_.:-`. Without one it is " \
      "called by its address.") \
    X(bind, BIND, 0, 0, "", NUMBER, RESTART, \
      "Address to listen at: `tcp://host:port`, `tls://`, `ws://`, `wss://` likewise, or " \
      "`unix:///path`. Required. Without a host every address of the machine, without a port " \
      "1883, 8883, 8083 or 8084, with port 0 one that the kernel chooses.") \
    X(enable, BOOL, 0, 0, "true", NUMBER, RELOAD, \
      "Whether the listener listens. A reload starts and stops it.") \
    X(close_connections, BOOL, 0, 0, "false", NUMBER, RELOAD, \
      "Whether the connections of the listener are closed too (reason 0x98) when a reload stops " \
      "or removes it; if not they stay.") \
    X(max_connections, COUNT, 1, UINT32_MAX - 1, "infinity", ZERO_INFINITE, RELOAD, \
      "Most connections of this listener.") \
    X(max_conn_rate, RATE, 1, 1000000, "infinity", NUMBER, RELOAD, \
      "Most new connections in a time. Over it the listener does not accept: they wait in the " \
      "backlog.") \
    X(max_conn_burst, COUNT, 0, 1000000, "0", NUMBER, RELOAD, \
      "Most new connections at once, after a time with fewer. 0: the amount of `max_conn_rate`.") \
    X(max_conn_rate_per_address, RATE, 1, 10000, "infinity", NUMBER, RELOAD, \
      "Most new connections in a time from one IPv4 address or one IPv6 network of 64 bits. More " \
      "are closed at once.") \
    X(messages_rate, RATE, 1, BUCKET_AMOUNT_MAX, "infinity", NUMBER, RELOAD, \
      "Most PUBLISH packets of one client in a time.") \
    X(messages_burst, COUNT, 0, UINT32_MAX, "0", NUMBER, RELOAD, \
      "Most PUBLISH packets of one client at once, after a time with fewer. 0: the amount of " \
      "`messages_rate`.") \
    X(bytes_rate, BYTE_RATE, 1, BUCKET_AMOUNT_MAX, "infinity", NUMBER, RELOAD, \
      "Most bytes from one client in a time.") \
    X(bytes_burst, SIZE, 0, BUCKET_AMOUNT_MAX, "0", NUMBER, RELOAD, \
      "Most bytes from one client at once, after a time with fewer. 0: the amount of " \
      "`bytes_rate`.") \
    X(over_rate_disconnect, BOOL, 0, 0, "false", NUMBER, RELOAD, \
      "Whether a client over `messages_rate` or `bytes_rate` is disconnected (reasons 0x96 and " \
      "0x97) instead of not being read from until it is within the rate again.") \
    X(backlog, COUNT, 1, 65535, "1024", NUMBER, RESTART, \
      "Connections that may wait to be accepted, in each shard. The kernel caps it at " \
      "net.core.somaxconn.") \
    X(nodelay, BOOL, 0, 0, "true", NUMBER, RELOAD, \
      "Send small packets at once (TCP_NODELAY).") \
    X(tcp_keepalive, KEEPALIVE, 0, 0, "none", NUMBER, RELOAD, \
      "TCP keep-alive as `idle,interval,probes`, such as `300s,30s,3`, or `none`.") \
    X(tcp_user_timeout, DURATION, CONFIG_S_IN_MS(1), CONFIG_H_IN_MS(24), "0s", ZERO_INFINITE, \
      RELOAD, \
      "Close a connection whose sent bytes stay unacknowledged by TCP for this long " \
      "(TCP_USER_TIMEOUT). `0s` leaves it to the kernel.") \
    X(access_rules, LIST, 0, 16000, "", NUMBER, RELOAD, \
      "Who may connect, by address: `allow 192.168.0.0/24`, `deny all`. The first rule that " \
      "holds the address decides; if none does, the opposite of the last one. None: everybody.") \
    X(trusted_proxies, LIST, 0, 16000, "", NUMBER, RELOAD, \
      "Addresses of proxies that are believed when they say where a client is, by PROXY header " \
      "or X-Forwarded-For: `10.0.0.0/8`, `::1`. `access_rules` then ask about the client.") \
    X(proxy_protocol, BOOL, 0, 0, "false", NUMBER, RELOAD, \
      "Whether `trusted_proxies` begin each connection with a header of the PROXY protocol, " \
      "version 1 or 2. At Unix sockets everybody has to.") \
    X(proxy_protocol_timeout, DURATION, 100, CONFIG_S_IN_MS(60), "3s", NUMBER, RELOAD, \
      "A connection whose PROXY header is not whole after this time is closed.") \
    X(proxy_protocol_skip, BOOL, 0, 0, "false", NUMBER, RELOAD, \
      "Whether a PROXY header from somebody who is not trusted is skipped; if not it is an " \
      "error, as such a client should begin with its own protocol.") \
    X(mountpoint, TEXT, 0, 256, "", NUMBER, RELOAD, \
      "Put before the topics and filters of the clients of this listener, who do not see it. " \
      "`${clientid}` and `${username}` stand for the client's own, such as " \
      "`tenants/${username}/`.") \
    X(zone, TEXT, 0, 64, "", NUMBER, RELOAD, \
      "One of `zones`, whose values hold for the clients of this listener. Empty or `default`: " \
      "none.") \
    X(mode, TEXT, 0, 4, "", NUMBER, RESTART, \
      "Permissions of a Unix socket in octal, such as `0660`. Empty: by the umask.")

/* Keys of the map `tls` of one listener. */
#define CONFIG_LISTENER_TLS_TABLE(X) \
    X(certificate, TEXT, 0, 4000, "", NUMBER, RELOAD, \
      "Files with the server's certificate and, behind it, its chain (PEM). Several, with commas " \
      "between them: the first is the listener's, each other is used when the client names a " \
      "host (SNI) that it is for.") \
    X(key, TEXT, 0, 4000, "", NUMBER, RELOAD, \
      "Files with the private keys (PEM, without a pass phrase), as many and in the same order. " \
      "Empty: they stand in the certificates' files.") \
    X(ocsp, TEXT, 0, 4000, "", NUMBER, RELOAD, \
      "Files with OCSP responses to staple (DER), in the order of the certificates.") \
    X(verify, TLS_VERIFY, 0, 0, "none", NUMBER, RELOAD, \
      "Whether clients are asked for a certificate, and whether they need one.") \
    X(ca, TEXT, 0, 255, "", NUMBER, RELOAD, \
      "File with the authorities whose client certificates are trusted (PEM).") \
    X(crl, TEXT, 0, 255, "", NUMBER, RELOAD, \
      "File with revocation lists (PEM). When it is given, every authority in a client's chain " \
      "needs a list that is not out of date.") \
    X(verify_depth, COUNT, 0, 100, "10", NUMBER, RELOAD, \
      "Most intermediate authorities between a client's certificate and a trusted one.") \
    X(min_version, TLS_VERSION, 0, 0, "1.2", NUMBER, RELOAD, \
      "Oldest version of TLS.") \
    X(ciphers, TEXT, 0, 2000, "", NUMBER, RELOAD, \
      "Cipher suites of TLS 1.2 in OpenSSL's notation. Empty: ECDHE with AES-GCM or ChaCha20. " \
      "Those of TLS 1.3 cannot be chosen.") \
    X(ed25519, BOOL, 0, 0, "true", NUMBER, RELOAD, \
      "Whether certificates may have Ed25519 keys.") \
    X(psk_file, TEXT, 0, 255, "", NUMBER, RELOAD, \
      "File with pre-shared keys, `identity:hexadecimal key` in each line. The listener then " \
      "speaks TLS 1.2 only, and needs no certificate.") \
    X(psk_hint, TEXT, 0, 128, "", NUMBER, RELOAD, \
      "Identity hint sent to clients with pre-shared keys.") \
    X(handshake_timeout, DURATION, 100, CONFIG_H_IN_MS(1), "15s", NUMBER, RELOAD, \
      "A connection whose handshake is not done after this time is closed.") \
    X(session_timeout, SECONDS, 0, 604800, "2h", NUMBER, RELOAD, \
      "How long a client can resume its TLS session by ticket. `0s`: never.") \
    X(ticket_rotation, DURATION, CONFIG_S_IN_MS(1), CONFIG_H_IN_MS(168), "12h", NUMBER, RELOAD, \
      "How long one key seals tickets; it opens them for as long again.") \
    X(peer_cert_as_username, PEER_NAME, 0, 0, "disabled", NUMBER, RELOAD, \
      "What of the client's certificate is its user name, instead of that in CONNECT: common " \
      "name, distinguished name, first alternative name, or SHA-256 fingerprint. With a " \
      "pre-shared key `cn` is its identity.") \
    X(peer_cert_as_clientid, PEER_NAME, 0, 0, "disabled", NUMBER, RELOAD, \
      "The same for the client identifier.")

/* Keys of the map `ws` of one listener. */
#define CONFIG_LISTENER_WS_TABLE(X) \
    X(mqtt_path, TEXT, 1, 256, "/mqtt", NUMBER, RELOAD, \
      "Path of the URL at which the listener answers.") \
    X(supported_subprotocols, LIST, 1, 1000, \
      "mqtt, mqttv3.1, mqtt-v3, mqtt-v3.1.1, mqtt-v5", NUMBER, RELOAD, \
      "Subprotocols that are accepted. Of those that a client offers `mqtt` is chosen if it is " \
      "there, or else the first that is in this list.") \
    X(fail_if_no_subprotocol, BOOL, 0, 0, "true", NUMBER, RELOAD, \
      "Whether a client has to offer a subprotocol at all.") \
    X(max_frame_size, SIZE, 1, CONFIG_GB(1), "infinity", INFINITE, RELOAD, \
      "Largest payload of one frame (close code 1009). Frames cost no memory, packets are " \
      "bounded by `mqtt.max_packet_size`.") \
    X(check_origin_enable, BOOL, 0, 0, "false", NUMBER, RELOAD, \
      "Whether browsers may connect from pages of `check_origins` only.") \
    X(allow_origin_absent, BOOL, 0, 0, "true", NUMBER, RELOAD, \
      "Whether, with the check, requests without an origin are accepted; programs send none.") \
    X(check_origins, LIST, 0, 16000, "", NUMBER, RELOAD, \
      "Origins such as `https://app.example.com`.") \
    X(proxy_address_header, TEXT, 0, 64, "x-forwarded-for", NUMBER, RELOAD, \
      "Field in which `trusted_proxies` say where the client is. Empty: none.") \
    X(proxy_port_header, TEXT, 0, 64, "x-forwarded-port", NUMBER, RELOAD, \
      "Field in which they say its port.")

/* Maps inside a listener: X(name, text) */
#define CONFIG_LISTENER_SECTION_TABLE(X) \
    X(tls, "Of listeners at `tls://` (`ssl://`, `mqtts://`) and `wss://`.") \
    X(ws, "Of listeners at `ws://` and `wss://`.")

/* clang-format on */

#endif
