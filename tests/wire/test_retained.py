"""Retained messages: section 3.3.1.3, retain handling and retain as published."""

from harness import cases, covers, slow, versions
from mqtt_wire import PUBLISH, SUBACK, ack, publish, subscribe

AS_PUBLISHED, RH1, RH2 = 8, 0x10, 0x20


@versions(3, 4, 5)
@cases([("0", 0), ("1", 1), ("2", 2)])
@covers("MQTT311-3.3.1-6", "MQTT311-3.3.1-8", "MQTT5-3.3.1-5", "MQTT5-3.3.1-9")
def test_MQTT311_3_3_1_5_retained_message_reaches_later_subscribers(t, qos):
    publisher = t.connect("pub")
    publisher.publish(t.topic("x"), "kept", qos=qos, retain=True)
    publisher.ping()
    for granted in range(3):
        client = t.subscriber(t.topic("x"), suffix=f"s{granted}", qos=granted)
        client.take(t.topic("x"), "kept", qos=min(qos, granted), retain=True, dup=False)
    publisher.publish(t.topic("x"), b"", retain=True)


@versions(3, 4, 5)
@covers("MQTT311-3.3.1-9", "MQTT5-3.3.1-12")
def test_MQTT311_3_3_1_9_established_subscriptions_get_retain_0(t):
    client, publisher = t.subscriber(t.topic("x"), qos=1), t.connect("pub")
    publisher.publish(t.topic("x"), "kept", qos=1, retain=True)
    client.take(t.topic("x"), "kept", retain=False)
    t.quiet(client)


@versions(4, 5)
@covers("MQTT311-3.3.1-7", "MQTT5-3.3.1-5")
def test_MQTT5_3_3_1_5_the_last_one_replaces_those_before(t):
    publisher = t.connect("pub")
    for number, qos in enumerate((2, 1, 0, 0, 1)):
        publisher.publish(t.topic("x"), f"{number}", qos=qos, retain=True)
    publisher.ping()
    client = t.subscriber(t.topic("x"), qos=2)
    client.take(t.topic("x"), "4", qos=1, retain=True)
    t.quiet(client)


@versions(4, 5)
@covers("MQTT311-3.3.1-7")
def test_MQTT311_3_3_1_7_qos_0_discards_the_one_before(t):
    """The QoS 0 message SHOULD be kept itself; the older one must never come again."""
    publisher = t.connect("pub")
    publisher.publish(t.topic("x"), "old", qos=2, retain=True)
    publisher.publish(t.topic("x"), "new", qos=0, retain=True)
    publisher.ping()
    t.subscriber(t.topic("x"), qos=2).take(payload="new", qos=0, retain=True)


@versions(3, 4, 5)
@cases([("0", 0), ("1", 1), ("2", 2)])
@covers("MQTT311-3.3.1-10", "MQTT311-3.3.1-11", "MQTT5-3.3.1-7")
def test_MQTT5_3_3_1_6_empty_payload_removes(t, qos):
    watcher, publisher = t.subscriber(t.topic("x"), suffix="w", qos=2), t.connect("pub")
    publisher.publish(t.topic("x"), "kept", qos=1, retain=True)
    watcher.take(payload="kept", retain=False)
    publisher.publish(t.topic("x"), b"", qos=qos, retain=True)
    watcher.take(t.topic("x"), b"", qos=qos, retain=False)
    publisher.ping()
    t.quiet(t.subscriber(t.topic("x")), t.subscriber(t.topic("#"), suffix="s2"))


@versions(4, 5)
@covers("MQTT311-3.3.1-12")
def test_MQTT5_3_3_1_8_retain_0_does_not_touch_the_retained_message(t):
    publisher = t.connect("pub")
    publisher.publish(t.topic("x"), "kept", qos=1, retain=True)
    publisher.publish(t.topic("x"), "passing", qos=1)
    publisher.publish(t.topic("x"), b"", qos=1)
    publisher.publish(t.topic("y"), "passing", qos=1)
    client = t.subscriber(t.topic("#"), qos=1)
    client.take(t.topic("x"), "kept", retain=True)
    t.quiet(client)


@versions(4, 5)
@covers("MQTT311-3.1.2-7")
def test_MQTT311_3_1_2_7_retained_messages_outlive_the_session(t):
    publisher = t.connect("pub")
    publisher.publish(t.topic("x"), "kept", qos=1, retain=True)
    publisher.disconnect()
    t.connect("pub", clean=True).disconnect()
    t.subscriber(t.topic("x"), qos=1).take(payload="kept", retain=True)


@versions(4, 5)
@covers("MQTT311-3.8.4-3", "MQTT5-3.8.4-4", "MQTT5-3.3.1-9")
def test_MQTT311_3_8_4_3_subscribing_again_sends_them_again(t):
    publisher, client = t.connect("pub"), t.connect("sub")
    publisher.publish(t.topic("x"), "kept", qos=1, retain=True)
    for qos in (1, 0, 2):
        client.subscribe(t.topic("x"), qos=qos)
        client.take(t.topic("x"), "kept", retain=True, qos=min(qos, 1))
    t.quiet(client)


