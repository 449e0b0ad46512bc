"""CONNECT and CONNACK: sections 3.1 and 3.2 of MQTT 3.1.1 and 5.0, except sessions and wills."""

import time

from harness import cases, covers, only, slow, timed, versions
from mqtt_wire import (CONNACK, DISCONNECT, SUBACK, PINGRESP, PUBACK, Closed, Failure, TimedOut,
                       ack, binary, connect, packet, pingreq, publish, subscribe, u16)

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@versions(3, 4, 5)
@covers("MQTT311-3.1.4-4", "MQTT311-3.2.0-1", "MQTT311-3.2.2-1", "MQTT5-3.1.4-5", "MQTT5-3.2.0-1",
        "MQTT5-3.2.2-2", "MQTT311-7.1.1-1", "MQTT5-4.2-1", "MQTT5-3.2.2-1", "MQTT5-3.2.2-8")
def test_MQTT311_3_1_4_4_connect_is_acknowledged(t):
    client = t.connect("a")
    t.equal(client.connack.session_present, False)
    client.ping()


def test_MQTT311_3_1_4_4_connack_bytes(t):
    client = t.socket()
    client.send(connect(t.id("a"), version=4))
    client.expect_bytes("20 02 00 00")


@cases([("publish", publish("x", b"y", version=4)), ("subscribe", subscribe(1, [("x", 0)])),
        ("ping", pingreq()), ("disconnect", bytes.fromhex("e000")),
        ("auth", bytes.fromhex("f000")), ("puback", ack(PUBACK, 1)), ("zero", b"\0\0")])
@covers("MQTT311-3.1.0-1", "MQTT5-3.14.0-1", "MQTT311-3.2.0-1")
def test_MQTT5_3_1_0_1_first_packet_must_be_connect(t, data):
    client = t.socket()
    client.send(data)
    client.expect_close()


@versions(3, 4, 5)
@covers("MQTT311-3.1.0-2", "MQTT5-3.2.0-2")
def test_MQTT5_3_1_0_2_second_connect_is_a_protocol_error(t):
    watcher = t.subscriber(t.topic("will"))
    client = t.connect("a", will={"topic": t.topic("will"), "payload": b"gone"})
    client.send(connect(t.id("a"), version=t.version))
    client.expect_error(0x82)
    watcher.take(t.topic("will"), "gone")


@cases([("lower", "mqtt", 4), ("longer", "MQTTX", 4), ("empty", "", 4), ("short", "MQT", 5),
        ("old-name-level-5", "MQIsdp", 5), ("lower-5", "mqtt", 5), ("binary", b"MQ\x00T", 5)])
@covers("MQTT311-3.1.2-1", "MQTT311-3.2.2-6")
def test_MQTT5_3_1_2_1_wrong_protocol_name_is_refused(t, name, level):
    """The server may say 0x84 (or 0x01) before it closes, and must close."""
    client = t.socket(level)
    client.send(connect(t.id("a"), version=level, name=name))
    refused(client)


def refused(client):
    """Closed, perhaps after a CONNACK that refuses, in the form of 3.1.1 or of 5.0: the server
    cannot know which of them the client understands."""
    try:
        client.fill(time.monotonic() + client.timeout)
    except Closed:
        return
    if client.buffer.startswith(b"\x20\x02"):
        client.expect_bytes("20 02 00 01")
    else:
        client.version = 5
        client.expect(CONNACK, reason={0x81, 0x82, 0x84}, session_present=False)
    client.expect_close()


@cases([(str(level), level) for level in (0, 1, 2, 6, 7, 100, 127, 255)])
@covers("MQTT5-3.1.2-2", "MQTT311-3.2.2-4", "MQTT311-3.2.2-5", "MQTT5-3.2.2-6", "MQTT5-3.2.2-7")
def test_MQTT311_3_1_2_2_unsupported_level_gets_connack_01(t, level):
    """Above 5 the client may be newer than 5.0, so that the form of CONNACK is either."""
    client = t.socket(4)
    client.send(connect(t.id("a"), version=4, level=level))
    if level < 6:
        client.expect_bytes("20 02 00 01")
        client.expect_close()
        return
    client.fill(time.monotonic() + t.timeout)
    client.version = 4 if client.buffer.startswith(b"\x20\x02") else 5
    client.expect(CONNACK, reason=1 if client.version == 4 else 0x84)
    client.expect_close()


