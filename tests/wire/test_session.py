"""Session state: creation, resumption, expiry, take-over, queued messages, retransmission."""

from harness import cases, covers, options, slow, versions
from mqtt_wire import (CONNACK, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, ack, connect, publish,
                       subscribe)

ENDLESS = 0xFFFFFFFF


@versions(4, 5)
@covers("MQTT311-3.1.2-4", "MQTT311-3.2.2-2", "MQTT311-3.2.2-3", "MQTT311-3.1.4-3",
        "MQTT5-3.1.2-6", "MQTT5-3.2.2-3", "MQTT5-3.1.4-4", "MQTT5-3.1.3-2", "MQTT5-3.1.2-23",
        "MQTT311-4.1.0-1")
def test_MQTT5_3_1_2_5_session_is_resumed(t):
    client = t.persistent("a")
    t.equal(client.connack.session_present, False, "first connection")
    client.subscribe(t.topic("x"), qos=1)
    client.disconnect()
    client = t.persistent("a")
    t.equal(client.connack.session_present, True, "second connection")
    t.connect("pub").publish(t.topic("x"), "m", qos=1)
    client.take(t.topic("x"), "m", qos=1)


@versions(3)
def test_mqtt31_session_is_resumed(t):
    t.persistent("a").subscribe(t.topic("x"), qos=1)
    t.connect("pub").publish(t.topic("x"), "m", qos=1)
    t.persistent("a").take(t.topic("x"), "m", qos=1)


@versions(3, 4, 5)
@covers("MQTT311-3.1.2-6", "MQTT311-3.2.2-1", "MQTT5-3.2.2-2", "MQTT5-3.1.4-4")
def test_MQTT5_3_1_2_4_clean_start_discards_the_session(t):
    client = t.persistent("a")
    client.subscribe(t.topic("x"), qos=2)
    client.disconnect()
    publisher = t.connect("pub")
    publisher.publish(t.topic("x"), "queued", qos=1)
    t.settle()
    client = t.connect("a", clean=True)
    t.equal(client.connack.session_present, False)
    publisher.publish(t.topic("x"), "new", qos=1)
    t.quiet(client)
    client.disconnect()
    client = t.persistent("a")
    t.equal(client.connack.session_present, False, "after a clean session")
    t.quiet(client)


@versions(4, 5)
@covers("MQTT311-3.1.2-6", "MQTT311-3.1.2-4")
def test_MQTT311_3_1_2_6_clean_session_ends_with_the_connection(t):
    client = t.connect("a", clean=True)
    client.subscribe(t.topic("x"), qos=1)
    client.close()
    t.connect("pub").publish(t.topic("x"), "lost", qos=1)
    client = t.connect("a", clean=False)
    t.equal(client.connack.session_present, False)
    t.quiet(client)


@versions(3, 4, 5)
@covers("MQTT311-4.5.0-1", "MQTT5-4.5.0-1", "MQTT5-3.1.2-23", "MQTT311-4.6.0-6", "MQTT5-4.6.0-5")
def test_MQTT311_3_1_2_5_messages_are_queued_in_order(t):
    client = t.persistent("a")
    client.subscribe((t.topic("1"), 1), (t.topic("2"), 2))
    client.disconnect()
    publisher = t.connect("pub")
    for number in range(60):
        publisher.publish(t.topic(f"{number % 2 + 1}"), f"{number}", qos=2)
    client = t.persistent("a")
    got = client.take_all(60)
    t.equal([int(p.payload) for p in got], list(range(60)), "order")
    t.equal([p.qos for p in got], [1, 2] * 30, "QoS")
    t.true(not any(p.dup or p.retain for p in got), "DUP and RETAIN must be 0")
    t.quiet(client)


@versions(4, 5)
def test_qos_0_is_queued_too_unless_configured_otherwise(t):
    """The standard leaves it open; the default of the key mqueue_store_qos0 is true. mosquitto
    does not queue by default."""
    client = t.persistent("a")
    client.subscribe(t.topic("x"), qos=2)
    client.disconnect()
    publisher = t.connect("pub")
    publisher.publish(t.topic("x"), "zero", qos=0)
    publisher.publish(t.topic("x"), "one", qos=1)
    client = t.persistent("a")
    got = client.take()
    if got.payload == b"zero":
        t.equal(got.qos, 0)
        got = client.take()
    t.equal(got.payload, b"one")


