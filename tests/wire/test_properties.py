"""Properties of MQTT 5 on their way through the server; aliases; maximum packet size."""

from harness import cases, covers, options, versions
from mqtt_wire import (PUBACK, PUBCOMP, PUBLISH, SUBACK, UNSUBACK, Failure, ack,
                       disconnect, publish, subscribe, unsubscribe)

ALL = [("payload_format", 1), ("content_type", "text/plain; ä"), ("response_topic", "answers/1"),
       ("correlation_data", b"\x00\xff\x80"), ("user", ("b", "2")), ("user", ("a", "1")),
       ("user", ("b", "2")), ("user", ("", "")), ("user", ("ключ", "значение"))]


def without_user(props):
    return sorted((name, value) for name, value in props if name != "user")


@cases([(f"{sent}-{granted}", sent, granted) for sent in range(3) for granted in range(3)])
@covers("MQTT5-3.3.2-4", "MQTT5-3.3.2-15", "MQTT5-3.3.2-16", "MQTT5-3.3.2-18", "MQTT5-3.3.2-20",
        "MQTT5-1.5.7-1")
def test_MQTT5_3_3_2_17_properties_are_forwarded_unaltered(t, sent, granted):
    client = t.subscriber(t.topic("x"), qos=granted)
    t.connect("pub").publish(t.topic("x"), "m", qos=sent, props=ALL)
    got = client.take(t.topic("x"), "m")
    t.equal(got.all("user"), [value for name, value in ALL if name == "user"])
    t.equal(without_user(got.props), without_user(ALL))


def test_properties_are_kept_in_the_queue_of_a_session(t):
    client = t.persistent("a")
    client.subscribe(t.topic("x"), qos=1, props={"subscription_id": 3})
    client.disconnect()
    t.connect("pub").publish(t.topic("x"), "m", qos=2, props=ALL)
    got = t.persistent("a").take(payload="m", qos=1, prop_subscription_id=3)
    t.equal(got.all("user"), [value for name, value in ALL if name == "user"])
    t.equal(without_user(got.props), without_user(ALL + [("subscription_id", 3)]))


@cases([("3", 3), ("4", 4)])
def test_old_subscribers_get_the_message_without_properties(t, version):
    client = t.subscriber(t.topic("x"), suffix="old", version=version, qos=2)
    t.connect("pub").publish(t.topic("x"), "m", qos=2, props=ALL + [("message_expiry", 99)])
    client.take(t.topic("x"), "m", qos=2)


def test_messages_of_old_publishers_have_no_properties(t):
    client = t.subscriber(t.topic("x"), qos=1)
    t.connect("pub", version=4).publish(t.topic("x"), "m", qos=1)
    t.equal(client.take(t.topic("x"), "m").props, [])


@covers("MQTT5-3.3.2-4")
def test_payload_format_is_passed_on(t):
    """Also 0, which is what a missing indicator means, and also when the payload is no text: the
    server MAY check it (0x99), it need not."""
    client, publisher = t.subscriber(t.topic("x"), qos=1), t.connect("pub")
    publisher.publish(t.topic("x"), "text", qos=1, props={"payload_format": 1})
    client.take(payload="text", prop_payload_format=1)
    publisher.publish(t.topic("x"), b"\xff", qos=1, props={"payload_format": 0})
    client.take(payload=b"\xff", prop_payload_format={0, None})
    publisher.send(publish(t.topic("x"), b"\xff", qos=1, packet_id=9, props={"payload_format": 1}))
    got = publisher.expect(PUBACK, packet_id=9, reason={0x00, 0x99})
    if got.reason == 0:
        client.take(payload=b"\xff", prop_payload_format=1)


def test_many_and_large_user_properties(t):
    client, publisher = t.subscriber(t.topic("x")), t.connect("pub")
    props = [("user", (f"key {n}", "v" * n)) for n in range(300)]
    publisher.publish(t.topic("x"), "m", props=props)
    t.equal(client.take(payload="m").props, props)
    props = [("user", ("k" * 65535, "v" * 65535))]
    publisher.publish(t.topic("x"), "m", props=props)
    t.equal(client.take(payload="m").props, props)


