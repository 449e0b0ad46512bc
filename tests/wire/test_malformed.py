"""Packets that break the rules on an established connection, as tables of bytes.

Each row: name, bytes, the reason that a v5 server must give (a set where the standard names no
single one). The connection ends, in MQTT 5 with DISCONNECT; before, it just closes. The harness
checks after every row that a bystander goes on undisturbed. `malformed` (0x81) is what cannot be
parsed, `protocol error` (0x82) what can be parsed but is not allowed [MQTT 5, 4.13].
"""

from harness import cases, covers, versions
from mqtt_wire import (PUBACK, PUBCOMP, PUBREC, PUBREL, ack, auth, binary, connect, disconnect,
                       packet, pingreq, publish, subscribe, u16, unsubscribe)

UTF8_BAD = {"surrogate": b"\xed\xa0\x80", "nul": b"a\0b", "overlong": b"\xc0\xaf",
            "cut": b"\xe2\x82", "lone": b"a\x80", "beyond": b"\xf4\x90\x80\x80", "ff": b"\xff"}
EITHER = frozenset({0x81, 0x82})
TOPIC_NAME = frozenset({0x81, 0x82, 0x90})
TOPIC_FILTER = frozenset({0x81, 0x82, 0x8F})


def ends(t, data, reason):
    """The connection ends for that reason and nothing of the packet took effect."""
    watcher = t.subscriber(t.topic("#"), suffix="watch", version=4)
    client = t.connect("a")
    client.send(data)
    client.expect_error(reason)
    watcher.ping()
    t.true(not watcher.queue, f"a malformed packet had an effect: {watcher.queue[:1]}")


# ------------------------------------------------------------------------------ the fixed header

HEADER = [
    ("type-0", "00 00", EITHER), ("type-0-flags", "0f 00", EITHER),
    ("connack", "20 02 00 00", EITHER), ("suback", "90 03 00 01 00", EITHER),
    ("unsuback", "b0 02 00 01", EITHER), ("pingresp", "d0 00", EITHER),
    ("length-5-bytes", "30 80 80 80 80 01", 0x81), ("length-ff", "30 ff ff ff ff", 0x81),
    ("ping-body", "c0 01 00", 0x81),
    ("puback-empty", "40 00", 0x81), ("puback-1", "40 01 00", 0x81),
    ("pubrec-1", "50 01 00", 0x81), ("pubrel-1", "62 01 00", 0x81), ("pubcomp-1", "70 01 00", 0x81),
    ("publish-empty", "30 00", 0x81), ("publish-1", "30 01 00", 0x81),
    ("publish-topic-cut", "30 03 00 05 61", 0x81),
    ("subscribe-empty", "82 00", EITHER), ("subscribe-1", "82 01 00", EITHER),
    ("unsubscribe-empty", "a2 00", EITHER), ("unsubscribe-1", "a2 01 00", EITHER),
]


@versions(3, 4, 5)
@cases([(name, bytes.fromhex(data), reason) for name, data, reason in HEADER])
@covers("MQTT311-4.8.0-1", "MQTT5-4.13.1-1", "MQTT311-2.2.2-2", "MQTT5-4.13.2-1")
def test_MQTT5_4_13_1_1_fixed_header(t, data, reason):
    ends(t, data, reason)


@cases([("30-80-00", "30 80 00"), ("c0-80-00", "c0 80 00"), ("4", "30 80 80 80 00")])
def test_MQTT5_1_5_5_1_remaining_length_must_be_minimal(t, data):
    """MQTT 3.1.1 lacks the rule: there a longer form may pass."""
    ends(t, bytes.fromhex(data), EITHER)


FLAGS = {
    "puback": ("40", "02 00 01"), "pubrec": ("50", "02 00 01"), "pubcomp": ("70", "02 00 01"),
    "pingreq": ("c0", "00"), "disconnect": ("e0", "00"),
}


@versions(4, 5)
@cases([(f"{name}-{flags:x}", int(kind, 16) | flags, rest) for name, (kind, rest) in FLAGS.items()
        for flags in (1, 2, 8, 15)])
@covers("MQTT311-2.2.2-1", "MQTT311-2.2.2-2", "MQTT311-3.14.1-1", "MQTT5-3.14.1-1")
def test_MQTT5_2_1_3_1_reserved_flags(t, first, rest):
    ends(t, bytes([first]) + bytes.fromhex(rest), 0x81)