@options(mqueue_store_qos0=False)
def test_qos_0_is_not_queued_when_switched_off(t):
    client = t.persistent("a")
    client.subscribe(t.topic("x"), qos=2)
    client.disconnect()
    t.broker.rest()  # no copy finds the connection that is ending
    publisher = t.connect("pub")
    publisher.publish(t.topic("x"), "zero", qos=0)
    publisher.publish(t.topic("x"), "one", qos=1)
    client = t.persistent("a")
    client.take(payload="one")
    t.quiet(client)


@options(max_mqueue_len=10)
@versions(4, 5)
def test_a_full_queue_drops_the_oldest(t):
    client = t.persistent("a")
    client.subscribe(t.topic("x"), qos=1)
    client.disconnect()
    publisher = t.connect("pub")
    for number in range(25):
        publisher.publish(t.topic("x"), f"{number}", qos=1)
    t.settle()
    client = t.persistent("a")
    got = client.take_all(10)
    t.equal([int(p.payload) for p in got], list(range(15, 25)))
    t.quiet(client)


@options(max_mqueue_len=1000)
def test_the_queue_holds_as_many_as_configured(t):
    client = t.persistent("a")
    client.subscribe(t.topic("x"), qos=1)
    client.disconnect()
    publisher = t.connect("pub")
    for start in range(0, 1000, 20):
        publisher.send(b"".join(publish(t.topic("x"), f"{n}", qos=1, packet_id=n + 1)
                                for n in range(start, start + 20)))
        for _ in range(20):
            publisher.expect(PUBACK)
    got = t.persistent("a").take_all(1000)
    t.equal([int(p.payload) for p in got], list(range(1000)))


@options(mqueue_priorities={"prio/high": 10, "prio/low": 1}, mqueue_default_priority="lowest")
def test_queue_priorities(t):
    client = t.persistent("a", props={"receive_maximum": 1})
    client.subscribe("prio/high", "prio/low", t.topic("x"), qos=1)
    client.disconnect()
    publisher = t.connect("pub")
    for topic in (t.topic("x"), "prio/low", "prio/high") * 3:
        publisher.publish(topic, "m", qos=1)
    t.settle()
    client = t.persistent("a", props={"receive_maximum": 1})
    got = [p.topic for p in client.take_all(9)]
    t.equal(got, ["prio/high"] * 3 + ["prio/low"] * 3 + [t.topic("x")] * 3)


# ---------------------------------------------------------------------------------------- expiry


@covers("MQTT5-3.1.2-23", "MQTT5-4.1.0-2")
def test_MQTT5_4_1_0_2_expiry_absent_or_0_ends_with_the_connection(t):
    for props in (None, {"session_expiry": 0}):
        client = t.connect("a", clean=False, props=props)
        t.equal(client.connack.session_present, False)
        client.subscribe(t.topic("x"), qos=1)
        client.disconnect()


@slow
def test_MQTT5_4_1_0_2_session_expires(t):
    client = t.persistent("a", expiry=1)
    client.subscribe(t.topic("x"), qos=1)
    client.close()
    client = t.persistent("a", expiry=1)
    t.equal(client.connack.session_present, True, "at once")
    client.expect_silence(1600)  # connected for longer than the expiry interval
    client.ping()
    client.close()
    client = t.persistent("a", expiry=1)
    t.equal(client.connack.session_present, True, "after a long connection")
    client.close()
    t.connect("wait").expect_silence(2200)
    t.equal(t.persistent("a", expiry=1).connack.session_present, False, "after 2.2 s")


@covers("MQTT5-4.1.0-1")
def test_MQTT5_4_1_0_1_session_lasts_as_long_as_the_connection(t):
    client = t.connect("a", props={"session_expiry": 0})
    client.subscribe(t.topic("x"), qos=1)
    client.expect_silence(200)
    t.connect("pub").publish(t.topic("x"), "m", qos=1)
    client.take(payload="m")


