"""Flow control: receive maximum in both directions, the window, packet identifiers."""

from harness import cases, covers, options, slow, versions
from mqtt_wire import (PINGRESP, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBACK, Closed, ack,
                       pingreq, publish, subscribe)


@cases([(f"{limit}-{qos}", limit, qos) for limit in (1, 2, 10) for qos in (1, 2)])
@covers("MQTT5-4.9.0-1", "MQTT5-4.9.0-2")
def test_MQTT5_3_3_4_9_receive_maximum_of_the_client(t, limit, qos):
    client = t.connect("sub", props={"receive_maximum": limit})
    client.subscribe(t.topic("x"), qos=qos)
    publisher = t.connect("pub")
    for number in range(limit + 5):
        publisher.publish(t.topic("x"), f"{number}", qos=qos)
    held = [client.expect(PUBLISH) for _ in range(limit)]
    t.quiet(client)
    for number in range(5):
        client.answer(held[number])
        held.append(client.expect(PUBLISH, payload=f"{limit + number}"))
    t.quiet(client)


@covers("MQTT5-4.9.0-3", "MQTT5-3.3.4-10")
def test_MQTT5_4_9_0_3_other_packets_pass_while_the_quota_is_zero(t):
    client = t.connect("sub", props={"receive_maximum": 1})
    client.subscribe(t.topic("x"), qos=1)
    publisher = t.connect("pub")
    for number in range(3):
        publisher.publish(t.topic("x"), f"{number}", qos=1)
    client.expect(PUBLISH, payload="0")
    client.ping()
    client.subscribe(t.topic("y"))
    client.unsubscribe(t.topic("y"))
    client.publish(t.topic("z"), "m", qos=1)
    client.publish(t.topic("z"), "m", qos=2)


@covers("MQTT5-3.3.4-10")
def test_MQTT5_3_3_4_10_qos_0_passes_while_the_quota_is_zero(t):
    """At least messages on another topic: order holds for one topic and QoS only."""
    client = t.connect("sub", props={"receive_maximum": 1})
    client.subscribe((t.topic("x"), 1), (t.topic("zero"), 0))
    publisher = t.connect("pub")
    for number in range(3):
        publisher.publish(t.topic("x"), f"{number}", qos=1)
    first = client.expect(PUBLISH, payload="0")
    publisher.publish(t.topic("zero"), "passing", qos=0)
    client.expect(PUBLISH, payload="passing", qos=0)
    client.send(ack(PUBACK, first.packet_id))
    client.take(payload="1")
    client.take(payload="2")


def test_pubrec_does_not_free_the_quota(t):
    """Only PUBCOMP does, or PUBREC with an error [MQTT 5, 4.9]."""
    client = t.connect("sub", props={"receive_maximum": 1})
    client.subscribe(t.topic("x"), qos=2)
    publisher = t.connect("pub")
    for text in "abc":
        publisher.publish(t.topic("x"), text, qos=2)
    first = client.expect(PUBLISH, payload="a")
    client.send(ack(PUBREC, first.packet_id))
    client.expect(PUBREL, packet_id=first.packet_id)
    t.quiet(client)
    client.send(ack(PUBCOMP, first.packet_id))
    second = client.expect(PUBLISH, payload="b")
    client.send(ack(PUBREC, second.packet_id, 0x80))
    client.take(payload="c")
    t.quiet(client)


def test_puback_twice_does_not_raise_the_quota(t):
    client = t.connect("sub", props={"receive_maximum": 2})
    client.subscribe(t.topic("x"), qos=1)
    publisher = t.connect("pub")
    for number in range(8):
        publisher.publish(t.topic("x"), f"{number}", qos=1)
    first = client.expect(PUBLISH, payload="0")
    client.expect(PUBLISH, payload="1")
    client.send(ack(PUBACK, first.packet_id))
    client.sock.send(ack(PUBACK, first.packet_id) * 3)
    try:
        client.expect(PUBLISH, payload="2")
        client.expect_silence(t.quiet_ms)
    except AssertionError as error:
        # ending the connection because of acknowledgements for nothing is allowed as well
        t.true("DISCONNECT" in str(error) or "closed" in str(error), str(error))


