"""SUBSCRIBE, UNSUBSCRIBE and their answers: sections 3.8 to 3.11; overlapping subscriptions."""

from harness import cases, covers, versions
from mqtt_wire import (PUBACK, PUBLISH, SUBACK, UNSUBACK, PUBREC, PUBREL, PUBCOMP, ack, disconnect,
                       publish, subscribe, unsubscribe)

NO_LOCAL, AS_PUBLISHED = 4, 8


@versions(3, 4, 5)
@covers("MQTT311-2.3.1-7", "MQTT311-3.8.4-2", "MQTT311-3.8.4-5", "MQTT311-3.9.3-2",
        "MQTT5-2.2.1-6", "MQTT5-3.8.4-1", "MQTT5-3.8.4-2", "MQTT5-3.8.4-6", "MQTT5-3.8.4-7",
        "MQTT5-3.9.3-2")
def test_MQTT311_3_8_4_1_subscribe_is_acknowledged(t):
    client = t.connect("a")
    for packet_id in (1, 7, 0x1234, 0xFFFF):
        client.send(subscribe(packet_id, [(t.topic("x"), 1)], version=t.version))
        client.expect(SUBACK, packet_id=packet_id, reasons=[1])


def test_MQTT311_3_8_4_1_suback_bytes(t):
    client = t.connect("a")
    client.send(subscribe(0x0102, [(t.topic("x"), 0), (t.topic("y"), 2)], version=4))
    client.expect_bytes("90 04 01 02 00 02")
    client.send(unsubscribe(0x0304, [t.topic("x")], version=4))
    client.expect_bytes("b0 02 03 04")


@versions(3, 4, 5)
@covers("MQTT311-3.8.4-4", "MQTT5-3.8.4-5", "MQTT5-3.9.3-1")
def test_MQTT311_3_9_3_1_answers_are_in_the_order_of_the_filters(t):
    client, publisher = t.connect("a"), t.connect("pub")
    qos = [t.random.randrange(3) for _ in range(50)]
    filters = [(t.topic(f"f{n}"), q) for n, q in enumerate(qos)]
    client.send(subscribe(3, filters, version=t.version))
    client.expect(SUBACK, packet_id=3, reasons=qos)
    for number in (0, 17, 49):
        publisher.publish(t.topic(f"f{number}"), "m", qos=2)
        client.take(t.topic(f"f{number}"), qos=qos[number])


@covers("MQTT5-3.9.3-1")
def test_MQTT5_3_9_3_1_a_filter_that_fails_does_not_hinder_the_others(t):
    client = t.connect("a")
    client.send(subscribe(3, [(t.topic("x"), 1), (t.topic("#/y"), 1), (t.topic("z"), 2)]))
    got = client.recv()
    if got.type == 14:  # an ill-formed filter may also end the connection
        t.true(got.reason in (0x81, 0x82, 0x8F), f"unexpected {got}")
        return
    t.equal(got.reasons, [1, 0x8F, 2])


@versions(4, 5)
@covers("MQTT311-3.8.4-3", "MQTT5-3.8.4-3")
def test_MQTT5_3_8_4_3_same_filter_replaces_the_subscription(t):
    client, publisher = t.subscriber(t.topic("x"), qos=2), t.connect("pub")
    for qos in (0, 1, 2, 0):
        client.subscribe(t.topic("x"), qos=qos)
        publisher.publish(t.topic("x"), "m", qos=2)
        client.take(t.topic("x"), "m", qos=qos)
    t.quiet(client)
    client.unsubscribe(t.topic("x"))
    publisher.publish(t.topic("x"), "m", qos=2)
    t.quiet(client)


@covers("MQTT5-3.8.4-4")
def test_MQTT5_3_8_4_4_no_message_is_lost_while_replacing(t):
    client, publisher = t.subscriber(t.topic("x"), qos=1), t.connect("pub")
    for number in range(100):
        publisher.send(publish(t.topic("x"), f"{number}", qos=1, packet_id=number + 1))
        if number % 5 == 0:
            client.send(subscribe(9, [(t.topic("x"), 1)]))
    seen = []
    while len(seen) < 100:
        got = client.recv()
        if got.type == PUBLISH:
            seen.append(int(got.payload))
            client.send(ack(PUBACK, got.packet_id))
    t.equal(seen, list(range(100)))


@versions(4, 5)
@covers("MQTT311-3.3.5-1", "MQTT5-3.3.4-4", "MQTT5-3.3.4-2")
def test_MQTT5_3_3_4_2_overlapping_filters_highest_qos(t):
    """One copy at the highest QoS. (The standard would also allow one copy for each.)"""
    base = t.topic()
    client = t.subscriber((f"{base}/+/c", 0), (f"{base}/b/#", 2), (f"{base}/b/c", 1))
    publisher = t.connect("pub")
    for qos in range(3):
        publisher.publish(f"{base}/b/c", "m", qos=qos)
        client.take(f"{base}/b/c", "m", qos=qos)
    t.quiet(client)