@versions(3, 4, 5)
@covers("MQTT311-3.1.2-3")
def test_MQTT5_3_1_2_3_reserved_connect_flag(t):
    client = t.socket()
    client.send(connect(t.id("a"), version=t.version, connect_flags=0x03))
    if t.version == 3:
        return  # MQTT 3.1 calls the bit unused
    client.expect_refused(0x81)


@versions(4, 5)
@cases([("qos1", 0x0A), ("qos2", 0x12), ("retain", 0x22)])
@covers("MQTT311-3.1.2-11", "MQTT311-3.1.2-13", "MQTT311-3.1.2-15", "MQTT5-3.1.2-13")
def test_MQTT5_3_1_2_11_will_bits_without_will_flag(t, bits):
    client = t.socket()
    client.send(connect(t.id("a"), version=t.version, connect_flags=bits))
    client.expect_refused({0x81, 0x82})


@versions(3, 4, 5)
@covers("MQTT311-3.1.2-14")
def test_MQTT5_3_1_2_12_will_qos_3(t):
    client = t.socket()
    client.send(connect(t.id("a"), version=t.version, will={"topic": t.topic("w"), "qos": 3}))
    client.expect_refused(0x81)


@versions(4, 5)
@cases([("will-missing", 0x06), ("user-missing", 0x82), ("password-missing", 0xC2)])
@covers("MQTT311-3.1.2-9", "MQTT311-3.1.2-19", "MQTT311-3.1.2-21", "MQTT5-3.1.2-17",
        "MQTT5-3.1.2-19", "MQTT5-3.1.4-1")
def test_MQTT5_3_1_2_9_announced_fields_must_be_there(t, bits):
    client = t.socket()
    username = "u" if bits == 0xC2 else None
    client.send(connect(t.id("a"), version=t.version, username=username, connect_flags=bits))
    client.expect_refused(0x81)


@versions(4, 5)
@cases([("user", 0x02, {"username": "u"}), ("password", 0x82, {"username": "u", "password": "p"}),
        ("will", 0x02, {"will": {"topic": "w", "payload": b"x"}})])
@covers("MQTT311-3.1.2-18", "MQTT311-3.1.2-20", "MQTT311-3.1.2-11", "MQTT5-3.1.2-18",
        "MQTT311-3.1.4-1")
def test_MQTT5_3_1_2_16_fields_not_announced_must_not_be_there(t, bits, fields):
    client = t.socket()
    client.send(connect(t.id("a"), version=t.version, connect_flags=bits, **fields))
    client.expect_refused(0x81)


def test_MQTT311_3_1_2_22_password_without_user_name(t):
    client = t.socket()
    client.send(connect(t.id("a"), version=4, password="p"))
    client.expect_close()


def test_password_without_user_name_is_allowed_in_5(t):
    t.connect("a", password="p").ping()


@versions(3, 4, 5)
@covers("MQTT311-3.1.2-19", "MQTT311-3.1.2-21", "MQTT5-3.1.2-17", "MQTT5-3.1.2-19")
def test_user_name_and_password_are_accepted(t):
    """Without an authenticator everybody may enter, whatever the name."""
    t.connect("a", username="Käthe", password=b"\x00\xff\x80").ping()


CONNECT_MALFORMED = [
    ("empty", ""), ("name-only", "00 04 4d 51 54 54"), ("no-flags", "00 04 4d 51 54 54 LL"),
    ("no-keepalive", "00 04 4d 51 54 54 LL 02"), ("no-client-id", "00 04 4d 51 54 54 LL 02 00 3c"),
    ("client-id-cut", "00 04 4d 51 54 54 LL 02 00 3c PP 00 05 61 62"),
    ("trailing", "00 04 4d 51 54 54 LL 02 00 3c PP 00 01 61 00"),
]