@versions(4, 5)
@cases([(f"{flags:x}", flags) for flags in (0, 1, 3, 6, 10, 15)])
@covers("MQTT311-3.6.1-1")
def test_MQTT5_3_6_1_1_pubrel_flags(t, flags):
    ends(t, ack(PUBREL, 1, flags=flags), 0x81)


@versions(4, 5)
@cases([(f"{flags:x}", flags) for flags in (0, 1, 3, 10, 15)])
@covers("MQTT311-3.8.1-1")
def test_MQTT5_3_8_1_1_subscribe_flags(t, flags):
    ends(t, subscribe(1, [(t.topic("x"), 0)], version=t.version, flags=flags), 0x81)


@versions(4, 5)
@cases([(f"{flags:x}", flags) for flags in (0, 1, 3, 10, 15)])
@covers("MQTT311-3.10.1-1")
def test_MQTT5_3_10_1_1_unsubscribe_flags(t, flags):
    ends(t, unsubscribe(1, [t.topic("x")], version=t.version, flags=flags), 0x81)


@versions(4, 5)
@cases([(f"{flags:x}", flags) for flags in (6, 7, 14, 15)])
@covers("MQTT311-3.3.1-4")
def test_MQTT5_3_3_1_4_publish_qos_3(t, flags):
    ends(t, publish(t.topic("x"), b"m", packet_id=1, version=t.version, flags=flags), 0x81)


# --------------------------------------------------------------------------- packet identifiers


@versions(4, 5)
@cases([("publish-1", "32 LL 00 01 78 00 00 PP 6d"), ("publish-2", "34 LL 00 01 78 00 00 PP 6d"),
        ("subscribe", "82 LL 00 00 PP 00 01 78 00"), ("unsubscribe", "a2 LL 00 00 PP 00 01 78"),
        ("publish-cut", "32 04 00 01 78 00")])
@covers("MQTT311-2.3.1-1", "MQTT5-2.2.1-3")
def test_MQTT311_2_3_1_1_packet_id_0(t, text):
    text = text.replace("PP", "00" if t.version == 5 else "")
    size = len(text.replace(" ", "").replace("LL", "")) // 2 - 1
    ends(t, bytes.fromhex(text.replace("LL", f"{size:02x}")), EITHER)


@versions(4, 5)
@cases([("puback", PUBACK), ("pubrec", PUBREC), ("pubrel", PUBREL), ("pubcomp", PUBCOMP)])
def test_packet_id_0_in_acknowledgements(t, kind):
    """Never right, but no statement says that the connection must end: it ends or goes on."""
    client = t.connect("a")
    client.send(ack(kind, 0) + pingreq())
    got = client_answer(client)
    t.true(got in ("closed", "ping", 0x81, 0x82, "ack"), f"unexpected answer {got}")


def client_answer(client):
    try:
        got = client.recv()
    except AssertionError as error:
        # the strict parser refuses an echoed packet identifier 0, too
        return "closed" if "clos" in str(error) or "reset" in str(error) else str(error)
    return {13: "ping", 14: getattr(got, "reason", None)}.get(got.type, "ack")


# ----------------------------------------------------------------------------------------- UTF-8


@versions(3, 4, 5)
@cases(list(UTF8_BAD.items()))
@covers("MQTT311-1.5.3-1", "MQTT311-1.5.3-2", "MQTT311-3.3.2-1", "MQTT5-1.5.4-1", "MQTT5-1.5.4-2",
        "MQTT5-4.7.3-2", "MQTT311-4.7.3-2")
def test_MQTT5_3_3_2_1_topic_must_be_utf8(t, text):
    ends(t, publish(text, b"m", version=t.version), {0x81, 0x90})


@versions(3, 4, 5)
@cases(list(UTF8_BAD.items()))
@covers("MQTT311-1.5.3-1", "MQTT311-1.5.3-2", "MQTT311-3.8.3-1", "MQTT5-4.7.3-2")
def test_MQTT5_3_8_3_1_filter_must_be_utf8(t, text):
    ends(t, subscribe(1, [(text, 0)], version=t.version), {0x81, 0x8F})


@versions(4, 5)
@cases(list(UTF8_BAD.items()))
@covers("MQTT311-3.10.3-1")
def test_MQTT5_3_10_3_1_filter_to_unsubscribe_must_be_utf8(t, text):
    ends(t, unsubscribe(1, [text], version=t.version), {0x81, 0x8F})