@options(receive_maximum=4)
@cases([("1", 1), ("2", 2)])
def test_MQTT5_3_3_4_7_receive_maximum_of_the_server(t, qos):
    """Announced in CONNACK. QoS 1 is acknowledged so fast that it cannot be exceeded for sure;
    QoS 2 without PUBREL can: 0x93."""
    client = t.connect("a")
    t.equal(client.connack.prop("receive_maximum"), 4)
    for number in range(4):
        client.send(publish(t.topic("x"), b"m", qos=qos, packet_id=number + 1))
        client.expect(PUBACK if qos == 1 else PUBREC)
    client.send(publish(t.topic("x"), b"m", qos=qos, packet_id=5))
    if qos == 1:
        client.expect(PUBACK, packet_id=5)
    else:
        client.expect_error(0x93)


@options(max_awaiting_rel=5, receive_maximum=100)
def test_more_qos_2_than_the_server_keeps(t):
    """max_awaiting_rel bounds the PUBLISH packets waiting for PUBREL: beyond it 0x93. A server
    may rather answer PUBREC with 0x97 or announce the lower number as its receive maximum."""
    client = t.connect("a")
    t.true(client.connack.prop("receive_maximum", 65535) <= 100, "receive maximum in CONNACK")
    for number in range(5):
        client.send(publish(t.topic("x"), b"m", qos=2, packet_id=number + 1))
        client.expect(PUBREC, packet_id=number + 1)
    client.send(publish(t.topic("x"), b"m", qos=2, packet_id=6))
    client.expect_error(0x93)


@options(max_awaiting_rel=5)
def test_released_ones_make_room(t):
    client = t.connect("a")
    for number in range(30):
        client.send(publish(t.topic("x"), b"m", qos=2, packet_id=number + 1))
        client.expect(PUBREC, packet_id=number + 1, reason={0, 0x10})
        if number >= 4:
            client.send(ack(PUBREL, number - 3))
            client.expect(PUBCOMP, packet_id=number - 3, reason=0)


@slow
@options(await_rel_timeout="1s", max_awaiting_rel=3)
def test_pubrel_that_never_comes_is_given_up(t):
    client = t.connect("a")
    for number in range(3):
        client.send(publish(t.topic("x"), b"m", qos=2, packet_id=number + 1))
        client.expect(PUBREC)
    client.expect_silence(2500)
    client.send(publish(t.topic("x"), b"m", qos=2, packet_id=9))
    client.expect(PUBREC, packet_id=9, reason={0, 0x10})


@options(max_inflight=4)
@versions(4, 5)
@cases([("1", 1), ("2", 2)])
def test_max_inflight_bounds_the_window(t, qos):
    client = t.subscriber(t.topic("x"), qos=qos)
    publisher = t.connect("pub")
    for number in range(12):
        publisher.publish(t.topic("x"), f"{number}", qos=qos)
    held = [client.expect(PUBLISH) for _ in range(4)]
    t.quiet(client)
    for got in held:
        client.answer(got)
    rest = client.take_all(8)
    t.equal([int(p.payload) for p in rest], list(range(4, 12)))


@options(max_inflight_bytes="10KB")
@versions(4, 5)
@cases([("1", 1), ("2", 2)])
def test_max_inflight_bytes_bounds_the_window(t, qos):
    """Three messages of 4,000 bytes reach the limit, the others follow one by one."""
    client = t.subscriber(t.topic("x"), qos=qos)
    publisher = t.connect("pub")
    for number in range(12):
        publisher.publish(t.topic("x"), f"{number:04000}", qos=qos)
    held = [client.expect(PUBLISH) for _ in range(3)]
    t.quiet(client)
    for number in range(3, 12):
        client.answer(held.pop(0))
        held.append(client.wait(PUBLISH))
    t.equal([int(p.payload) for p in held], [9, 10, 11])


@options(max_inflight_bytes="1KB")
def test_one_message_above_max_inflight_bytes_is_sent(t):
    client = t.subscriber(t.topic("x"), qos=1)
    publisher = t.connect("pub")
    for number in range(3):
        publisher.publish(t.topic("x"), f"{number:04000}", qos=1)
        held = client.expect(PUBLISH)
        t.equal(int(held.payload), number)
        client.answer(held)


@versions(4, 5)
def test_acknowledgements_out_of_order(t):
    client, publisher = t.subscriber(t.topic("x"), qos=1), t.connect("pub")
    for start in range(0, 200, 20):
        for number in range(start, start + 20):
            publisher.publish(t.topic("x"), f"{number}", qos=1)
        held = [client.expect(PUBLISH, payload=f"{n}") for n in range(start, start + 20)]
        t.random.shuffle(held)
        client.send(b"".join(ack(PUBACK, p.packet_id) for p in held))
        for got in held:
            client.unacked.pop(got.packet_id, None)
    t.quiet(client)


