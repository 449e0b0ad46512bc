"""PUBLISH and its handshakes: sections 3.3 to 3.7 and 4.3 to 4.6."""

from harness import cases, covers, only, versions
from mqtt_wire import (PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, ack, publish)


@versions(3, 4, 5)
@covers("MQTT311-3.3.2-3", "MQTT311-3.3.4-1", "MQTT311-4.5.0-1", "MQTT5-3.3.2-3", "MQTT5-4.5.0-1",
        "MQTT311-2.3.1-5", "MQTT5-2.2.1-2")
def test_MQTT5_3_3_4_1_qos_0(t):
    subscriber, publisher = t.subscriber(t.topic("x")), t.connect("pub")
    publisher.publish(t.topic("x"), "hello")
    got = subscriber.take(t.topic("x"), "hello", qos=0, dup=False, retain=False, packet_id=None)
    t.equal(got.props, [])
    t.quiet(publisher, subscriber)


def test_MQTT311_3_3_4_1_qos_0_bytes(t):
    subscriber = t.socket()
    subscriber.connect(t.id("sub"), clean=True)
    topic = t.topic("x")
    subscriber.subscribe(topic)
    t.connect("pub").publish(topic, b"\x00\xff")
    length = 2 + len(topic) + 2
    subscriber.expect_bytes(bytes([0x30, length, 0, len(topic)]) + topic.encode() + b"\x00\xff")


@versions(3, 4, 5)
@covers("MQTT311-2.3.1-6", "MQTT311-4.3.2-1", "MQTT311-4.3.2-2", "MQTT5-2.2.1-5", "MQTT5-4.3.2-4",
        "MQTT5-3.4.2-1", "MQTT311-3.3.4-1")
def test_MQTT5_4_3_2_4_qos_1_is_acknowledged(t):
    subscriber, publisher = t.subscriber(t.topic("x"), qos=1), t.connect("pub")
    publisher.send(publish(t.topic("x"), "hello", qos=1, packet_id=0x1234, version=t.version))
    publisher.expect(PUBACK, packet_id=0x1234, reason=0)
    subscriber.take(t.topic("x"), "hello", qos=1, dup=False, packet_id=lambda n: n > 0)
    t.quiet(publisher, subscriber)


@versions(4)
def test_MQTT311_2_3_1_6_puback_bytes(t):
    publisher = t.connect("pub")
    publisher.send(publish(t.topic("x"), "hello", qos=1, packet_id=0xFFFF, version=4))
    publisher.expect_bytes("40 02 ff ff")
    publisher.send(publish(t.topic("x"), "hello", qos=2, packet_id=0xFFFF, version=4))
    publisher.expect_bytes("50 02 ff ff")
    publisher.send("62 02 ff ff").expect_bytes("70 02 ff ff")


@versions(3, 4, 5)
@covers("MQTT311-2.3.1-6", "MQTT311-4.3.3-1", "MQTT311-4.3.3-2", "MQTT5-4.3.3-4", "MQTT5-4.3.3-8",
        "MQTT5-4.3.3-11", "MQTT5-3.5.2-1", "MQTT5-3.6.2-1", "MQTT5-3.7.2-1", "MQTT5-2.2.1-5")
def test_MQTT5_4_3_3_11_qos_2_both_ways(t):
    subscriber, publisher = t.subscriber(t.topic("x"), qos=2), t.connect("pub")
    publisher.send(publish(t.topic("x"), "hello", qos=2, packet_id=9, version=t.version))
    publisher.expect(PUBREC, packet_id=9, reason=0)
    publisher.send(ack(PUBREL, 9))
    publisher.expect(PUBCOMP, packet_id=9, reason=0)
    got = subscriber.expect(PUBLISH, topic=t.topic("x"), payload="hello", qos=2, dup=False)
    subscriber.send(ack(PUBREC, got.packet_id))
    subscriber.expect(PUBREL, packet_id=got.packet_id, reason=0)
    subscriber.send(ack(PUBCOMP, got.packet_id))
    t.quiet(publisher, subscriber)


@versions(3, 4, 5)
@cases([(f"{sent}-{granted}", sent, granted) for sent in range(3) for granted in range(3)])
@covers("MQTT311-3.8.4-6", "MQTT5-3.8.4-8")
def test_MQTT5_3_8_4_8_qos_is_the_lower_of_both(t, sent, granted):
    subscriber = t.subscriber(t.topic("x"), qos=granted)
    t.connect("pub").publish(t.topic("x"), "m", qos=sent)
    subscriber.take(t.topic("x"), "m", qos=min(sent, granted), dup=False)
    t.quiet(subscriber)