@versions(4)
@covers("MQTT311-4.1.0-2")
def test_MQTT311_4_1_0_2_session_lasts_as_long_as_the_connection(t):
    client = t.subscriber(t.topic("x"), qos=1)
    client.expect_silence(200)
    t.connect("pub").publish(t.topic("x"), "m", qos=1)
    client.take(payload="m")


def test_session_expiry_endless(t):
    t.persistent("a", expiry=ENDLESS).close()
    t.equal(t.persistent("a", expiry=0).connack.session_present, True)


def test_disconnect_may_set_expiry_to_0(t):
    client = t.persistent("a", expiry=100)
    client.disconnect(0, {"session_expiry": 0})
    t.equal(t.persistent("a").connack.session_present, False)


@slow
def test_disconnect_may_shorten_and_lengthen_the_expiry(t):
    t.persistent("a", expiry=100).disconnect(0, {"session_expiry": 1})
    t.persistent("b", expiry=1).disconnect(0, {"session_expiry": 100})
    t.connect("wait").expect_silence(2300)
    t.equal(t.persistent("a").connack.session_present, False, "shortened")
    t.equal(t.persistent("b").connack.session_present, True, "lengthened")


@versions(5)
def test_expiry_of_the_last_connection_counts(t):
    t.persistent("a", expiry=100).close()
    client = t.connect("a", clean=False)
    t.equal(client.connack.session_present, True)
    client.close()
    t.equal(t.connect("a", clean=False).connack.session_present, False)


@slow
@options(session_expiry_interval="1s")
@versions(4)
def test_sessions_of_3_1_1_expire_as_configured(t):
    t.persistent("a").close()
    t.equal(t.persistent("a").connack.session_present, True)
    t.clients[-1].close()
    t.connect("wait").expect_silence(2300)
    t.equal(t.persistent("a").connack.session_present, False)


@slow
@options(max_session_expiry_interval="1s")
def test_the_server_may_cap_the_session_expiry(t):
    client = t.persistent("a", expiry=ENDLESS)
    t.equal(client.connack.prop("session_expiry"), 1, "session expiry in CONNACK")
    client.close()
    t.connect("wait").expect_silence(2300)
    t.equal(t.persistent("a").connack.session_present, False)


# ------------------------------------------------------------------------------------- take-over


@versions(4, 5)
def test_takeover_keeps_the_session(t):
    first = t.persistent("a")
    first.subscribe(t.topic("x"), qos=2)
    publisher = t.connect("pub")
    publisher.publish(t.topic("x"), "unacknowledged", qos=1)
    sent = first.expect(PUBLISH, payload="unacknowledged")
    second = t.persistent("a")
    t.equal(second.connack.session_present, True)
    first.expect_error(0x8E)
    second.take(payload="unacknowledged", dup=True, packet_id=sent.packet_id)
    publisher.publish(t.topic("x"), "new", qos=2)
    second.take(payload="new", dup=False)
    t.quiet(second)


@versions(4, 5)
def test_takeover_with_clean_start_discards_the_session(t):
    first = t.persistent("a")
    first.subscribe(t.topic("x"), qos=1)
    second = t.connect("a", clean=True)
    t.equal(second.connack.session_present, False)
    first.expect_error(0x8E)
    t.connect("pub").publish(t.topic("x"), "m", qos=1)
    t.quiet(second)


def test_takeover_between_versions_keeps_the_session(t):
    """The session belongs to the client identifier, not to the version of the protocol."""
    t.persistent("a", version=5).subscribe(t.topic("x"), qos=2)
    t.connect("pub").publish(t.topic("x"), "first", qos=2)
    client = t.persistent("a", version=4)
    t.equal(client.connack.session_present, True)
    client.expect(PUBLISH, payload="first", qos=2)
    client = t.persistent("a", version=5)
    client.take(payload="first", qos=2, dup=True)