@slow
@versions(4, 5)
@covers("MQTT311-2.3.1-4")
def test_MQTT5_2_2_1_4_packet_ids_wrap_around(t):
    """70,000 messages with one that is never acknowledged: its identifier is not given again.
    All packets have one length, so that they can be cut by counting; batches stay below any
    window."""
    client, publisher = t.subscriber(t.topic("x"), qos=1), t.connect("pub")
    publisher.publish(t.topic("x"), "held", qos=1)
    held = client.expect(PUBLISH, payload="held")
    data = b"".join(publish(t.topic("x"), b"mmmm", qos=1, packet_id=n + 1, version=t.version)
                    for n in range(25))
    size, at, seen = len(held.raw), 4 + len(t.topic("x")), set()
    for _ in range(70000 // 25):
        publisher.sock.sendall(data)
        got = take_bytes(client, 25 * size)
        ids = [got[start + at:start + at + 2] for start in range(0, len(got), size)]
        client.sock.sendall(b"".join(b"\x40\2" + packet_id for packet_id in ids))
        seen.update(int.from_bytes(packet_id, "big") for packet_id in ids)
        take_bytes(publisher, 25 * 4)
    t.true(held.packet_id not in seen, "the identifier in use was given again")
    t.true(0 not in seen and len(seen) > 20000, f"{len(seen)} different identifiers")


def take_bytes(client, count):
    data = bytearray()
    while len(data) < count:
        part = client.sock.recv(count - len(data))
        if not part:
            raise Closed("the connection was closed")
        data += part
    return bytes(data)


@versions(4, 5)
def test_pipelined_publishes_of_one_segment(t):
    """500 PUBLISH at QoS 0 in one segment arrive in order and complete."""
    client, publisher = t.subscriber(t.topic("x")), t.connect("pub")
    publisher.send(b"".join(publish(t.topic("x"), f"{n}", version=t.version) for n in range(500)))
    got = client.take_all(500)
    t.equal([int(p.payload) for p in got], list(range(500)))


@versions(4, 5)
def test_order_of_acknowledgements_of_different_kinds(t):
    client = t.connect("a")
    client.send(publish(t.topic("x"), qos=1, packet_id=1, version=t.version)
                + subscribe(2, [(t.topic("y"), 0)], version=t.version)
                + publish(t.topic("x"), qos=1, packet_id=3, version=t.version)
                + publish(t.topic("x"), qos=2, packet_id=4, version=t.version) + pingreq())
    kinds = {client.recv().type for _ in range(5)}
    t.equal(kinds, {PUBACK, SUBACK, PUBREC, PINGRESP})


@options(max_inflight=4)
def test_window_shrinks_with_a_smaller_receive_maximum(t):
    """Resumed with a smaller receive maximum than what is unacknowledged: never more than it."""
    client = t.persistent("a", props={"receive_maximum": 4})
    client.subscribe(t.topic("x"), qos=1)
    publisher = t.connect("pub")
    for number in range(8):
        publisher.publish(t.topic("x"), f"{number}", qos=1)
    first = [client.expect(PUBLISH) for _ in range(4)]
    client.close()
    client = t.persistent("a", props={"receive_maximum": 2})
    for number in range(8):
        got = client.expect(PUBLISH, payload=f"{number}", dup=number < 4)
        if number < 4:
            t.equal(got.packet_id, first[number].packet_id)
        client.answer(got)
    t.quiet(client)


@options(max_mqueue_len=5, max_inflight=3)
def test_queue_limit_while_connected(t):
    """A connected subscriber that does not acknowledge: window full, then the queue, then the
    oldest of the queue are dropped."""
    client, publisher = t.subscriber(t.topic("x"), qos=1), t.connect("pub")
    for number in range(20):
        publisher.publish(t.topic("x"), f"{number}", qos=1)
    held = [client.expect(PUBLISH) for _ in range(3)]
    t.quiet(client)
    for got in held:
        client.answer(got)
    rest = [int(p.payload) for p in client.take_all(5)]
    t.equal(rest, list(range(15, 20)))
    t.quiet(client)
