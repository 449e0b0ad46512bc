"""Mistakes that the broker once made, each as the smallest dialogue that showed it.

The name of a test says what must hold. Where publisher and subscriber have to live on different
shards, there are eight of each: the home of a client is a keyed hash of its identifier.
"""

import time

from harness import cases, options, private, slow
from mqtt_wire import (PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBACK, ack, disconnect, publish,
                       subscribe)

COUNT = 8


@private()
@options(limits={"mail_overflow_bytes": "64KB"})
def test_publishers_of_a_pressed_shard_are_paused_and_go_on(t):
    """More bytes under way to another shard than allowed: the broker stops reading from the
    publishers and takes them up again, and nothing is lost."""
    subscribers = [t.subscriber(t.topic("x"), suffix=f"s{n}", qos=1) for n in range(COUNT)]
    publishers = [t.connect(f"p{n}") for n in range(COUNT)]
    for publisher in publishers:
        publisher.send(b"".join(publish(t.topic("x"), b"%05d" % n * 2000, qos=1, packet_id=n + 1)
                                for n in range(20)))
    for subscriber in subscribers:
        subscriber.take_all(20 * COUNT)
    for publisher in publishers:
        for number in range(20):
            publisher.expect(PUBACK, packet_id=number + 1)


@private(bystander=False)
@options(limits={"mail_overflow_bytes": "64KB"})
def test_a_publisher_that_is_paused_keeps_what_is_being_sent_to_it(t):
    """Pausing a publisher stops the receive and leaves the send alone that waits for the client
    to read."""
    subscribers = [t.subscriber(t.topic("x"), suffix=f"s{n}", qos=1) for n in range(COUNT)]
    publishers = [t.subscriber(t.topic("y"), suffix=f"p{n}") for n in range(COUNT)]
    filler = t.connect("filler")
    for number in range(8):
        filler.publish(t.topic("y"), bytes([number]) * 900000, qos=1)
    t.settle()
    for publisher in publishers:
        publisher.send(b"".join(publish(t.topic("x"), b"%05d" % n * 2000, qos=1, packet_id=n + 1)
                                for n in range(20)))
    for subscriber in subscribers:
        subscriber.take_all(20 * COUNT)
    for publisher in publishers:
        for number in range(8):
            publisher.wait(PUBLISH, topic=t.topic("y"), payload=bytes([number]) * 900000)
        for number in range(20):
            publisher.wait(PUBACK, packet_id=number + 1)


@private()
@options(limits={"mail_overflow_bytes": "64KB"})
def test_the_will_of_a_paused_publisher_comes_at_once(t):
    """DISCONNECT 0x04 behind the pause causes work for the end of a turn: it must not wait until
    something else wakes the shard."""
    watcher = t.subscriber(t.topic("will"), suffix="watcher")
    for number in range(COUNT):
        t.subscriber(t.topic("x"), suffix=f"s{number}")
    for number in range(COUNT):
        will = {"topic": t.topic("will"), "payload": b"%d" % number}
        publisher = t.connect(f"p{number}", will=will)
        publisher.send(b"".join(publish(t.topic("x"), bytes(10000)) for _ in range(60)) +
                       disconnect(4))
        watcher.take(t.topic("will"), b"%d" % number, timeout=0.5)


def kept_window(t, count):
    """A QoS 2 session with `count` messages sent and not acknowledged, its connection lost."""
    client = t.persistent("sub")
    client.subscribe(t.topic("x"), qos=2)
    publisher = t.connect("pub")
    for number in range(count):
        publisher.publish(t.topic("x"), b"%d" % number, qos=2)
    ids = [client.expect(PUBLISH, qos=2).packet_id for _ in range(count)]
    client.close()
    return ids


@cases([("from_the_back", [2, 0]), ("next_in_line", [2, 1]), ("all_but_the_first", [3, 2, 1])])
def test_PUBREC_before_the_message_is_sent_again(t, order):
    """A session resumed with Receive Maximum 1 has most of its window still to be sent again. The
    client acknowledges from its memory what this connection has not sent yet."""
    ids = kept_window(t, 5)
    client = t.persistent("sub", props={"receive_maximum": 1})
    first = client.expect(PUBLISH, packet_id=ids[0], dup=True)
    for place in order:
        client.send(ack(PUBREC, ids[place]))
        client.expect(PUBREL, packet_id=ids[place])
    if 0 not in order:
        client.send(ack(PUBREC, first.packet_id))
        client.expect(PUBREL, packet_id=ids[0])
    for place in {0, *order}:
        client.send(ack(PUBCOMP, ids[place]))
    for place in set(range(5)) - {0, *order}:
        client.take(packet_id=ids[place], dup=True)
    t.quiet(client)