def test_no_message_is_lost_or_doubled_while_connections_take_over(t):
    """QoS 2, a new connection every 10 messages, some of them answered: exactly once, in order.
    As a client should, this one knows which identifiers it has answered with PUBREC."""
    client, publisher = t.persistent("a"), t.connect("pub")
    client.subscribe(t.topic("x"), qos=2)
    done, open_ids = [], set()

    def step():
        got = client.recv()
        if got.type == PUBREL:
            client.send(ack(PUBCOMP, got.packet_id))
            open_ids.discard(got.packet_id)
            return
        t.equal(got.type, PUBLISH, "packet type")
        if got.packet_id not in open_ids:
            done.append(int(got.payload))
        open_ids.add(got.packet_id)
        client.send(ack(PUBREC, got.packet_id))

    for start in range(0, 100, 10):
        for number in range(start, start + 10):
            publisher.publish(t.topic("x"), f"{number}", qos=2)
        for _ in range(7):
            step()
        client = t.persistent("a")
    while len(done) < 100 or open_ids:
        step()
    t.equal(done, list(range(100)))
    t.quiet(client)


# -------------------------------------------------------------------------------- retransmission


@versions(4, 5)
@covers("MQTT311-4.4.0-1", "MQTT311-2.3.1-4", "MQTT311-3.3.1-1", "MQTT311-4.6.0-1",
        "MQTT5-3.3.1-1", "MQTT5-4.3.2-3", "MQTT5-4.3.3-3", "MQTT5-2.2.1-5", "MQTT311-4.3.2-1")
def test_MQTT5_4_4_0_1_unacknowledged_messages_come_again_in_order(t):
    client, publisher = t.persistent("a"), t.connect("pub")
    client.subscribe(t.topic("x"), qos=2)
    for number in range(8):
        publisher.publish(t.topic("x"), f"{number}", qos=1 + number % 2)
    first = [client.expect(PUBLISH, dup=False) for _ in range(8)]
    client.send(ack(PUBACK, first[2].packet_id) + ack(PUBACK, first[0].packet_id))
    client.ping()
    client.close()
    client = t.persistent("a")
    want = [(p.payload, p.packet_id, p.qos) for p in first if p not in (first[0], first[2])]
    again = [client.expect(PUBLISH, dup=True) for _ in want]
    t.equal([(p.payload, p.packet_id, p.qos) for p in again], want)
    for got in again:
        client.answer(got)
    t.quiet(client)


@versions(4, 5)
@covers("MQTT311-4.4.0-1", "MQTT311-4.3.3-1", "MQTT5-4.4.0-1", "MQTT5-4.3.3-4")
def test_MQTT5_4_3_3_5_pubrel_comes_again(t):
    client, publisher = t.persistent("a"), t.connect("pub")
    client.subscribe(t.topic("x"), qos=2)
    publisher.publish(t.topic("x"), "m", qos=2)
    got = client.expect(PUBLISH, qos=2)
    client.send(ack(PUBREC, got.packet_id))
    client.expect(PUBREL, packet_id=got.packet_id)
    for _ in range(2):
        client.close()
        client = t.persistent("a")
        client.expect(PUBREL, packet_id=got.packet_id)
        t.quiet(client)
    client.send(ack(PUBCOMP, got.packet_id))
    client.ping()
    client.close()
    t.quiet(t.persistent("a"))


@covers("MQTT5-4.3.3-6")
def test_MQTT311_4_3_3_1_publish_is_not_sent_again_after_pubrel(t):
    client, publisher = t.persistent("a"), t.connect("pub")
    client.subscribe(t.topic("x"), qos=2)
    for text in "ab":
        publisher.publish(t.topic("x"), text, qos=2)
    first, second = client.expect(PUBLISH), client.expect(PUBLISH)
    client.send(ack(PUBREC, first.packet_id))
    client.expect(PUBREL, packet_id=first.packet_id)
    client.close()
    client = t.persistent("a")
    kinds = {}
    for _ in range(2):
        got = client.recv()
        kinds[got.packet_id] = got.type
    t.equal(kinds, {first.packet_id: PUBREL, second.packet_id: PUBLISH})