@versions(4, 5)
@covers("MQTT311-4.3.2-2")
def test_MQTT5_4_3_2_5_same_packet_id_after_puback_is_a_new_message(t):
    subscriber, publisher = t.subscriber(t.topic("x"), qos=1), t.connect("pub")
    for number, dup in enumerate((False, True, True, False)):
        publisher.send(publish(t.topic("x"), f"{number}", qos=1, packet_id=5, dup=dup,
                               version=t.version))
        publisher.expect(PUBACK, packet_id=5)
        subscriber.take(payload=f"{number}", qos=1, dup=False)


@versions(4, 5)
@covers("MQTT311-4.3.3-2")
def test_MQTT5_4_3_3_10_same_packet_id_before_pubrel_is_a_duplicate(t):
    subscriber, publisher = t.subscriber(t.topic("x"), qos=2), t.connect("pub")
    for dup in (False, True, True):
        publisher.send(publish(t.topic("x"), "once", qos=2, packet_id=5, dup=dup,
                               version=t.version))
        # MQTT 5 also allows 0x91 (packet identifier in use) where the first is still open
        publisher.expect(PUBREC, packet_id=5, reason={0x00, 0x10, 0x91})
    publisher.send(ack(PUBREL, 5))
    publisher.expect(PUBCOMP, packet_id=5, reason=0)
    subscriber.take(payload="once", qos=2)
    t.quiet(subscriber)


@versions(4, 5)
@covers("MQTT311-4.3.3-2", "MQTT5-4.3.3-12")
def test_MQTT5_4_3_3_12_same_packet_id_after_pubcomp_is_a_new_message(t):
    subscriber, publisher = t.subscriber(t.topic("x"), qos=2), t.connect("pub")
    for number in range(3):
        publisher.send(publish(t.topic("x"), f"{number}", qos=2, packet_id=5, version=t.version))
        publisher.expect(PUBREC, packet_id=5)
        publisher.send(ack(PUBREL, 5))
        publisher.expect(PUBCOMP, packet_id=5)
        subscriber.take(payload=f"{number}", qos=2)


@versions(4, 5)
@covers("MQTT311-4.3.3-2")
def test_qos_2_is_delivered_once_when_publish_comes_again_after_delivery(t):
    """Onward delivery may begin with PUBLISH or with PUBREL; either way there is one."""
    subscriber, publisher = t.subscriber(t.topic("x"), qos=0), t.connect("pub")
    data = publish(t.topic("x"), "once", qos=2, packet_id=7, version=t.version)
    publisher.send(data)
    publisher.expect(PUBREC, packet_id=7)
    publisher.ping()
    publisher.send(data)
    publisher.expect(PUBREC, packet_id=7, reason={0x00, 0x10, 0x91})
    publisher.send(ack(PUBREL, 7))
    publisher.expect(PUBCOMP, packet_id=7)
    subscriber.take(payload="once")
    t.quiet(subscriber)


@versions(4, 5)
@covers("MQTT311-3.3.1-3")
def test_MQTT5_3_3_1_3_dup_is_not_propagated(t):
    subscriber, publisher = t.subscriber(t.topic("x"), qos=2), t.connect("pub")
    publisher.send(publish(t.topic("x"), "a", qos=1, packet_id=1, dup=True, version=t.version))
    publisher.expect(PUBACK, packet_id=1)
    subscriber.take(payload="a", dup=False)
    publisher.publish(t.topic("x"), "b", qos=2, dup=True)
    subscriber.take(payload="b", dup=False)


@versions(4, 5)
@covers("MQTT311-3.3.1-2")
def test_MQTT5_3_3_1_2_dup_with_qos_0_is_malformed(t):
    client = t.connect("a")
    client.send(publish(t.topic("x"), "a", qos=0, dup=True, version=t.version))
    client.expect_error({0x81, 0x82})


@covers("MQTT5-4.3.3-11")
def test_pubrel_for_an_unknown_packet_id_in_5(t):
    """0x92 says that the identifier was not found; the connection goes on."""
    client = t.connect("a")
    client.send(ack(PUBREL, 77))
    client.expect(PUBCOMP, packet_id=77, reason={0x92, 0x00})
    client.ping()