@options(max_mqueue_len=10)
def test_retained_messages_wait_for_a_window_that_is_more_than_full(t):
    """A resumed session may hold more than its new Receive Maximum allows. That leaves no room
    for retained messages, which then have to wait outside of the queue."""
    retainer = t.connect("retainer")
    for number in range(30):
        retainer.publish(t.topic(f"kept/{number}"), b"kept", qos=1, retain=True)
    ids = kept_window(t, 5)
    client = t.persistent("sub", props={"receive_maximum": 1})
    client.expect(PUBLISH, packet_id=ids[0], dup=True)
    for packet_id in reversed(ids):
        client.send(ack(PUBREC, packet_id))
        client.expect(PUBREL, packet_id=packet_id)
    client.subscribe(t.topic("kept/#"), qos=1)
    client.ping()
    for packet_id in ids:
        client.send(ack(PUBCOMP, packet_id))
    got = client.take_all(30)
    t.equal(len({packet.topic for packet in got}), 30)


@cases([("0", 0), ("1", 1)])
@options(limits={"connection_output_bytes": "64KB"}, max_mqueue_len=10)
def test_large_retained_messages_wait_for_room_in_the_output(t, qos):
    """A walk over retained messages goes at the pace of its reader, also where a few of them fill
    the output of the connection."""
    retainer = t.connect("retainer")
    for number in range(30):
        retainer.publish(t.topic(f"kept/{number}"), bytes(20000), qos=1, retain=True)
    client = t.subscriber(t.topic("kept/#"), qos=qos)
    got = client.take_all(30)
    t.equal(len({packet.topic for packet in got}), 30)


def test_UNSUBSCRIBE_ends_what_is_left_of_the_retained_messages(t):
    """Retained messages that were not yet on their way to the client are new messages, which
    [MQTT-3.10.4-2] forbids after UNSUBACK."""
    retainer = t.connect("retainer")
    for number in range(10):
        retainer.publish(t.topic(f"kept/{number}"), b"kept", qos=1, retain=True)
        retainer.publish(t.topic(f"also/{number}"), b"also", qos=1, retain=True)
    client = t.connect("sub", props={"receive_maximum": 1})
    client.subscribe(t.topic("kept/#"), qos=1)
    first = client.expect(PUBLISH)
    client.subscribe(t.topic("also/#"), qos=1)
    client.unsubscribe(t.topic("kept/#"))
    client.send(ack(PUBACK, first.packet_id))
    for _ in range(10):
        client.take(payload="also")
    t.quiet(client)


@cases([("0", 0), ("1", 1), ("2", 2)])
def test_shared_subscription_keeps_RETAIN_where_it_asked_for_that(t, qos):
    """Retain As Published holds for shared subscriptions too, wherever the member lives."""
    for number in range(COUNT):
        member = t.connect(f"s{number}")
        member.subscribe((f"$share/g/{t.topic(f'kept{number}')}", qos | 0x08))
        plain = t.connect(f"n{number}")
        plain.subscribe((f"$share/h/{t.topic(f'kept{number}')}", qos))
        t.connect(f"p{number}").publish(t.topic(f"kept{number}"), b"x", qos=qos, retain=True)
        member.take(qos=qos, retain=True)
        plain.take(qos=qos, retain=False)


@private()
def test_SIGTERM_forgets_mail_under_way_without_a_leak(t):
    """Sessions that end with the broker pass their shared messages on to shards that may have
    ended already. (Only a broker with a leak checker can fail here.)"""
    for number in range(COUNT):
        member = t.persistent(f"s{number}")
        member.subscribe(f"$share/g/{t.topic('x')}", qos=1)
        member.close()
    publisher = t.connect("pub")
    for number in range(50 * COUNT):
        publisher.publish(t.topic("x"), b"%d" % number, qos=1)


@cases([("0", 0), ("1", 1)])
def test_every_one_of_many_filters_gets_its_retained_message(t, qos):
    """A client that subscribes to thousands of topics at once gets all their values, at its own
    pace."""
    topics = [t.topic(f"kept/{number}") for number in range(3000)]
    t.connect("retainer").send(b"".join(publish(topic, b"kept", retain=True) for topic in topics))
    watcher = t.subscriber(t.topic("kept/2999"), suffix="watcher")
    watcher.take(topics[-1])
    t.settle()
    client = t.connect("sub")
    client.subscribe(*topics[:2000], qos=qos)
    for topic in topics[2000:]:
        client.send(subscribe(client.next_id(), [(topic, qos)]))
    acknowledged = 0
    seen = set()
    while len(seen) < 3000 or acknowledged < 1000:
        got = client.recv()
        if got.type == SUBACK:
            acknowledged += 1
        else:
            client.answer(got)
            seen.add(got.topic)


@private()
@slow
@options(retained={"max_messages": 10})
def test_expired_retained_messages_make_room_by_themselves(t):
    """Nobody asks for most retained messages again: those that have expired must not fill the
    index for ever."""
    publisher = t.connect("pub")
    for number in range(10):
        publisher.publish(t.topic(f"old/{number}"), b"old", qos=1, retain=True,
                          props={"message_expiry": 1})
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        publisher.publish(t.topic("new"), b"new", qos=1, retain=True)
        client = t.subscriber(t.topic("new"), suffix="sub")
        client.ping()
        if client.queue:
            client.take(payload=b"new", retain=True)
            return
        client.disconnect()
        time.sleep(0.5)
    t.true(False, "expired messages still take all the room")