@versions(4, 5)
@cases(CONNECT_MALFORMED)
@covers("MQTT5-3.1.4-1", "MQTT5-3.1.3-3", "MQTT5-4.13.1-1")
def test_MQTT311_3_1_4_1_malformed_connect_closes_without_connack(t, body):
    """In MQTT 5 a CONNACK with 0x81 may come first, once the version is known."""
    body = body.replace("LL", f"{t.version:02x}").replace("PP", "00" if t.version == 5 else "")
    client = t.socket()
    client.send(packet(1, 0, bytes.fromhex(body)))
    if t.version == 5 and len(bytes.fromhex(body)) > 9:
        client.expect_refused(0x81)
    elif t.version == 5:
        refused(client)
    else:
        client.expect_close()


@versions(4, 5)
@cases([(f"{flags:x}", flags) for flags in (1, 2, 4, 8, 15)])
@covers("MQTT311-2.2.2-1", "MQTT311-2.2.2-2", "MQTT5-2.1.3-1")
def test_MQTT5_2_1_3_1_connect_header_flags(t, flags):
    client = t.socket()
    client.send(connect(t.id("a"), version=t.version, flags=flags))
    refused(client)


BAD_TEXTS = [("surrogate", b"\xed\xa0\x80"), ("low-surrogate", b"\xed\xbf\xbf"), ("nul", b"a\0b"),
             ("overlong", b"\xc0\xaf"), ("overlong3", b"\xe0\x80\xaf"), ("cut", b"\xe2\x82"),
             ("lone", b"\x80"), ("ff", b"\xff"), ("beyond", b"\xf4\x90\x80\x80"),
             ("five", b"\xf8\x88\x80\x80\x80")]


@versions(4, 5)
@cases(BAD_TEXTS)
@covers("MQTT311-1.5.3-1", "MQTT311-1.5.3-2", "MQTT5-1.5.4-1", "MQTT5-1.5.4-2", "MQTT311-3.1.3-4")
def test_MQTT5_3_1_3_4_client_id_must_be_utf8(t, text):
    client = t.socket()
    client.send(connect(text, version=t.version))
    client.expect_refused({0x81, 0x85}, None)


@versions(4, 5)
@cases(BAD_TEXTS)
@covers("MQTT311-3.1.3-11")
def test_MQTT5_3_1_3_12_user_name_must_be_utf8(t, text):
    client = t.socket()
    client.send(connect(t.id("a"), version=t.version, username=text))
    client.expect_refused(0x81)


@versions(4, 5)
@cases(BAD_TEXTS)
@covers("MQTT311-3.1.3-10")
def test_MQTT5_3_1_3_11_will_topic_must_be_utf8(t, text):
    client = t.socket()
    client.send(connect(t.id("a"), version=t.version, will={"topic": text}))
    client.expect_refused({0x81, 0x90})


@versions(4, 5)
@cases([("hash", "a/#"), ("plus", "+/a"), ("empty", "")])
@covers("MQTT5-4.7.0-1", "MQTT311-4.7.1-1", "MQTT311-4.7.3-1", "MQTT5-4.7.3-1")
def test_will_topic_must_be_a_topic_name(t, topic):
    client = t.socket()
    client.send(connect(t.id("a"), version=t.version, will={"topic": topic}))
    client.expect_refused({0x81, 0x82, 0x90})


@versions(3, 4, 5)
@covers("MQTT5-3.1.3-5", "MQTT311-3.1.3-2", "MQTT5-3.1.3-2")
def test_MQTT311_3_1_3_5_client_ids_of_1_to_23_letters_and_digits(t):
    """The identifiers cannot carry the test's prefix; so each version turns the alphabet."""
    turned = ALPHABET[t.version * 7:] + ALPHABET[:t.version * 7]
    for text in (turned[0:23], turned[23:46], turned[39:62], turned[0]):
        client = t.socket()
        client.connect(text)
        client.ping()
        client.disconnect()