def test_MQTT311_4_3_3_2_pubrel_for_an_unknown_packet_id(t):
    client = t.connect("a")
    client.send(ack(PUBREL, 77))
    client.expect(PUBCOMP, packet_id=77)
    client.ping()


def test_pubrec_for_an_unknown_packet_id_in_5(t):
    client = t.connect("a")
    client.send(ack(PUBREC, 77))
    client.expect(PUBREL, packet_id=77, reason=0x92)
    client.ping()


@versions(4, 5)
def test_unknown_puback_and_pubcomp_do_no_harm(t):
    """The standard gives no rule: the connection goes on or ends in order; the broker lives."""
    client = t.connect("a")
    client.send(ack(PUBACK, 77) + ack(PUBCOMP, 78) + ack(PUBACK, 65535))
    client.send("c0 00")
    got = client.recv()
    t.true(got.type in (13, 14), f"expected PINGRESP or DISCONNECT, got {got}")


@versions(4, 5)
def test_wrong_kind_of_acknowledgement_does_no_harm(t):
    """PUBACK for a QoS 2 message, PUBREC for QoS 1: not a state that the standard describes."""
    client, publisher = t.subscriber(t.topic("x"), qos=2), t.connect("pub")
    publisher.publish(t.topic("x"), "two", qos=2)
    first = client.expect(PUBLISH, payload="two", qos=2)
    client.sock.send(ack(PUBACK, first.packet_id))
    publisher.publish(t.topic("x"), "one", qos=1)
    client.sock.send(ack(PUBREC, first.packet_id) * 3 + ack(PUBCOMP, first.packet_id))
    publisher.ping()


@versions(3, 4, 5)
@cases([("0", 0), ("1", 1), ("2", 2)])
@covers("MQTT311-4.6.0-5", "MQTT311-4.6.0-6", "MQTT5-4.6.0-6")
def test_MQTT5_4_6_0_5_messages_stay_in_order(t, qos):
    subscriber, publisher = t.subscriber(t.topic("x"), qos=qos), t.connect("pub")
    batch = b"".join(publish(t.topic("x"), f"{n}", qos=qos, packet_id=n + 1 if qos else None,
                             version=t.version) for n in range(20))
    for repeat in range(5):
        publisher.send(batch)
        for number in range(20 if qos else 0):
            publisher.expect(PUBACK if qos == 1 else PUBREC, packet_id=number + 1)
        if qos == 2:
            publisher.send(b"".join(ack(PUBREL, n + 1) for n in range(20)))
            for number in range(20):
                publisher.expect(PUBCOMP, packet_id=number + 1)
        got = subscriber.take_all(20)
        t.equal([int(p.payload) for p in got], list(range(20)), "order")


@versions(4, 5)
def test_acknowledgements_come_in_the_order_of_publishing(t):
    publisher, ids = t.connect("pub"), [5, 3, 900, 1, 65535, 2]
    publisher.send(b"".join(publish(t.topic("x"), qos=1, packet_id=n, version=t.version)
                            for n in ids))
    for packet_id in ids:
        publisher.expect(PUBACK, packet_id=packet_id)
    publisher.send(b"".join(publish(t.topic("x"), qos=2, packet_id=n, version=t.version)
                            for n in ids))
    for packet_id in ids:
        publisher.expect(PUBREC, packet_id=packet_id)
    publisher.send(b"".join(ack(PUBREL, n) for n in ids))
    for packet_id in ids:
        publisher.expect(PUBCOMP, packet_id=packet_id)


@versions(4, 5)
@cases([("one", 1), ("127", 127), ("128", 128), ("16383", 16383), ("16384", 16384),
        ("1000000", 1000000)])
def test_payloads_around_the_borders_of_remaining_length(t, size):
    subscriber, publisher = t.subscriber(t.topic("x"), qos=1), t.connect("pub")
    payload = bytes(n % 251 for n in range(size))
    for length in {size - 1, size}:
        publisher.publish(t.topic("x"), payload[:length], qos=1)
        subscriber.take(t.topic("x"), payload[:length])


@versions(3, 4, 5)
def test_empty_payload_is_a_message(t):
    subscriber, publisher = t.subscriber(t.topic("x"), qos=2), t.connect("pub")
    for qos in range(3):
        publisher.publish(t.topic("x"), b"", qos=qos)
        subscriber.take(t.topic("x"), b"", qos=qos)