def test_request_and_response(t):
    requester, responder = t.subscriber(t.topic("answers")), t.subscriber(t.topic("q"), suffix="r")
    requester.publish(t.topic("q"), "2+2", qos=1, props=[
        ("response_topic", t.topic("answers")), ("correlation_data", b"#1")])
    got = responder.take(payload="2+2")
    responder.publish(got.prop("response_topic"), "4", qos=1,
                      props={"correlation_data": got.prop("correlation_data")})
    requester.take(t.topic("answers"), "4", prop_correlation_data=b"#1")


# --------------------------------------------------------------------------------- topic aliases


@cases([("0", 0), ("1", 1), ("2", 2)])
@covers("MQTT5-3.3.2-12")
def test_MQTT5_3_3_2_12_aliases_of_the_publisher(t, qos):
    client, publisher = t.subscriber(t.topic("#"), qos=2), t.connect("pub")
    limit = publisher.connack.prop("topic_alias_max", 0)
    t.true(limit > 0, "no topic aliases accepted")
    for alias in sorted({1, 2, limit // 2 or 1, limit}):
        publisher.publish(t.topic(f"{alias}"), "set", qos=qos, props={"topic_alias": alias})
        client.take(t.topic(f"{alias}"), "set", prop_topic_alias=None)
    for alias in sorted({1, 2, limit // 2 or 1, limit}):
        publisher.publish("", "used", qos=qos, props={"topic_alias": alias})
        client.take(t.topic(f"{alias}"), "used", prop_topic_alias=None)


def test_an_alias_may_be_given_another_topic(t):
    client, publisher = t.subscriber(t.topic("#")), t.connect("pub")
    for name in "abc":
        publisher.publish(t.topic(name), name, props={"topic_alias": 1})
        publisher.publish("", name, props={"topic_alias": 1})
        client.take(t.topic(name), name)
        client.take(t.topic(name), name)


@covers("MQTT5-3.3.2-7")
def test_MQTT5_3_3_2_7_aliases_end_with_the_connection(t):
    publisher = t.persistent("pub")
    publisher.publish(t.topic("x"), "m", qos=1, props={"topic_alias": 1})
    publisher.close()
    publisher = t.persistent("pub")
    publisher.send(publish("", b"m", qos=1, packet_id=1, props={"topic_alias": 1}))
    publisher.expect_error(0x82)


def test_aliases_of_two_publishers_are_apart(t):
    client = t.subscriber(t.topic("#"))
    publishers = [t.connect(f"p{n}") for n in range(2)]
    for number, publisher in enumerate(publishers):
        publisher.publish(t.topic(f"{number}"), "m", props={"topic_alias": 1})
        client.take(t.topic(f"{number}"))
    for number, publisher in enumerate(publishers):
        publisher.publish("", "m", props={"topic_alias": 1})
        client.take(t.topic(f"{number}"))


def test_alias_with_a_retained_message(t):
    publisher = t.connect("pub")
    publisher.publish(t.topic("x"), "a", qos=1, retain=True, props={"topic_alias": 1})
    publisher.publish("", "b", qos=1, retain=True, props={"topic_alias": 1})
    t.subscriber(t.topic("x")).take(t.topic("x"), "b", retain=True, prop_topic_alias=None)


@covers("MQTT5-3.1.2-27")
def test_MQTT5_3_1_2_27_no_aliases_to_a_client_that_allows_none(t):
    client, publisher = t.subscriber(t.topic("x")), t.connect("pub")
    for _ in range(20):
        publisher.publish(t.topic("x"), "m")
        client.take(t.topic("x"), prop_topic_alias=None)


@covers("MQTT5-3.1.2-26")
def test_MQTT5_3_3_2_11_aliases_to_a_client_within_its_maximum(t):
    """The harness checks every alias and resolves it; here many topics compete for two."""
    client = t.connect("sub", props={"topic_alias_max": 2})
    client.subscribe(t.topic("#"), qos=1)
    publisher = t.connect("pub")
    for number in range(60):
        name = t.topic("abcde"[number % 5 if number > 30 else number % 2])
        publisher.publish(name, f"{number}", qos=number % 2)
        client.take(name, f"{number}")


def test_aliases_and_retransmission(t):
    """What was sent with an alias must be understood again on a new connection without."""
    client = t.persistent("sub", props={"topic_alias_max": 5})
    client.subscribe(t.topic("x"), qos=1)
    publisher = t.connect("pub")
    for number in range(6):
        publisher.publish(t.topic("x"), f"{number}", qos=1)
    for number in range(6):
        client.expect(PUBLISH, topic=t.topic("x"), payload=f"{number}")
    client.close()
    client = t.persistent("sub")
    for number in range(6):
        client.take(t.topic("x"), f"{number}", dup=True, prop_topic_alias=None)


@options(max_topic_alias=3)
@covers("MQTT5-3.2.2-17")
def test_MQTT5_3_2_2_17_alias_above_the_configured_maximum(t):
    client = t.connect("a")
    t.equal(client.connack.prop("topic_alias_max"), 3)
    client.publish(t.topic("x"), "m", qos=1, props={"topic_alias": 3})
    client.send(publish(t.topic("x"), b"m", props={"topic_alias": 4}))
    client.expect_error(0x94)


@options(max_topic_alias=0)
def test_MQTT5_3_2_2_18_no_aliases_where_none_are_allowed(t):
    client = t.connect("a")
    t.true(client.connack.prop("topic_alias_max", 0) == 0, "topic alias maximum in CONNACK")
    client.send(publish(t.topic("x"), b"m", props={"topic_alias": 1}))
    client.expect_error(0x94)


# --------------------------------------------------------------------------- maximum packet size


@cases([("0", 0), ("1", 1), ("2", 2)])
@covers("MQTT5-3.1.2-25")
def test_MQTT5_3_1_2_24_too_large_for_the_client_is_not_sent(t, qos):
    client = t.connect("sub", props={"max_packet_size": 200, "receive_maximum": 2})
    client.subscribe(t.topic("x"), qos=qos)
    other, publisher = t.subscriber(t.topic("x"), suffix="other", qos=qos), t.connect("pub")
    for number in range(5):
        publisher.publish(t.topic("x"), b"L" * 300, qos=qos)
        publisher.publish(t.topic("x"), f"small {number}", qos=qos)
        client.take(payload=f"small {number}")
        other.take(payload=b"L" * 300)
        other.take(payload=f"small {number}")
    t.quiet(client)


@covers("MQTT5-3.1.2-25")
def test_MQTT5_3_1_2_25_too_large_after_a_reconnection(t):
    """Queued while offline, or sent before to a connection that took larger ones."""
    client, publisher = t.persistent("a"), t.connect("pub")
    client.subscribe(t.topic("x"), qos=1)
    publisher.publish(t.topic("x"), b"L" * 500, qos=1)
    client.expect(PUBLISH)
    client.close()
    publisher.publish(t.topic("x"), b"M" * 500, qos=1)
    publisher.publish(t.topic("x"), "small", qos=1)
    client = t.persistent("a", props={"max_packet_size": 200})
    client.take(payload="small")
    t.quiet(client)
    client.close()
    t.quiet(t.persistent("a"))


def test_exactly_the_maximum_packet_size_is_sent(t):
    client = t.connect("sub", props={"max_packet_size": 300})
    client.subscribe(t.topic("x"))
    publisher = t.connect("pub")
    overhead = 1 + 2 + 2 + len(t.topic("x")) + 1
    publisher.publish(t.topic("x"), b"+" * (301 - overhead))
    publisher.publish(t.topic("x"), b"=" * (300 - overhead))
    got = client.take(payload=b"=" * (300 - overhead))
    t.equal(len(got.raw), 300)


def test_properties_count_for_the_packet_size(t):
    client = t.connect("sub", props={"max_packet_size": 200})
    client.subscribe(t.topic("x"))
    publisher = t.connect("pub")
    publisher.publish(t.topic("x"), "m", props={"user": ("k" * 100, "v" * 100)})
    publisher.publish(t.topic("x"), "n")
    client.take(payload="n")


def test_too_large_retained_messages_are_passed_over(t):
    publisher = t.connect("pub")
    for name, payload in (("a", b"a"), ("b", b"L" * 500), ("c", b"c")):
        publisher.publish(t.topic(name), payload, qos=1, retain=True)
    client = t.connect("sub", props={"max_packet_size": 200})
    client.subscribe(t.topic("+"), qos=1)
    t.equal(sorted(p.payload for p in client.take_all(2)), [b"a", b"c"])
    t.quiet(client)


@covers("MQTT5-3.4.2-2", "MQTT5-3.4.2-3", "MQTT5-3.5.2-2", "MQTT5-3.5.2-3", "MQTT5-3.7.2-2",
        "MQTT5-3.7.2-3", "MQTT5-3.9.2-1", "MQTT5-3.9.2-2", "MQTT5-3.11.2-1", "MQTT5-3.11.2-2",
        "MQTT5-3.14.2-3", "MQTT5-3.14.2-4", "MQTT5-3.2.2-19", "MQTT5-3.2.2-20", "MQTT5-3.6.2-2",
        "MQTT5-3.6.2-3", "MQTT5-3.1.2-24")
def test_MQTT5_3_9_2_1_answers_fit_the_maximum_packet_size(t):
    """Answers of every type, also negative ones where reason strings tempt; all within 40 bytes,
    which the harness checks."""
    client = t.connect("a", props={"max_packet_size": 60})
    client.limits["max_packet_size"] = 60
    client.send(subscribe(1, [(t.topic("x"), 1)]))
    client.expect(SUBACK)
    client.send(unsubscribe(2, [t.topic("none")]))
    client.expect(UNSUBACK, reasons=[0x11])
    client.publish(t.topic("none"), "m", qos=1)
    client.publish(t.topic("none"), "m", qos=2)
    client.send(ack(6, 99))
    client.expect(PUBCOMP, packet_id=99)
    client.publish(t.topic("x"), "m", qos=1)
    client.take(payload="m")
    client.send(ack(5, 98))
    client.expect(6, packet_id=98)
    client.send(publish("", b"m"))
    client.expect_error(0x82)


def test_suback_that_exceeds_the_maximum_packet_size(t):
    """The client's own fault: it asked for more answers than it takes. Whatever the server does,
    it must not send the packet; closing with or without 0x95 is fine."""
    client = t.connect("a", props={"max_packet_size": 60})
    client.send(subscribe(1, [(t.topic(f"{n}"), 0) for n in range(100)]))
    try:
        got = client.recv(timeout=0.5)
        t.true(got.type == 14, f"unexpected {got}")
    except Failure as error:
        t.true("exceed" not in str(error), str(error))


@covers("MQTT5-3.1.2-29")
def test_MQTT5_3_1_2_29_no_problem_information_when_not_wanted(t):
    """The harness fails on a reason string or user property where they must not be."""
    client = t.connect("a", props={"request_problem_info": 0})
    client.send(subscribe(1, [("$share//x", 1), (t.topic("x"), 0)]))
    got = client.recv()
    if got.type != SUBACK:
        return
    client.unsubscribe(t.topic("none"))
    client.publish(t.topic("none"), "m", qos=1)
    client.send(ack(6, 99))
    client.expect(PUBCOMP, packet_id=99)


@options(max_packet_size=2048)
@versions(4, 5)
@covers("MQTT5-3.2.2-15")
def test_MQTT5_3_2_2_15_packet_too_large_for_the_server(t):
    client = t.connect("a")
    if t.version == 5:
        t.equal(client.connack.prop("max_packet_size"), 2048)
    overhead = 1 + 2 + 2 + len(t.topic("x")) + (1 if t.version == 5 else 0)
    client.subscribe(t.topic("x"))
    client.publish(t.topic("x"), b"=" * (2048 - overhead))
    client.take(payload=b"=" * (2048 - overhead))
    client.send(publish(t.topic("x"), b"+" * (2049 - overhead), version=t.version))
    client.expect_error(0x95)


@options(max_packet_size=2048)
@versions(4, 5)
def test_too_large_is_known_from_the_header(t):
    """The server does not wait for the bytes of a packet that it will not take."""
    client = t.connect("a")
    client.send("30 80 80 80 40")
    client.expect_error(0x95)


@options(max_packet_size=2048)
@versions(4, 5)
def test_connect_too_large_for_the_server(t):
    client = t.socket()
    client.send("10 80 80 80 01")
    try:
        got = client.recv()
        t.true(t.version == 5 and got.reason == 0x95, f"unexpected {got}")
        client.expect_close()
    except Failure as error:
        t.true("closed" in str(error) or "reset" in str(error) or "before" in str(error),
               str(error))


@versions(4, 5)
def test_disconnect_with_properties_is_accepted(t):
    watcher = t.subscriber(t.topic("w"))
    client = t.connect("a", will={"topic": t.topic("w"), "payload": b"x"})
    client.send(disconnect(0, [("reason_string", "bye"), ("user", ("a", "b")),
                               ("user", ("a", "b"))]) if t.version == 5 else disconnect())
    client.expect_close()
    t.quiet(watcher)