@versions(4, 5)
def test_every_other_character_is_allowed_in_topics(t):
    """Control characters and non-characters SHOULD NOT be sent; a server MAY refuse them. The
    others must pass unchanged."""
    client = t.subscriber(t.topic("#"))
    for text in ("Ä", "日本語", "🙂", "\ufeff", "\ufffd", "\u0800", "\ud7ff", "\ue000",
                 "\U0010fffd", " ", "a b", "$x", '"', "\\", "%", "\u2028"):
        client.publish(t.topic(text), text)
        client.take(t.topic(text), text)


# ------------------------------------------------------------------------------- topics, PUBLISH


@versions(3, 4, 5)
@cases([(text, text) for text in ("a/#", "#", "+", "a/+/b", "a+", "a#", "+a")])
@covers("MQTT311-3.3.2-2", "MQTT311-4.7.1-1", "MQTT5-4.7.0-1")
def test_MQTT5_3_3_2_2_no_wildcards_in_topics(t, text):
    ends(t, publish(text, b"m", version=t.version), TOPIC_NAME)


@versions(3, 4)
@covers("MQTT5-4.7.3-1")
def test_MQTT311_4_7_3_1_empty_topic(t):
    ends(t, publish("", b"m", version=t.version), TOPIC_NAME)


PUBLISH_BAD = [
    ("empty-topic", b"", {}, 0x82),
    ("unknown-alias", b"", {"topic_alias": 3}, 0x82),
    ("alias-0", b"x", {"topic_alias": 0}, 0x94),
    ("subscription-id", b"x", {"subscription_id": 1}, EITHER),
    ("subscription-id-0", b"x", {"subscription_id": 0}, EITHER),
    ("format-twice", b"x", [("payload_format", 1)] * 2, 0x82),
    ("format-2", b"x", {"payload_format": 2}, EITHER),
    ("expiry-twice", b"x", [("message_expiry", 1)] * 2, 0x82),
    ("alias-twice", b"x", [("topic_alias", 1)] * 2, 0x82),
    ("response-twice", b"x", [("response_topic", "r")] * 2, 0x82),
    ("response-wildcard", b"x", {"response_topic": "r/#"}, TOPIC_NAME),
    ("response-plus", b"x", {"response_topic": "+/r"}, TOPIC_NAME),
    ("response-not-utf8", b"x", {"response_topic": b"\xff"}, 0x81),
    ("correlation-twice", b"x", [("correlation_data", b"r")] * 2, 0x82),
    ("content-twice", b"x", [("content_type", "r")] * 2, 0x82),
    ("content-not-utf8", b"x", {"content_type": b"\xed\xa0\x80"}, 0x81),
    ("user-not-utf8", b"x", {"user": ("k", b"\xff")}, 0x81),
    ("user-key-nul", b"x", {"user": ("\0", "v")}, 0x81),
    ("session-expiry", b"x", {"session_expiry": 1}, 0x81),
    ("will-delay", b"x", {"will_delay": 1}, 0x81), ("max-qos", b"x", {"max_qos": 1}, 0x81),
    ("reason-string", b"x", {"reason_string": "x"}, 0x81),
    ("unknown", b"x", [(0x04, b"x")], 0x81), ("unknown-0", b"x", [(0x00, b"")], 0x81),
    ("unknown-long", b"x", [(0x3FFF, b"")], 0x81),
    ("identifier-not-minimal", b"x", b"\x03\x81\x00\x01", 0x81),
    ("length-beyond", b"x", b"\x20\x01\x01", 0x81), ("value-cut", b"x", b"\x02\x02\x00", 0x81),
    ("length-cut", b"x", b"\x80", 0x81), ("length-5", b"x", b"\x80\x80\x80\x80\x00", 0x81),
    ("length-not-minimal", b"x", b"\x82\x00\x01\x01", 0x81),
    ("string-beyond-block", b"x", b"\x05\x03\x00\x09text", 0x81),
]


@cases(PUBLISH_BAD)
@covers("MQTT5-3.3.2-8", "MQTT5-3.3.2-13", "MQTT5-3.3.2-14", "MQTT5-3.3.2-19", "MQTT5-3.3.4-6",
        "MQTT5-1.5.5-1", "MQTT5-1.5.7-1", "MQTT5-2.2.2-1", "MQTT5-4.7.3-1")
def test_MQTT5_4_13_1_1_publish(t, topic, props, reason):
    topic = t.topic(topic.decode()) if topic else b""
    ends(t, publish(topic, b"", props=props), reason)