@covers("MQTT5-3.3.4-4", "MQTT5-3.3.4-5")
def test_MQTT5_3_3_4_3_all_identifiers_of_overlapping_filters(t):
    base, client = t.topic(), t.connect("a")
    client.subscribe(f"{base}/+/c", qos=1, props={"subscription_id": 1})
    client.subscribe(f"{base}/b/#", qos=1, props={"subscription_id": 268435455})
    client.subscribe(f"{base}/b/c", qos=1, props={"subscription_id": 128})
    client.subscribe(f"{base}/#", qos=1)
    client.subscribe(f"{base}/other", qos=1, props={"subscription_id": 5})
    publisher = t.connect("pub")
    publisher.publish(f"{base}/b/c", "m", qos=1)
    got = client.take(f"{base}/b/c", "m")
    t.equal(sorted(got.all("subscription_id")), [1, 128, 268435455])
    publisher.publish(f"{base}/z", "m", qos=1)
    t.equal(client.take(f"{base}/z").all("subscription_id"), [])
    t.quiet(client)


def test_identifier_of_a_replaced_subscription_is_forgotten(t):
    client, publisher = t.connect("a"), t.connect("pub")
    for props in ({"subscription_id": 1}, {"subscription_id": 2}, None, {"subscription_id": 3}):
        client.subscribe(t.topic("x"), props=props)
        publisher.publish(t.topic("x"), "m")
        want = [props["subscription_id"]] if props else []
        t.equal(client.take(t.topic("x")).all("subscription_id"), want)


def test_one_identifier_for_many_filters(t):
    client, publisher = t.connect("a"), t.connect("pub")
    client.subscribe(t.topic("x"), t.topic("y"), props={"subscription_id": 7})
    for name in "xy":
        publisher.publish(t.topic(name), "m")
        t.equal(client.take(t.topic(name)).all("subscription_id"), [7])


@covers("MQTT5-3.8.3-3")
def test_MQTT5_3_8_3_3_no_local(t):
    client, other = t.subscriber((t.topic("x"), NO_LOCAL | 2)), t.connect("other")
    client.publish(t.topic("x"), "own", qos=1)
    client.publish(t.topic("x"), "own", qos=0)
    t.quiet(client)
    other.publish(t.topic("x"), "foreign", qos=1)
    client.take(t.topic("x"), "foreign", qos=1)


@covers("MQTT5-3.8.3-3")
def test_MQTT5_3_8_3_3_no_local_holds_for_wills_too(t):
    will = {"topic": t.topic("x"), "payload": "own", "qos": 1}
    client = t.persistent("w", will=will)
    client.subscribe((t.topic("x"), NO_LOCAL | 2))
    other = t.subscriber(t.topic("x"))
    client.send(disconnect(0x04)).expect_close()
    other.take(t.topic("x"), "own")
    again = t.persistent("w")
    t.equal(again.connack.session_present, True)
    t.quiet(again)


@covers("MQTT5-3.8.3-3")
def test_MQTT5_3_8_3_3_no_local_holds_for_retained_messages_too(t):
    client, other = t.connect("a"), t.connect("other")
    client.publish(t.topic("own"), "own", qos=1, retain=True)
    other.publish(t.topic("foreign"), "foreign", qos=1, retain=True)
    client.subscribe((t.topic("+"), NO_LOCAL | 2))
    client.take(t.topic("foreign"), "foreign")
    t.quiet(client)
    for name in ("own", "foreign"):
        other.publish(t.topic(name), "", qos=1, retain=True)


def test_no_local_of_one_filter_does_not_silence_another(t):
    client = t.connect("a")
    client.subscribe((t.topic("x"), NO_LOCAL | 2), props={"subscription_id": 1})
    client.subscribe((t.topic("+"), 1), props={"subscription_id": 2})
    client.publish(t.topic("x"), "own", qos=2)
    got = client.take(t.topic("x"), "own", qos=1)
    t.equal(got.all("subscription_id"), [2])
    t.quiet(client)


@versions(4, 5)
@covers("MQTT311-3.10.4-1", "MQTT311-3.10.4-2", "MQTT311-3.10.4-4", "MQTT5-3.10.4-2",
        "MQTT5-3.10.4-4", "MQTT5-3.10.4-5", "MQTT5-2.2.1-6", "MQTT311-2.3.1-7")
def test_MQTT5_3_10_4_1_unsubscribe_ends_exactly_that_filter(t):
    base = t.topic()
    client, publisher = t.subscriber(f"{base}/a", f"{base}/+"), t.connect("pub")
    client.send(unsubscribe(0x4321, [f"{base}/a"], version=t.version))
    got = client.expect(UNSUBACK, packet_id=0x4321)
    t.equal(got.reasons, [0] if t.version == 5 else [])
    publisher.publish(f"{base}/a", "1")
    client.take(f"{base}/a", "1")
    client.unsubscribe(f"{base}/+", reasons=[0])
    publisher.publish(f"{base}/a", "2", qos=1)
    t.quiet(client)