@versions(4, 5)
@cases([("long", "x" * 200), ("space", "a b c"), ("slash", "a/b/#/+"), ("unicode", "Σ★🙂"),
        ("control", "\x01\x7f"), ("bom", "\ufeffid")])
def test_other_client_ids_are_accepted_too(t, text):
    client = t.socket()
    client.connect(t.id("") + text)
    client.ping()


@covers("MQTT311-3.1.3-2")
def test_MQTT5_1_5_4_3_bom_in_client_id_is_kept(t):
    """With and without U+FEFF are two clients: neither takes the session of the other."""
    first, second = t.socket(), t.socket()
    first.connect("\ufeff" + t.id("b"))
    second.connect(t.id("b"))
    t.quiet(first, second)


@covers("MQTT311-1.5.3-3")
def test_MQTT311_3_1_3_6_empty_client_id_with_clean_session(t):
    clients = [t.socket(4) for _ in range(3)]
    for client in clients:
        client.connect("")
        client.subscribe(t.topic("x"))
    clients[0].publish(t.topic("x"), "hello")
    for client in clients:
        client.take(t.topic("x"), "hello")


@covers("MQTT311-3.1.3-9", "MQTT311-3.1.3-7", "MQTT311-3.2.2-4", "MQTT311-3.2.2-5")
def test_MQTT311_3_1_3_8_empty_client_id_without_clean_session(t):
    client = t.socket(4)
    client.send(connect("", version=4, clean=False))
    client.expect_bytes("20 02 00 02")
    client.expect_close()


@versions(3)
def test_mqtt31_empty_client_id_is_rejected(t):
    client = t.socket()
    client.send(connect("", version=3))
    client.expect_bytes("20 02 00 02")
    client.expect_close()


@covers("MQTT5-3.1.3-7", "MQTT5-3.2.2-16")
def test_MQTT5_3_1_3_6_empty_client_id_is_assigned(t):
    names = set()
    for _ in range(5):
        client = t.socket()
        connack = client.connect("")
        t.true(connack.prop("assigned_client_id"), f"no assigned client identifier in {connack}")
        names.add(client.client_id)
        client.ping()
    t.equal(len(names), 5, "different identifiers")


@covers("MQTT5-3.2.2-16")
def test_MQTT5_3_1_3_7_assigned_client_id_names_a_session(t):
    client = t.socket()
    client.connect("", props={"session_expiry": 60})
    client.subscribe(t.topic("x"), qos=1)
    client.close()
    t.connect("pub").publish(t.topic("x"), "kept", qos=1)
    again = t.socket()
    again.connect(client.client_id, clean=False, session_present=True,
                  props={"session_expiry": 0})
    again.take(t.topic("x"), "kept")


def test_assigned_client_id_is_absent_when_one_was_given(t):
    t.equal(t.connect("a").connack.prop("assigned_client_id"), None)


@covers("MQTT5-3.1.3-8", "MQTT5-3.2.2-7")
def test_MQTT5_3_1_3_6_empty_client_id_with_clean_start_0(t):
    """Allowed (a new session with an assigned name) or refused with 0x85; nothing else."""
    client = t.socket()
    client.send(connect("", clean=False))
    got = client.expect(CONNACK, reason={0x00, 0x85}, session_present=False)
    if got.reason:
        client.expect_close()
    else:
        t.true(got.prop("assigned_client_id"), f"no assigned client identifier in {got}")


@versions(4, 5)
@covers("MQTT5-3.1.4-6", "MQTT311-3.1.4-5")
def test_MQTT311_3_1_4_5_nothing_after_a_refused_connect_is_processed(t):
    watcher = t.subscriber(t.topic("x"))
    client = t.socket()
    client.send(connect(t.id("a"), version=t.version, connect_flags=0x03)
                + publish(t.topic("x"), "sneaked in", version=t.version))
    client.expect_refused(0x81)
    t.quiet(watcher)