@covers("MQTT5-3.3.1-10")
def test_MQTT5_3_3_1_10_retain_handling_1_only_for_new_subscriptions(t):
    publisher, client = t.connect("pub"), t.connect("sub")
    publisher.publish(t.topic("x"), "kept", qos=1, retain=True)
    client.subscribe((t.topic("x"), RH1))
    client.take(t.topic("x"), "kept", retain=True)
    client.subscribe((t.topic("x"), RH1 | 1))
    t.quiet(client)
    client.unsubscribe(t.topic("x"))
    client.subscribe((t.topic("x"), RH1))
    client.take(t.topic("x"), "kept", retain=True)


def test_retain_handling_1_in_a_resumed_session(t):
    """The subscription still exists, so the retained message does not come again."""
    t.connect("pub").publish(t.topic("x"), "kept", qos=1, retain=True)
    client = t.persistent("sub")
    client.subscribe((t.topic("x"), RH1))
    client.take(payload="kept")
    client.disconnect()
    client = t.persistent("sub")
    client.subscribe((t.topic("x"), RH1))
    t.quiet(client)


@covers("MQTT5-3.3.1-11")
def test_MQTT5_3_3_1_11_retain_handling_2_never(t):
    publisher, client = t.connect("pub"), t.connect("sub")
    publisher.publish(t.topic("x"), "kept", qos=1, retain=True)
    client.subscribe((t.topic("x"), RH2))
    t.quiet(client)
    publisher.publish(t.topic("x"), "new", qos=1, retain=True)
    client.take(payload="new", retain=False)


@covers("MQTT5-3.3.1-12")
def test_MQTT5_3_3_1_13_retain_as_published(t):
    client, publisher = t.subscriber((t.topic("x"), AS_PUBLISHED | 1)), t.connect("pub")
    publisher.publish(t.topic("x"), "a", qos=1, retain=True)
    client.take(payload="a", retain=True)
    publisher.publish(t.topic("x"), "b", qos=1)
    client.take(payload="b", retain=False)
    publisher.publish(t.topic("x"), b"", qos=1, retain=True)
    client.take(payload=b"", retain=True)


@covers("MQTT5-3.3.1-13")
def test_retain_as_published_through_an_offline_session(t):
    client = t.persistent("sub")
    client.subscribe((t.topic("x"), AS_PUBLISHED | 1), (t.topic("y"), 1))
    client.disconnect()
    publisher = t.connect("pub")
    for name in "xy":
        publisher.publish(t.topic(name), "a", qos=1, retain=True)
        publisher.publish(t.topic(name), "b", qos=1)
    client = t.persistent("sub")
    got = [(p.topic[-1], p.payload, p.retain) for p in client.take_all(4)]
    t.equal(got, [("x", b"a", True), ("x", b"b", False), ("y", b"a", False), ("y", b"b", False)])


def test_retain_flag_is_1_for_a_new_subscription_whatever_retain_as_published_says(t):
    t.connect("pub").publish(t.topic("x"), "kept", qos=1, retain=True)
    for options in (0, AS_PUBLISHED):
        client = t.connect(f"s{options}")
        client.subscribe((t.topic("x"), options))
        client.take(payload="kept", retain=True)


def test_subscription_identifier_in_retained_messages(t):
    t.connect("pub").publish(t.topic("x"), "kept", qos=1, retain=True)
    client = t.connect("sub")
    client.subscribe(t.topic("+"), props={"subscription_id": 9})
    t.equal(client.take(payload="kept").all("subscription_id"), [9])


def test_properties_of_retained_messages_are_kept(t):
    props = [("payload_format", 1), ("content_type", "text"), ("response_topic", "r"),
             ("correlation_data", b"\0\1"), ("user", ("a", "1")), ("user", ("b", "2"))]
    t.connect("pub").publish(t.topic("x"), "kept", qos=1, retain=True, props=props)
    got = t.subscriber(t.topic("x")).take(payload="kept", retain=True)
    t.equal(sorted(got.props, key=str), sorted(props, key=str))


def test_no_retained_messages_for_shared_subscriptions(t):
    publisher, client = t.connect("pub"), t.connect("sub")
    publisher.publish(t.topic("x"), "kept", qos=1, retain=True)
    client.subscribe(f"$share/g/{t.topic('x')}", qos=1)
    t.quiet(client)


@slow
@covers("MQTT5-3.3.2-5", "MQTT5-3.3.2-6")
def test_retained_message_expires(t):
    publisher = t.connect("pub")
    publisher.publish(t.topic("x"), "short", qos=1, retain=True, props={"message_expiry": 1})
    publisher.publish(t.topic("y"), "long", qos=1, retain=True, props={"message_expiry": 100})
    client = t.subscriber(t.topic("x"), qos=1)
    client.take(payload="short", prop_message_expiry={0, 1})
    client.expect_silence(2300)
    t.quiet(t.subscriber(t.topic("x"), suffix="late", qos=1))
    late = t.subscriber(t.topic("y"), suffix="late2", qos=1)
    late.take(payload="long", retain=True, prop_message_expiry=range(96, 99))