@covers("MQTT5-3.2.2-17")
def test_MQTT5_3_3_2_9_topic_alias_above_the_maximum(t):
    client = t.connect("a")
    limit = client.connack.prop("topic_alias_max", 0)
    if limit < 65535:
        client.send(publish(t.topic("x"), b"m", props={"topic_alias": limit + 1}))
        client.expect_error(0x94)


# ---------------------------------------------------------------------- SUBSCRIBE and UNSUBSCRIBE


@versions(3, 4, 5)
@covers("MQTT311-3.8.3-3")
def test_MQTT5_3_8_3_2_subscribe_without_filter(t):
    ends(t, subscribe(1, [], version=t.version), 0x82)


@versions(3, 4, 5)
@covers("MQTT311-3.10.3-2")
def test_MQTT5_3_10_3_2_unsubscribe_without_filter(t):
    ends(t, unsubscribe(1, [], version=t.version), 0x82)


@cases([(f"{options:02x}", options) for options in (0x40, 0x80, 0xC0, 0xFF - 0x33)])
def test_MQTT5_3_8_3_5_reserved_bits_in_subscription_options(t, options):
    ends(t, subscribe(1, [(t.topic("x"), options)]), 0x81)


@versions(3, 4)
@cases([(f"{options:02x}", options) for options in (3, 4, 8, 0x10, 0x20, 0x40, 0x80, 0xFF)])
def test_MQTT311_3_8_3_4_reserved_bits_and_qos(t, options):
    if t.version == 3 and options & 3 != 3:
        return  # MQTT 3.1 calls these bits unused
    ends(t, subscribe(1, [(t.topic("x"), options)], version=t.version), 0x81)


SUBSCRIBE_BAD = [
    ("qos-3", [("x", 3)], None, 0x82), ("retain-handling-3", [("x", 0x30)], None, 0x82),
    ("second-qos-3", [("x", 0), ("y", 3)], None, 0x82),
    ("no-local-shared", [("$share/g/x", 4)], None, 0x82),
    ("identifier-0", [("x", 0)], {"subscription_id": 0}, 0x82),
    ("identifier-twice", [("x", 0)], [("subscription_id", 1)] * 2, 0x82),
    ("identifier-too-long", [("x", 0)], b"\x06\x0b\x80\x80\x80\x80\x01", 0x81),
    ("identifier-not-minimal", [("x", 0)], b"\x03\x0b\x81\x00", 0x81),
    ("reason-string", [("x", 0)], {"reason_string": "x"}, 0x81),
    ("topic-alias", [("x", 0)], {"topic_alias": 1}, 0x81),
    ("unknown", [("x", 0)], [(0x7D, b"")], 0x81),
    ("user-not-utf8", [("x", 0)], {"user": (b"\xff", "")}, 0x81),
    ("length-beyond", [("x", 0)], b"\x7f", 0x81),
]


@cases(SUBSCRIBE_BAD)
@covers("MQTT5-3.8.3-4", "MQTT5-1.5.5-1", "MQTT5-3.8.3-5")
def test_MQTT5_4_13_1_1_subscribe(t, filters, props, reason):
    filters = [(text if text.startswith("$") else t.topic(text), o) for text, o in filters]
    ends(t, subscribe(1, filters, props=props), reason)


@versions(3, 4, 5)
@cases([("options-missing", "00 01 PP 00 01 78"), ("filter-cut", "00 01 PP 00 05 78"),
        ("length-cut", "00 01 PP 00"), ("second-cut", "00 01 PP 00 01 78 00 00 03 79"),
        ("second-options", "00 01 PP 00 01 78 00 00 01 79")])
@covers("MQTT311-4.8.0-1")
def test_MQTT5_4_13_1_1_subscribe_cut(t, text):
    body = bytes.fromhex(text.replace("PP", "00" if t.version == 5 else ""))
    ends(t, packet(8, 2, body), 0x81)


@versions(4, 5)
@cases([("filter-cut", "00 01 PP 00 05 78"), ("length-cut", "00 01 PP 00"),
        ("second-cut", "00 01 PP 00 01 78 00 03 79")])
def test_MQTT5_4_13_1_1_unsubscribe_cut(t, text):
    body = bytes.fromhex(text.replace("PP", "00" if t.version == 5 else ""))
    ends(t, packet(10, 2, body), 0x81)