@versions(3, 4, 5)
def test_packets_may_follow_connect_without_waiting(t):
    client, topic = t.socket(), t.topic("x")
    client.send(connect(t.id("a"), version=t.version)
                + subscribe(7, [(topic, 0)], version=t.version)
                + publish(topic, "hello", version=t.version) + pingreq())
    client.expect(CONNACK, reason=0)
    client.expect(SUBACK, packet_id=7)
    client.wait(PINGRESP)
    client.take(topic, "hello")


@versions(3, 4, 5)
def test_packets_may_be_cut_anywhere(t):
    client, topic = t.socket(), t.topic("x")
    stream = (connect(t.id("a"), version=t.version) + subscribe(7, [(topic, 0)], version=t.version)
              + publish(topic, "hello" * 30, version=t.version))
    for at in range(len(stream)):
        client.sock.send(stream[at:at + 1])
    client.expect(CONNACK, reason=0)
    client.expect(SUBACK, packet_id=7)
    client.take(topic, "hello" * 30)


def test_bridge_bit_of_the_protocol_level_is_accepted(t):
    """Bridges of mosquitto set bit 7 of the level (0x84); they are MQTT 3.1.1 clients else."""
    client = t.socket(4)
    client.send(connect(t.id("a"), version=4, level=0x84))
    client.expect(CONNACK, reason=0)
    client.ping()


CONNECT_PROPERTIES_BAD = [
    ("receive-maximum-0", {"receive_maximum": 0}, 0x82),
    ("max-packet-size-0", {"max_packet_size": 0}, 0x82),
    ("problem-info-2", {"request_problem_info": 2}, 0x82),
    ("response-info-2", {"request_response_info": 2}, 0x82),
    ("auth-data-alone", {"auth_data": b"x"}, 0x82),
    ("session-expiry-twice", [("session_expiry", 1), ("session_expiry", 1)], 0x82),
    ("receive-maximum-twice", [("receive_maximum", 1), ("receive_maximum", 1)], 0x82),
    ("max-packet-size-twice", [("max_packet_size", 99), ("max_packet_size", 99)], 0x82),
    ("alias-max-twice", [("topic_alias_max", 1), ("topic_alias_max", 1)], 0x82),
    ("problem-info-twice", [("request_problem_info", 1)] * 2, 0x82),
    ("response-info-twice", [("request_response_info", 1)] * 2, 0x82),
    ("auth-method-twice", [("auth_method", "x")] * 2, 0x82),
    ("auth-data-twice", [("auth_method", "x"), ("auth_data", b""), ("auth_data", b"")], 0x82),
    ("topic-alias", {"topic_alias": 1}, 0x81), ("will-delay", {"will_delay": 1}, 0x81),
    ("max-qos", {"max_qos": 1}, 0x81), ("reason-string", {"reason_string": "x"}, 0x81),
    ("subscription-id", {"subscription_id": 1}, 0x81),
    ("unknown", [(0x7E, b"x")], 0x81), ("unknown-long", [(0x100, b"x")], 0x81),
    ("length-too-big", b"\x05\x11\0\0\0", 0x81), ("value-cut", b"\x03\x11\0\0", 0x81),
    ("length-not-minimal", b"\x85\x00\x11\0\0\0\1", 0x81),
    ("length-too-long", b"\x80\x80\x80\x80\x01", 0x81),
    ("user-not-utf8", {"user": (b"\xff", "v")}, 0x81),
    ("user-value-not-utf8", {"user": ("k", b"\xed\xa0\x80")}, 0x81),
    ("user-nul", {"user": ("k\0", "v")}, 0x81),
]


@cases(CONNECT_PROPERTIES_BAD)
@covers("MQTT5-1.5.5-1", "MQTT5-1.5.7-1", "MQTT5-2.2.2-1", "MQTT5-3.2.2-7", "MQTT5-4.13.2-1",
        "MQTT5-1.5.4-2")
def test_MQTT5_4_13_1_1_bad_property_in_connect(t, props, reason):
    client = t.socket()
    client.send(connect(t.id("a"), props=props))
    client.expect_refused({0x81, reason} if reason == 0x81 else reason)