def test_retained_message_with_expiry_reaches_old_clients(t):
    t.connect("pub").publish(t.topic("x"), "m", retain=True, qos=1, props={"message_expiry": 100})
    t.subscriber(t.topic("x"), suffix="s4", version=4).take(payload="m", retain=True)


@versions(4, 5)
@cases([("0", 0), ("1", 1), ("2", 2)])
def test_wildcard_over_2000_retained_topics(t, qos):
    """All of them, none twice, at the pace of the receiver: no cap and no limit of a queue."""
    publisher, base = t.connect("pub"), t.topic()
    for start in range(0, 2000, 100):
        publisher.send(b"".join(
            publish(f"{base}/{n % 7}/{n}", f"{n}", retain=True, qos=0, version=t.version)
            for n in range(start, start + 100)))
    publisher.ping()
    client = t.connect("sub")
    client.send(subscribe(1, [(f"{base}/+/#", qos)], version=t.version))
    client.wait(SUBACK, packet_id=1)
    got = client.take_all(2000)
    t.equal(sorted(int(p.payload) for p in got), list(range(2000)))
    t.true(all(p.retain for p in got), "RETAIN must be 1")
    t.quiet(client)


@slow
@cases([("1", 1), ("2", 2)])
def test_wildcard_over_2000_retained_topics_at_qos(t, qos):
    """Paced by a receive maximum of 5: the harness checks that it is kept."""
    publisher, base = t.connect("pub"), t.topic()
    for start in range(0, 2000, 20):
        publisher.send(b"".join(
            publish(f"{base}/{n}", f"{n}", retain=True, qos=1, packet_id=n + 1)
            for n in range(start, start + 20)))
        for _ in range(20):
            publisher.expect(4)
    client = t.connect("sub", props={"receive_maximum": 5})
    client.subscribe(f"{base}/#", qos=qos)
    client.ping()
    got = client.take_all(2000)
    t.equal(sorted(int(p.payload) for p in got), list(range(2000)))
    t.quiet(client)


@versions(4, 5)
def test_new_messages_are_not_lost_while_retained_ones_are_sent(t):
    publisher, base = t.connect("pub"), t.topic()
    publisher.send(b"".join(publish(f"{base}/{n}", f"old {n}", retain=True, version=t.version)
                            for n in range(500)))
    publisher.ping()
    client = t.connect("sub")
    client.send(subscribe(1, [(f"{base}/#", 1)], version=t.version))
    publisher.send(b"".join(publish(f"{base}/{n}", f"new {n}", retain=True, version=t.version)
                            for n in range(500)))
    client.wait(SUBACK)
    last = {}
    while len(last) < 500 or any(not text.startswith(b"new") for text in last.values()):
        got = client.expect(PUBLISH)
        client.answer(got)
        last[got.topic] = got.payload
    t.equal(len(last), 500)


def test_unsubscribe_while_retained_messages_are_paced(t):
    publisher, base = t.connect("pub"), t.topic()
    publisher.send(b"".join(publish(f"{base}/{n}", b"m", retain=True) for n in range(300)))
    publisher.ping()
    client = t.connect("sub", props={"receive_maximum": 2})
    client.subscribe(f"{base}/#", qos=1)
    client.unsubscribe(f"{base}/#")
    client.ping()
    client.close()
    t.connect("sub").ping()


@versions(4, 5)
def test_two_filters_in_one_subscribe_send_retained_for_each(t):
    publisher, client = t.connect("pub"), t.connect("sub")
    publisher.publish(t.topic("x"), "kept", qos=1, retain=True)
    client.subscribe((t.topic("x"), 0), (t.topic("+"), 1))
    got = client.take_all(2)
    t.equal(sorted(p.qos for p in got), [0, 1])
    t.quiet(client)


def test_large_retained_message(t):
    payload = bytes(range(256)) * 3000
    publisher = t.connect("pub")
    publisher.publish(t.topic("x"), payload, qos=1, retain=True)
    t.subscriber(t.topic("x"), qos=1).take(payload=payload, retain=True)
    publisher.publish(t.topic("x"), b"", qos=1, retain=True)


@covers("MQTT5-3.8.4-8")
def test_negative_or_late_acknowledgement_of_retained(t):
    t.connect("pub").publish(t.topic("x"), "kept", qos=2, retain=True)
    client = t.connect("sub")
    client.subscribe(t.topic("x"), qos=1)
    got = client.expect(PUBLISH, payload="kept", qos=1, retain=True)
    client.send(ack(4, got.packet_id, 0x80))
    t.quiet(client)