@only("sluiced")
@cases([("1", 1, PUBACK), ("2", 2, PUBREC)])
def test_no_matching_subscribers_is_told_in_5(t, qos, kind):
    """The server may say 0x10; ours does, as users of MQTT 5 expect."""
    client = t.connect("a")
    client.send(publish(t.topic("nobody"), "x", qos=qos, packet_id=3))
    client.expect(kind, packet_id=3, reason=0x10)
    if qos == 2:
        client.send(ack(PUBREL, 3))
        client.expect(PUBCOMP, packet_id=3, reason=0)


def test_no_matching_subscribers_is_not_told_when_there_are_some(t):
    subscriber, publisher = t.subscriber(t.topic("+"), qos=0), t.connect("pub")
    for qos in (1, 2):
        publisher.publish(t.topic("x"), "m", qos=qos, reason=0)
        subscriber.take(t.topic("x"))


@versions(3, 4, 5)
def test_a_client_receives_its_own_messages(t):
    client = t.subscriber(t.topic("x"), qos=2)
    for qos in range(3):
        client.publish(t.topic("x"), f"{qos}", qos=qos)
        client.take(t.topic("x"), f"{qos}", qos=qos)


@covers("MQTT5-4.3.3-9")
def test_MQTT5_4_3_3_9_negative_pubrec_ends_the_exchange(t):
    """Towards a subscriber: after its PUBREC with 0x80 or above there is no PUBREL."""
    subscriber, publisher = t.subscriber(t.topic("x"), qos=2), t.connect("pub")
    publisher.publish(t.topic("x"), "a", qos=2)
    got = subscriber.expect(PUBLISH, payload="a", qos=2)
    subscriber.send(ack(PUBREC, got.packet_id, 0x83))
    t.quiet(subscriber)
    publisher.publish(t.topic("x"), "b", qos=2)
    subscriber.take(payload="b", qos=2)


@covers("MQTT5-4.4.0-2")
def test_negative_puback_frees_the_window(t):
    subscriber = t.connect("sub", props={"receive_maximum": 1})
    subscriber.subscribe(t.topic("x"), qos=1)
    publisher = t.connect("pub")
    for text in "abc":
        publisher.publish(t.topic("x"), text, qos=1)
    for text in "abc":
        got = subscriber.expect(PUBLISH, payload=text)
        subscriber.send(ack(PUBACK, got.packet_id, 0x97))
    t.quiet(subscriber)


@covers("MQTT5-4.4.0-1")
def test_MQTT5_4_4_0_1_nothing_is_sent_again_within_a_connection(t):
    subscriber = t.subscriber(t.topic("x"), qos=2)
    t.connect("pub").publish(t.topic("x"), "once", qos=2)
    subscriber.expect(PUBLISH, payload="once", dup=False)
    t.quiet(subscriber)


def test_long_acknowledgements_of_5_are_understood(t):
    """With reason and with properties, or with a reason alone [MQTT 5, 3.4.2.1]."""
    subscriber, publisher = t.subscriber(t.topic("x"), qos=2), t.connect("pub")
    endings = [(None, None), (0, None), (0, {}),
               (0, [("reason_string", "ok"), ("user", ("a", "b")), ("user", ("a", "b"))])]
    for reason, props in endings:
        publisher.publish(t.topic("x"), "one", qos=1)
        got = subscriber.expect(PUBLISH, qos=1)
        subscriber.send(ack(PUBACK, got.packet_id, reason, props))
        publisher.send(publish(t.topic("x"), "two", qos=2, packet_id=500))
        publisher.expect(PUBREC, packet_id=500)
        publisher.send(ack(PUBREL, 500, reason, props))
        publisher.expect(PUBCOMP, packet_id=500, reason=0)
        got = subscriber.expect(PUBLISH, qos=2)
        subscriber.send(ack(PUBREC, got.packet_id, reason, props))
        subscriber.expect(PUBREL, packet_id=got.packet_id)
        subscriber.send(ack(PUBCOMP, got.packet_id, reason, props))
    t.quiet(subscriber)


@versions(3, 4, 5)
def test_clients_of_all_versions_understand_one_another(t):
    subscribers = [t.subscriber((t.topic("x"), 2), suffix=f"s{v}", version=v) for v in (3, 4, 5)]
    publisher = t.connect("pub")
    for qos in range(3):
        publisher.publish(t.topic("x"), f"{qos}", qos=qos)
        for subscriber in subscribers:
            subscriber.take(t.topic("x"), f"{qos}", qos=qos)