@cases([("subscription-id", {"subscription_id": 1}), ("unknown", [(0x7D, b"")]),
        ("reason-string", {"reason_string": "x"}), ("length", b"\x7f")])
def test_MQTT5_4_13_1_1_unsubscribe(t, props):
    ends(t, unsubscribe(1, [t.topic("x")], props=props), 0x81)


FILTERS_BAD = ["a#", "a/#/b", "#/a", "a/b#", "+a", "a+", "a/b+/c", "a/+b", "##", "++", "#+"]


@versions(3, 4, 5)
@cases([(text, text) for text in FILTERS_BAD] + [("empty", "")])
@covers("MQTT311-4.7.1-2", "MQTT311-4.7.1-3", "MQTT311-4.7.3-1", "MQTT5-4.7.1-2", "MQTT5-4.7.3-1")
def test_MQTT5_4_7_1_1_ill_formed_filter(t, text):
    """MQTT 5 has the reason 0x8F for it, in SUBACK or DISCONNECT; ending the connection as
    malformed is right as well. In 3.1.1 SUBACK with 0x80 or the end of the connection."""
    client = t.connect("a")
    client.send(subscribe(1, [(text, 0)], version=t.version))
    try:
        got = client.recv()
    except AssertionError as error:
        t.true("closed" in str(error) or "reset" in str(error), str(error))
        return
    if got.type == 9:
        t.equal(got.reasons, [0x8F] if t.version == 5 else [0x80])
        client.ping()
    else:
        t.true(t.version == 5 and got.type == 14 and got.reason in TOPIC_FILTER,
               f"expected SUBACK or DISCONNECT with 0x8f, 0x81 or 0x82, got {got}")
        client.expect_close()


@cases([("no-filter", "$share/g"), ("no-filter-slash", "$share/g/"), ("empty-name", "$share//x"),
        ("plus-in-name", "$share/g+/x"), ("hash-in-name", "$share/g#/x"), ("plus", "$share/+/x"),
        ("bad-filter", "$share/g/x#"), ("nothing", "$share/"), ("queue-empty", "$queue/")])
@covers("MQTT5-4.8.2-1", "MQTT5-4.8.2-2")
def test_MQTT5_4_8_2_2_ill_formed_shared_filter(t, text):
    client = t.connect("a")
    client.send(subscribe(1, [(text, 0)]))
    got = client.recv()
    if got.type == 9:
        t.equal(got.reasons, [0x8F])
    else:
        t.true(got.type == 14 and got.reason in TOPIC_FILTER, f"expected 0x8f, got {got}")


# ------------------------------------------------------------------- acknowledgements, DISCONNECT


ACK_BAD = [
    ("reason-string-twice", 0, [("reason_string", "x")] * 2, 0x82),
    ("session-expiry", 0, {"session_expiry": 1}, 0x81), ("unknown", 0, [(0x7D, b"")], 0x81),
    ("topic-alias", 0, {"topic_alias": 1}, 0x81), ("length-beyond", 0, b"\x05", 0x81),
    ("not-utf8", 0, {"reason_string": b"\xff"}, 0x81), ("trailing", 0, b"\x00\x00", 0x81),
]


@cases([(f"{name}-{kind_name}", kind, reason, props, want)
        for name, reason, props, want in ACK_BAD
        for kind_name, kind in (("puback", PUBACK), ("pubrec", PUBREC), ("pubrel", PUBREL),
                                ("pubcomp", PUBCOMP))])
def test_MQTT5_4_13_1_1_acknowledgements(t, kind, reason, props, want):
    ends(t, ack(kind, 1, reason, props), want)


@cases([(f"{name}-{code:02x}", kind, code)
        for name, kind, codes in (("puback", PUBACK, (0x01, 0x92, 0x8E, 0xFF)),
                                  ("pubrec", PUBREC, (0x01, 0x92, 0x8E, 0xFF)),
                                  ("pubrel", PUBREL, (0x10, 0x80, 0x91)),
                                  ("pubcomp", PUBCOMP, (0x10, 0x80, 0x91)))
        for code in codes])
@covers("MQTT5-3.5.2-1", "MQTT5-3.6.2-1", "MQTT5-3.7.2-1")
def test_MQTT5_3_4_2_1_reason_codes_not_of_that_packet(t, kind, code):
    ends(t, ack(kind, 1, code), EITHER)