def test_pubrec_after_resumption(t):
    """The client may have got PUBLISH, lost the connection, and answer the second sending."""
    client, publisher = t.persistent("a"), t.connect("pub")
    client.subscribe(t.topic("x"), qos=2)
    publisher.publish(t.topic("x"), "m", qos=2)
    first = client.expect(PUBLISH)
    client.close()
    client = t.persistent("a")
    client.take(payload="m", dup=True, packet_id=first.packet_id)
    t.quiet(client)


@versions(4, 5)
@covers("MQTT5-2.2.1-4", "MQTT311-2.3.1-4")
def test_MQTT5_2_2_1_4_packet_ids_in_use_are_not_given_to_new_messages(t):
    """Messages from before the break keep theirs while new ones come; the harness compares."""
    client, publisher = t.persistent("a"), t.connect("pub")
    client.subscribe(t.topic("x"), qos=1)
    for number in range(5):
        publisher.publish(t.topic("x"), f"old {number}", qos=1)
    for number in range(5):
        client.expect(PUBLISH)
    client.close()
    for number in range(10):
        publisher.publish(t.topic("x"), f"new {number}", qos=1)
    client = t.persistent("a")
    old = [client.expect(PUBLISH, dup=True) for _ in range(5)]
    new = [client.expect(PUBLISH, dup=False) for _ in range(10)]
    t.equal(len({p.packet_id for p in old + new}), 15, "different packet identifiers")


@versions(4, 5)
@covers("MQTT311-4.3.3-2", "MQTT5-4.3.3-10")
def test_qos_2_of_the_publisher_is_remembered_across_connections(t):
    """PUBREC sent, connection lost: the PUBLISH that comes again is a duplicate."""
    subscriber = t.subscriber(t.topic("x"), qos=2)
    publisher = t.persistent("pub")
    publisher.send(publish(t.topic("x"), "once", qos=2, packet_id=40, version=t.version))
    publisher.expect(PUBREC, packet_id=40)
    publisher.close()
    publisher = t.persistent("pub")
    publisher.send(publish(t.topic("x"), "once", qos=2, packet_id=40, dup=True, version=t.version))
    publisher.expect(PUBREC, packet_id=40, reason={0, 0x10, 0x91})
    publisher.send(ack(PUBREL, 40))
    publisher.expect(PUBCOMP, packet_id=40, reason=0)
    subscriber.take(payload="once")
    t.quiet(subscriber)


def test_qos_2_of_the_publisher_is_forgotten_with_a_clean_start(t):
    subscriber, publisher = t.subscriber(t.topic("x"), qos=2), t.persistent("pub")
    publisher.publish(t.topic("x"), "a", qos=1)
    subscriber.take(payload="a")
    publisher.send(publish(t.topic("x"), "b", qos=2, packet_id=40))
    publisher.expect(PUBREC)
    publisher.send(ack(PUBREL, 40))
    publisher.expect(PUBCOMP)
    subscriber.take(payload="b")
    publisher.send(publish(t.topic("x"), "c", qos=2, packet_id=41))
    publisher.expect(PUBREC)
    publisher.close()
    publisher = t.connect("pub", clean=True)
    publisher.send(publish(t.topic("x"), "d", qos=2, packet_id=41))
    publisher.expect(PUBREC)
    publisher.send(ack(PUBREL, 41))
    publisher.expect(PUBCOMP, reason=0)
    while subscriber.take().payload != b"d":
        pass


def test_subscription_options_survive_the_session(t):
    client = t.persistent("a")
    client.subscribe((t.topic("x"), 2 | 4), props={"subscription_id": 77})
    client.close()
    client = t.persistent("a")
    client.publish(t.topic("x"), "own", qos=1)
    t.quiet(client)
    t.connect("pub").publish(t.topic("x"), "m", qos=2)
    t.equal(client.take(payload="m", qos=2).all("subscription_id"), [77])


@versions(4, 5)
def test_unsubscribe_in_a_resumed_session(t):
    t.persistent("a").subscribe(t.topic("x"), t.topic("y"), qos=1)
    client = t.persistent("a")
    client.unsubscribe(t.topic("x"), reasons=[0])
    client.close()
    client, publisher = t.persistent("a"), t.connect("pub")
    publisher.publish(t.topic("x"), "no", qos=1)
    publisher.publish(t.topic("y"), "yes", qos=1)
    client.take(payload="yes")
    t.quiet(client)