WILL_PROPERTIES_BAD = [
    ("delay-twice", [("will_delay", 1)] * 2, 0x82),
    ("format-twice", [("payload_format", 1)] * 2, 0x82),
    ("format-2", {"payload_format": 2}, {0x81, 0x82}),
    ("expiry-twice", [("message_expiry", 1)] * 2, 0x82),
    ("content-twice", [("content_type", "x")] * 2, 0x82),
    ("response-twice", [("response_topic", "x")] * 2, 0x82),
    ("response-wildcard", {"response_topic": "a/#"}, {0x81, 0x82, 0x90}),
    ("correlation-twice", [("correlation_data", b"x")] * 2, 0x82),
    ("session-expiry", {"session_expiry": 1}, 0x81), ("topic-alias", {"topic_alias": 1}, 0x81),
    ("subscription-id", {"subscription_id": 1}, 0x81), ("unknown", [(0x7E, b"x")], 0x81),
    ("content-not-utf8", {"content_type": b"\xff"}, 0x81),
]


@cases(WILL_PROPERTIES_BAD)
@covers("MQTT5-3.3.2-14", "MQTT5-3.3.2-19")
def test_MQTT5_4_13_1_1_bad_property_in_will(t, props, reason):
    client = t.socket()
    client.send(connect(t.id("a"), will={"topic": t.topic("w"), "props": props}))
    client.expect_refused(reason)


def test_every_connect_property_is_accepted(t):
    client = t.socket()
    client.send(connect(t.id("a"), props=[
        ("user", ("k", "v")), ("session_expiry", 0), ("receive_maximum", 10), ("user", ("k", "v")),
        ("max_packet_size", 100000), ("topic_alias_max", 5), ("request_response_info", 1),
        ("request_problem_info", 1), ("user", ("", ""))], will={
            "topic": t.topic("w"), "payload": b"x", "qos": 2, "props": [
                ("will_delay", 0), ("payload_format", 1), ("message_expiry", 10),
                ("content_type", "text"), ("response_topic", "r"), ("correlation_data", b"\0"),
                ("user", ("a", "b")), ("user", ("a", "c"))]}, username="u", password="p"))
    client.expect(CONNACK, reason=0)
    client.ping()


@covers("MQTT5-3.1.2-24", "MQTT5-3.2.2-20")
def test_MQTT5_3_2_2_19_connack_respects_a_tiny_maximum_packet_size(t):
    """Whatever the server wants to tell must fit or the connection must not come about."""
    for size in (5, 10, 20, 40, 60):
        client = t.socket()
        client.send(connect(t.id(size), props={"max_packet_size": size}))
        client.limits["max_packet_size"] = size
        try:
            client.expect(CONNACK)
        except Failure as error:
            t.true("closed" in str(error) or "reset" in str(error), str(error))


@versions(4, 5)
@covers("MQTT5-3.1.4-3")
def test_MQTT311_3_1_4_2_second_connection_takes_over(t):
    first = t.connect("a")
    second = t.connect("a")
    first.expect_error(0x8E)
    second.ping()


@covers("MQTT5-3.1.4-3")
def test_MQTT311_3_1_4_2_takeover_across_versions(t):
    clients = [t.connect("a", version=version) for version in (5, 4, 3, 5)]
    for client in clients[:-1]:
        client.expect_error(0x8E)
    clients[-1].ping()


@only("sluiced")
def test_takeover_by_a_refused_connect_leaves_the_first_alone(t):
    first = t.connect("a")
    second = t.socket()
    second.send(connect(t.id("a"), props={"auth_method": "NONE"}))
    second.expect_refused({0x8C, 0x87})
    first.ping()


@versions(4, 5)
def test_takeover_many_times(t):
    """A client id that hops between 40 connections, all opened before any is told to go."""
    clients = []
    for _ in range(40):
        clients.append(t.connect("a", clean=False))
    for client in clients[:-1]:
        client.expect_error(0x8E)
    clients[-1].ping()