@versions(4)
@cases([("puback", "40 03 00 01 00"), ("pubrel", "62 03 00 01 00"), ("disconnect", "e0 01 00"),
        ("ping", "c0 01 00"), ("auth", "f0 00")])
def test_MQTT311_4_8_0_1_forms_of_version_5_in_3_1_1(t, data):
    ends(t, bytes.fromhex(data), 0x81)


DISCONNECT_BAD = [
    ("expiry-when-0", 0, {"session_expiry": 10}, 0x82),
    ("expiry-twice", 0, [("session_expiry", 0)] * 2, 0x82),
    ("reason-string-twice", 0, [("reason_string", "x")] * 2, 0x82),
    ("topic-alias", 0, {"topic_alias": 1}, 0x81), ("unknown", 0, [(0x7D, b"")], 0x81),
    ("length-beyond", 0, b"\x05", 0x81), ("trailing", 0, b"\x00\x00", 0x81),
    ("reason-01", 0x01, None, EITHER), ("reason-ff", 0xFF, None, EITHER),
]


@cases(DISCONNECT_BAD)
@covers("MQTT5-3.14.2-1")
def test_MQTT5_4_13_1_1_disconnect(t, reason, props, want):
    ends(t, disconnect(reason, props), want)


@cases([("short", auth()), ("continue", auth(0x18, {"auth_method": "x"})),
        ("again", auth(0x19, {"auth_method": "x"})), ("success", auth(0x00, {}))])
@covers("MQTT5-4.12.1-2")
def test_MQTT5_4_12_0_7_auth_without_method_in_connect(t, data):
    ends(t, data, 0x82)


@cases([(f"{flags:x}", flags) for flags in (1, 2, 8, 15)])
def test_MQTT5_3_15_1_1_auth_flags(t, flags):
    ends(t, auth(flags=flags), 0x81)


@versions(4, 5)
def test_bad_packet_behind_good_ones_in_one_segment(t):
    """What came before the malformed packet has taken effect, what follows has not."""
    watcher, client = t.subscriber(t.topic("+"), suffix="w", qos=1), t.connect("a")
    client.send(publish(t.topic("x"), "before", version=t.version) + b"\x36\x00"
                + publish(t.topic("x"), "behind", version=t.version))
    client.expect_error(0x81)
    watcher.take(t.topic("x"), "before")
    t.quiet(watcher)


@versions(3, 4, 5)
def test_random_bytes_end_only_their_own_connection(t):
    for number in range(30):
        client = t.connect(f"a{number}")
        client.send(bytes(t.random.randrange(256) for _ in range(t.random.randrange(1, 60))))
        client.close()
    for number in range(30):
        client = t.socket()
        client.send(bytes(t.random.randrange(256) for _ in range(t.random.randrange(1, 60))))
        client.close()


@versions(4, 5)
def test_bits_flipped_in_good_packets(t):
    """Each packet with one bit flipped: whatever follows, the broker and others go on. The names
    are such that a flipped bit cannot make them those of another test."""
    topic = f"flipped/{t.prefix}"
    base = [publish(topic, b"m", qos=1, packet_id=3, version=t.version),
            subscribe(4, [(topic, 1)], version=t.version),
            unsubscribe(5, [topic], version=t.version), ack(PUBREL, 6), ack(PUBACK, 7)]
    if t.version == 5:
        base.append(publish(topic, b"m", qos=2, packet_id=8, props=[
            ("message_expiry", 5), ("user", ("a", "b")), ("topic_alias", 1)]))
    for data in base:
        for _ in range(12):
            broken = bytearray(data)
            broken[t.random.randrange(len(broken))] ^= 1 << t.random.randrange(8)
            client = t.connect("a")
            client.sock.send(bytes(broken))
            client.close()


@versions(4, 5)
def test_connect_with_bits_flipped(t):
    name = f"flipped/{t.prefix}"
    data = connect(name, version=t.version, will={"topic": name, "payload": b"x"}, username="u",
                   password="p")
    for at in range(len(data)):
        client = t.socket()
        client.sock.send(data[:at] + bytes([data[at] ^ 1 << t.random.randrange(8)]) + data[at + 1:])
        client.close()


def test_MQTT5_2_2_2_1_no_properties_need_a_length_of_zero(t):
    """SUBSCRIBE in the form of 3.1.1: the first byte of the filter's length stands where the
    length of the properties should, so that the rest does not parse."""
    ends(t, packet(8, 2, u16(1) + binary("abc") + b"\0"), EITHER)