@versions(4, 5)
def test_messages_arrive_while_the_connection_dies(t):
    """The subscriber resets without reading; everything comes after it is back."""
    client, publisher = t.persistent("a"), t.connect("pub")
    client.subscribe(t.topic("x"), qos=1)
    for number in range(10):
        publisher.publish(t.topic("x"), f"{number}", qos=1)
    client.reset()
    for number in range(10, 30):
        publisher.publish(t.topic("x"), f"{number}", qos=1)
    got = t.persistent("a").take_all(30)
    t.equal([int(p.payload) for p in got], list(range(30)))


@slow
@covers("MQTT5-3.3.2-5", "MQTT5-3.3.2-6", "MQTT5-4.3.3-13")
def test_MQTT5_3_3_2_5_queued_messages_expire(t):
    client, publisher = t.persistent("a"), t.connect("pub")
    client.subscribe(t.topic("x"), qos=2)
    client.disconnect()
    publisher.publish(t.topic("x"), "short", qos=2, props={"message_expiry": 1})
    publisher.publish(t.topic("x"), "long", qos=2, props={"message_expiry": 100})
    publisher.publish(t.topic("x"), "endless", qos=1)
    publisher.expect_silence(2300)
    client = t.persistent("a")
    client.take(payload="long", prop_message_expiry=range(96, 99))
    client.take(payload="endless", prop_message_expiry=None)
    t.quiet(client)


@slow
def test_MQTT5_4_3_3_7_expiry_does_not_apply_once_publish_was_sent(t):
    client, publisher = t.persistent("a"), t.connect("pub")
    client.subscribe(t.topic("x"), qos=2)
    publisher.publish(t.topic("x"), "m", qos=2, props={"message_expiry": 1})
    first = client.expect(PUBLISH, payload="m")
    client.close()
    publisher.expect_silence(2300)
    t.persistent("a").take(payload="m", dup=True, packet_id=first.packet_id)


@cases([("0", 0), ("1", 1), ("2", 2)])
@covers("MQTT5-3.3.2-6")
def test_MQTT5_3_3_2_6_message_expiry_is_forwarded(t, qos):
    client = t.subscriber(t.topic("x"), qos=2)
    old = t.subscriber(t.topic("x"), suffix="o", version=4)
    t.connect("pub").publish(t.topic("x"), "m", qos=qos, props={"message_expiry": 1000})
    client.take(payload="m", prop_message_expiry=range(998, 1001))
    old.take(payload="m")


def test_session_of_a_refused_connect_is_not_touched(t):
    """CONNECT that fails must neither discard the session nor take over."""
    first = t.persistent("a")
    first.subscribe(t.topic("x"), qos=1)
    intruder = t.socket()
    intruder.send(connect(t.id("a"), clean=True, connect_flags=0x03))
    intruder.expect_refused(0x81)
    first.ping()
    t.connect("pub").publish(t.topic("x"), "m", qos=1)
    first.take(payload="m")


@versions(4, 5)
def test_hundred_offline_sessions(t):
    for number in range(100):
        client = t.persistent(f"s{number}")
        client.subscribe(t.topic("x"), qos=1)
        client.close()
    t.connect("pub").publish(t.topic("x"), "m", qos=1)
    for number in range(100):
        client = t.persistent(f"s{number}", expiry=0)
        client.take(payload="m")
        client.close()


@versions(4, 5)
def test_connack_comes_before_queued_messages(t):
    client = t.persistent("a")
    client.subscribe(t.topic("x"), qos=1)
    client.close()
    t.connect("pub").publish(t.topic("x"), "m", qos=1)
    client = t.socket()
    props = {"session_expiry": 60} if t.version == 5 else None
    client.send(connect(t.id("a"), clean=False, version=t.version, props=props)
                + subscribe(1, [(t.topic("y"), 0)], version=t.version))
    client.expect(CONNACK, reason=0, session_present=True)
    client.wait(9, packet_id=1)
    client.take(payload="m")