def test_takeover_storm_leaves_one(t):
    """20 CONNECTs with one id at the same time: in the end exactly one connection lives."""
    sockets = [t.socket() for _ in range(20)]
    for client in sockets:
        client.send(connect(t.id("a")))
    for client in sockets:
        client.expect(CONNACK, reason=0)
    deadline, alive = time.monotonic() + t.timeout, list(sockets)
    while len(alive) > 1 and time.monotonic() < deadline:
        alive = [client for client in alive if not told_to_go(client)]
    t.equal(len(alive), 1, "connections that remain")
    alive[0].ping()


def told_to_go(client):
    try:
        client.expect(DISCONNECT, timeout=0.01, reason=0x8E)
    except TimedOut:
        return False
    except Closed:
        if not client.lenient:
            raise
        return True
    client.expect_close()
    return True


@versions(3, 4, 5)
@slow
@covers("MQTT311-3.1.2-24", "MQTT5-3.2.2-22")
@timed
def test_MQTT5_3_1_2_22_keep_alive_times_out_at_one_and_a_half(t):
    watcher = t.subscriber(t.topic("w"))
    client = t.connect("a", keepalive=2, will={"topic": t.topic("w"), "payload": b"dead"})
    client.expect_silence(2800)
    client.expect_error(0x8D, timeout=3)
    watcher.take(t.topic("w"), "dead")


@slow
@covers("MQTT311-3.1.2-24")
def test_MQTT5_3_1_2_22_any_packet_keeps_alive(t):
    client = t.connect("a", keepalive=2)
    for send in (lambda: client.publish(t.topic("x")), client.ping,
                 lambda: client.subscribe(t.topic("y"))):
        client.expect_silence(1700)
        send()
    client.ping()


@slow
@covers("MQTT311-3.1.2-24")
def test_MQTT5_3_1_2_22_pieces_of_a_packet_do_not_keep_alive(t):
    """One byte every 0.4 s: no whole packet arrives within one and a half seconds."""
    client = t.connect("a", keepalive=1)
    data = publish(t.topic("x"), b"x" * 100)
    for at in range(10):
        client.send(data[at:at + 1])
        try:
            client.expect_silence(400)
        except Failure:
            t.true(at >= 2, "closed too early")
            return
    client.expect_error(0x8D, timeout=0.1)


@slow
@versions(4, 5)
def test_keep_alive_0_never_times_out(t):
    client = t.connect("a", keepalive=0)
    client.expect_silence(3000)
    client.ping()


def test_keep_alive_is_not_answered_when_the_server_uses_the_clients(t):
    t.equal(t.connect("a", keepalive=77).connack.prop("server_keepalive"), None)


@covers("MQTT5-4.12.0-4", "MQTT5-3.1.4-2")
def test_MQTT5_4_12_0_1_unknown_authentication_method(t):
    client = t.socket()
    client.send(connect(t.id("a"), props={"auth_method": "SCRAM-SHA-1", "auth_data": b"n,,"}))
    client.expect_refused({0x8C, 0x87})


@covers("MQTT5-4.12.0-6", "MQTT5-4.12.0-5")
def test_MQTT5_4_12_0_6_no_method_means_no_auth_packet(t):
    t.equal(t.connect("a").connack.prop("auth_method"), None)


@covers("MQTT5-3.1.2-28")
def test_MQTT5_3_1_2_28_response_information_only_on_request(t):
    for props in (None, {"request_response_info": 0}):
        client = t.socket()
        t.equal(client.connect(t.id("a"), props=props).prop("response_info"), None)


@slow
@versions(4, 5)
def test_connection_without_connect_stays_for_a_moment(t):
    client = t.socket()
    client.expect_silence(300)
    client.connect(t.id("late"))
    client.ping()


@covers("MQTT311-7.0.0-2")
def test_MQTT311_7_0_0_2_no_extension_is_needed(t):
    """The smallest CONNECT of all, as any 3.1.1 client may send it."""
    client = t.socket(4)
    client.send(packet(1, 0, binary("MQTT") + b"\x04\x02" + u16(0) + binary(t.id("m"))))
    client.expect_bytes("20 02 00 00")
    client.send("c0 00").expect_bytes("d0 00")