@versions(4, 5)
@covers("MQTT311-3.10.4-5", "MQTT5-3.10.4-5", "MQTT5-3.11.3-2")
def test_MQTT311_3_10_4_5_unsubscribe_of_an_unknown_filter(t):
    base = t.topic()
    client, publisher = t.subscriber(f"{base}/a/+"), t.connect("pub")
    for text in (f"{base}/a/b", f"{base}/#", f"{base}/a/+/", f"{base.upper()}/a/+"):
        client.unsubscribe(text, reasons=[0x11])
    publisher.publish(f"{base}/a/b", "still")
    client.take(f"{base}/a/b", "still")


@versions(4, 5)
@covers("MQTT311-3.10.4-6", "MQTT5-3.10.4-6")
def test_MQTT5_3_11_3_1_unsubscribe_of_many(t):
    client = t.subscriber(t.topic("a"), t.topic("b"), t.topic("c"))
    client.unsubscribe(t.topic("a"), t.topic("x"), t.topic("c"), t.topic("a"),
                       reasons=[0, 0x11, 0, 0x11])
    publisher = t.connect("pub")
    for name in "acb":
        publisher.publish(t.topic(name), name)
    client.take(t.topic("b"), "b")
    t.quiet(client)


@versions(4, 5)
@covers("MQTT311-3.10.4-3")
def test_MQTT5_3_10_4_3_deliveries_begun_are_completed_after_unsubscribe(t):
    client, publisher = t.subscriber(t.topic("x"), qos=2), t.connect("pub")
    publisher.publish(t.topic("x"), "two", qos=2)
    two = client.expect(PUBLISH, payload="two", qos=2)
    publisher.publish(t.topic("x"), "one", qos=1)
    one = client.expect(PUBLISH, payload="one", qos=1)
    client.unsubscribe(t.topic("x"))
    publisher.publish(t.topic("x"), "late", qos=2)
    client.send(ack(PUBREC, two.packet_id))
    client.expect(PUBREL, packet_id=two.packet_id)
    client.send(ack(PUBCOMP, two.packet_id) + ack(PUBACK, one.packet_id))
    t.quiet(client)


@versions(4, 5)
def test_duplicate_filters_in_one_packet(t):
    """As if they came in several packets: the last one holds, each has its answer."""
    client, publisher = t.connect("a"), t.connect("pub")
    client.subscribe((t.topic("x"), 0), (t.topic("x"), 2), (t.topic("x"), 1))
    publisher.publish(t.topic("x"), "m", qos=2)
    client.take(t.topic("x"), "m", qos=1)
    t.quiet(client)


@versions(4, 5)
def test_many_filters_in_one_packet(t):
    client, publisher = t.connect("a"), t.connect("pub")
    client.subscribe(*[t.topic(f"f{n}/+/x") for n in range(500)], qos=1)
    for number in (0, 250, 499):
        publisher.publish(t.topic(f"f{number}/q/x"), "m", qos=1)
        client.take(t.topic(f"f{number}/q/x"), "m")
    client.unsubscribe(*[t.topic(f"f{n}/+/x") for n in range(500)], reasons=[0] * 500)
    publisher.publish(t.topic("f0/q/x"), "m", qos=1)
    t.quiet(client)


def test_user_properties_in_subscribe_and_unsubscribe_are_accepted(t):
    client = t.connect("a")
    props = [("user", ("a", "b")), ("subscription_id", 3), ("user", ("a", "b"))]
    client.subscribe(t.topic("x"), props=props)
    client.send(unsubscribe(9, [t.topic("x")], props=[("user", ("a", "b")), ("user", ("", ""))]))
    client.expect(UNSUBACK, packet_id=9, reasons=[0])


@versions(4, 5)
def test_suback_comes_before_retained_and_new_messages_are_whole(t):
    """A subscriber that publishes right behind its SUBSCRIBE gets that message."""
    client = t.connect("a")
    client.send(subscribe(1, [(t.topic("x"), 0)], version=t.version)
                + publish(t.topic("x"), "behind", version=t.version))
    client.wait(SUBACK, packet_id=1)
    client.take(t.topic("x"), "behind")


@versions(4, 5)
@cases([("0", 0), ("1", 1), ("2", 2)])
def test_subscribers_of_different_qos(t, qos):
    subscribers = [t.subscriber(t.topic("x"), suffix=f"s{q}", qos=q) for q in range(3)]
    t.connect("pub").publish(t.topic("x"), "m", qos=qos)
    for granted, subscriber in enumerate(subscribers):
        subscriber.take(t.topic("x"), "m", qos=min(qos, granted))


@versions(4, 5)
def test_fan_out_to_fifty(t):
    subscribers = [t.subscriber(t.topic("#"), suffix=f"s{n}", qos=n % 3) for n in range(50)]
    publisher = t.connect("pub")
    for qos in range(3):
        publisher.publish(t.topic("x"), f"{qos}", qos=qos)
    for number, subscriber in enumerate(subscribers):
        for qos in range(3):
            subscriber.take(t.topic("x"), f"{qos}", qos=min(qos, number % 3))
