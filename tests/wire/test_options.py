"""Capabilities that a configuration switches off or limits, and what CONNACK says of them."""

import time

from harness import cases, covers, options, private, slow, versions
from mqtt_wire import (CONNACK, DISCONNECT, PUBACK, PUBLISH, PUBREC, SUBACK, Failure, connect,
                       publish, subscribe)


@covers("MQTT5-3.2.2-9")
def test_connack_of_a_broker_that_can_everything(t):
    """Absent means available [MQTT 5, 3.2.2.3]; saying so explicitly is as good."""
    connack = t.connect("a").connack
    for name in ("retain_available", "wildcard_available", "subscription_id_available",
                 "shared_available"):
        t.true(connack.prop(name, 1) == 1, f"{name} in {connack}")
    t.equal(connack.prop("max_qos"), None, "maximum QoS is never announced as 2")
    t.true(connack.prop("max_packet_size", 1048576) >= 1048576, f"{connack}")


def max_qos(t, limit):
    client = t.connect("a")
    t.equal(client.connack.prop("max_qos"), limit)
    client.send(subscribe(1, [(t.topic("x"), 0), (t.topic("y"), 1), (t.topic("z"), 2)]))
    client.expect(SUBACK, reasons=[min(qos, limit) for qos in range(3)])
    for qos in range(limit + 1):
        client.publish(t.topic("x"), f"{qos}", qos=qos)
        client.take(t.topic("x"), f"{qos}", qos=0)
    client.send(publish(t.topic("x"), b"m", qos=limit + 1, packet_id=1))
    client.expect_error(0x9B)


@options(max_qos=0)
@covers("MQTT5-3.2.2-10", "MQTT5-3.2.2-11", "MQTT5-3.2.2-12")
def test_MQTT5_3_2_2_9_max_qos_0(t):
    max_qos(t, 0)


@options(max_qos=1)
@covers("MQTT5-3.2.2-10", "MQTT5-3.2.2-11")
def test_MQTT5_3_2_2_9_max_qos_1(t):
    max_qos(t, 1)


@options(max_qos=0)
@versions(4)
def test_max_qos_0_in_3_1_1(t):
    """SUBACK grants 0; a PUBLISH above ends the connection, there is no other way to say it."""
    client = t.connect("a")
    client.subscribe(t.topic("x"), qos=2, reasons=[0])
    client.send(publish(t.topic("x"), b"m", qos=1, packet_id=1, version=4))
    client.expect_close()


@options(retain_available=False)
@covers("MQTT5-3.2.2-14")
def test_MQTT5_3_2_2_14_retain_not_available(t):
    client = t.connect("a")
    t.equal(client.connack.prop("retain_available"), 0)
    client.send(publish(t.topic("x"), b"m", retain=True))
    client.expect_error(0x9A)
    t.quiet(t.subscriber(t.topic("x"), suffix="b"))


@options(retain_available=False)
@versions(4)
def test_retain_not_available_in_3_1_1(t):
    """The connection ends or the message is passed on without being retained."""
    client = t.connect("a")
    client.send(publish(t.topic("x"), b"m", retain=True, version=4))
    try:
        client.ping()
    except Failure:
        pass
    t.quiet(t.subscriber(t.topic("x"), suffix="b"))


@options(wildcard_subscription=False)
@versions(4, 5)
@cases([(text, text) for text in ("#", "+", "a/+", "a/#")])
@covers("MQTT311-3.8.3-2")
def test_MQTT311_3_8_3_2_wildcards_not_available(t, text):
    client = t.connect("a")
    if t.version == 5:
        t.equal(client.connack.prop("wildcard_available"), 0)
    client.send(subscribe(1, [(text, 0), (t.topic("x"), 1)], version=t.version))
    got = client.recv()
    if got.type == DISCONNECT:
        t.equal(got.reason, 0xA2)
    else:
        t.equal(got.reasons, [0xA2 if t.version == 5 else 0x80, 1])


@options(shared_subscription=False)
@versions(4, 5)
@cases([("share", "$share/g/x"), ("queue", "$queue/x")])
def test_shared_subscriptions_not_available(t, text):
    client = t.connect("a")
    if t.version == 5:
        t.equal(client.connack.prop("shared_available"), 0)
    client.send(subscribe(1, [(text, 0), (t.topic("x"), 1)], version=t.version))
    got = client.recv()
    if got.type == DISCONNECT:
        t.equal(got.reason, 0x9E)
    else:
        t.equal(got.reasons, [0x9E if t.version == 5 else 0x80, 1])


@options(subscription_identifiers=False)
def test_subscription_identifiers_not_available(t):
    client = t.connect("a")
    t.equal(client.connack.prop("subscription_id_available"), 0)
    client.send(subscribe(1, [(t.topic("x"), 0)], props={"subscription_id": 1}))
    got = client.recv()
    if got.type == DISCONNECT:
        t.equal(got.reason, 0xA1)
    else:
        t.equal(got.reasons, [0xA1])


@options(max_topic_levels=3)
@versions(4, 5)
def test_too_many_levels_in_a_filter(t):
    client = t.connect("a")
    base = t.topic()
    client.send(subscribe(1, [(f"{base}/b/c", 0), (f"{base}/b/c/d", 0), (f"{base}/b/c/#", 0)],
                          version=t.version))
    bad = 0x8F if t.version == 5 else 0x80
    client.expect(SUBACK, reasons=[0, bad, bad])


@options(max_topic_levels=3)
def test_too_many_levels_in_a_topic(t):
    client = t.connect("a")
    client.publish(f"{t.topic()}/b/c", "m", qos=1)
    client.send(publish(f"{t.topic()}/b/c/d", b"m", qos=1, packet_id=9))
    got = client.recv()
    t.true(got.type in (PUBACK, DISCONNECT) and got.reason == 0x90, f"expected 0x90, got {got}")


@options(max_topic_levels=3)
@versions(4)
def test_too_many_levels_in_a_topic_in_3_1_1(t):
    """The message goes nowhere; the connection ends or the message is acknowledged in vain."""
    watcher = t.subscriber(f"{t.topic()}/#", suffix="w")
    client = t.connect("a")
    client.send(publish(f"{t.topic()}/b/c/d", b"m", qos=1, packet_id=9, version=4))
    try:
        client.expect(PUBACK)
    except Failure:
        pass
    t.quiet(watcher)


@options(max_clientid_len=30)
@versions(4, 5)
@covers("MQTT5-3.1.3-8", "MQTT311-3.1.3-9", "MQTT311-3.2.2-4", "MQTT5-3.2.2-6")
def test_MQTT5_3_1_3_8_client_id_too_long(t):
    client = t.socket()
    client.connect((t.id() + "x" * 30)[:30])
    client = t.socket()
    client.send(connect((t.id() + "x" * 31)[:31], version=t.version))
    client.expect_refused(0x85, 2)


@options(server_keepalive="7s")
def test_MQTT5_3_1_2_21_server_keep_alive_is_announced(t):
    t.equal(t.connect("a", keepalive=60).connack.prop("server_keepalive"), 7)


@slow
@options(server_keepalive="2s")
@private(bystander=False)
@covers("MQTT5-3.2.2-21", "MQTT5-3.1.2-21")
def test_MQTT5_3_2_2_21_server_keep_alive_holds(t):
    client = t.connect("a", keepalive=0)
    t.equal(client.connack.prop("server_keepalive"), 2)
    client.expect_silence(2700)
    client.expect_error(0x8D, timeout=4)


@slow
@options(keepalive_multiplier=3)
def test_keep_alive_multiplier(t):
    client = t.connect("a", keepalive=1)
    client.expect_silence(2500)
    client.expect_error(0x8D, timeout=4)


@slow
@options(connect_timeout="1s")
def test_connect_must_come_in_time(t):
    client, drip = t.socket(), t.socket()
    data = connect(t.id("drip"))
    for at in range(4):
        drip.sock.send(data[at:at + 1])
        client.expect_silence(200)
    client.expect_close(timeout=3)
    drip.expect_close(timeout=3)


@options(max_subscriptions=3)
@versions(4, 5)
def test_quota_of_subscriptions(t):
    client = t.connect("a")
    filters = [(t.topic(f"{n}"), 1) for n in range(5)]
    client.send(subscribe(1, filters, version=t.version))
    bad = 0x97 if t.version == 5 else 0x80
    client.expect(SUBACK, reasons=[1, 1, 1, bad, bad])
    client.subscribe(t.topic("0"), qos=2)  # replacing one is no more than there were
    client.unsubscribe(t.topic("1"))
    client.subscribe(t.topic("3"), qos=1)
    client.subscribe(t.topic("4"), qos=1, reasons=[bad])


@options(upgrade_qos=True)
def test_upgrade_qos(t):
    """Against the letter (MQTT5-3.8.4-8), so off by default: the higher of the two."""
    client, publisher = t.subscriber((t.topic("x"), 2), (t.topic("y"), 0)), t.connect("pub")
    publisher.publish(t.topic("x"), "m", qos=0)
    client.take(t.topic("x"), "m", qos=2)
    publisher.publish(t.topic("y"), "m", qos=1)
    client.take(t.topic("y"), "m", qos=1)


@options(ignore_loop_deliver=True)
@versions(3, 4)
def test_ignore_loop_deliver(t):
    client, other = t.subscriber(t.topic("x"), qos=1), t.connect("other")
    client.publish(t.topic("x"), "own", qos=1)
    t.quiet(client)
    other.publish(t.topic("x"), "foreign", qos=1)
    client.take(payload="foreign")


@options(response_information="answers/here")
@covers("MQTT5-3.1.2-28")
def test_response_information(t):
    for wanted in (0, 1):
        client = t.connect(f"a{wanted}", props={"request_response_info": wanted})
        t.equal(client.connack.prop("response_info"), "answers/here" if wanted else None)


@options(message_expiry_interval="10s")
@covers("MQTT5-3.3.2-6")
def test_message_expiry_is_capped(t):
    client, publisher = t.subscriber(t.topic("x"), qos=1), t.connect("pub")
    publisher.publish(t.topic("x"), "m", qos=1, props={"message_expiry": 1000})
    client.take(payload="m", prop_message_expiry={9, 10})


@options(payload_format_check=True)
@cases([("1", 1, PUBACK), ("2", 2, PUBREC)])
def test_payload_format_is_checked_when_configured(t, qos, kind):
    watcher = t.subscriber(t.topic("x"), suffix="w")
    client = t.connect("a")
    client.publish(t.topic("x"), "tëxt", qos=qos, props={"payload_format": 1})
    watcher.take(payload="tëxt".encode())
    client.publish(t.topic("x"), b"\xff", qos=qos, props={"payload_format": 0})
    watcher.take(payload=b"\xff")
    client.send(publish(t.topic("x"), b"\xff", qos=qos, packet_id=9, props={"payload_format": 1}))
    got = client.recv()
    t.true(got.type in (kind, DISCONNECT) and got.reason == 0x99, f"expected 0x99, got {got}")
    t.quiet(watcher)


@options(payload_format_check=True)
def test_payload_format_of_the_will_is_checked_when_configured(t):
    client = t.socket()
    client.send(connect(t.id("a"), will={"topic": t.topic("w"), "payload": b"\xff",
                                         "props": {"payload_format": 1}}))
    client.expect_refused(0x99)


@options(retained={"max_messages": 3})
@private()
def test_retained_messages_are_limited(t):
    publisher = t.connect("pub")
    for number in range(5):
        publisher.send(publish(t.topic(f"{number}"), b"m", qos=1, packet_id=1, retain=True))
        publisher.expect(PUBACK, packet_id=1)
    publisher.publish(t.topic("0"), "replaced", qos=1, retain=True)
    client = t.subscriber(t.topic("+"), qos=1)
    got = {p.topic: p.payload for p in client.take_all(3)}
    t.equal(got, {t.topic("0"): b"replaced", t.topic("1"): b"m", t.topic("2"): b"m"})
    t.quiet(client)


@options(retained={"max_payload_size": "1KB"})
def test_large_payloads_are_delivered_but_not_retained(t):
    client, publisher = t.subscriber(t.topic("x")), t.connect("pub")
    publisher.publish(t.topic("x"), b"s" * 1024, qos=1, retain=True)
    publisher.publish(t.topic("x"), b"L" * 1025, qos=1, retain=True)
    client.take(payload=b"s" * 1024)
    client.take(payload=b"L" * 1025)
    late = t.subscriber(t.topic("x"), suffix="late")
    try:
        got = late.expect(PUBLISH, timeout=0.1)
        t.equal(got.payload, b"s" * 1024, "the one retained before")
    except Failure as error:
        t.true("nothing came" in str(error), str(error))


@options(retained={"stop_publish_clear_msg": True})
def test_clearing_may_be_kept_from_subscribers(t):
    client, publisher = t.subscriber(t.topic("x")), t.connect("pub")
    publisher.publish(t.topic("x"), "kept", qos=1, retain=True)
    client.take(payload="kept")
    publisher.publish(t.topic("x"), b"", qos=1, retain=True)
    t.quiet(client, t.subscriber(t.topic("x"), suffix="late"))


@slow
@options(retained={"msg_expiry_interval": "1s"})
def test_retained_messages_expire_as_configured(t):
    publisher = t.connect("pub")
    publisher.publish(t.topic("x"), "kept", qos=1, retain=True)
    t.subscriber(t.topic("x"), suffix="a").take(payload="kept", retain=True)
    publisher.expect_silence(2300)
    t.quiet(t.subscriber(t.topic("x"), suffix="b"))


@options(limits={"max_connections": 5})
@private(bystander=False)
def test_connections_are_limited(t):
    clients = [t.connect(f"c{n}") for n in range(5)]
    extra = t.socket(wrap=None)
    extra.send(connect(t.id("extra")))
    try:
        extra.expect(CONNACK, reason={0x89, 0x97, 0x9F})
    except Failure as error:
        t.true("closed" in str(error) or "reset" in str(error), str(error))
    for client in clients:
        client.ping()
    clients[0].disconnect()
    clients[1].ping()
    again = None
    for _ in range(50):
        again = t.socket()
        again.send(connect(t.id("again")))
        try:
            again.expect(CONNACK, reason=0)
            break
        except Failure:
            again.close()
    again.ping()


@slow
@options(limits={"send_timeout": "1s"})
@private()
def test_a_client_that_takes_nothing_is_disconnected(t):
    """Its will tells so; the memory it held comes back to the others."""
    watcher, publisher = t.subscriber(t.topic("w"), suffix="w"), t.connect("pub")
    client = t.connect("a", will={"topic": t.topic("w"), "payload": b"gone"}, receive_buffer=4096)
    client.subscribe(t.topic("x"))
    for _ in range(200):
        publisher.publish(t.topic("x"), b"x" * 50000)
    publisher.ping()
    watcher.take(payload="gone", timeout=10)


@private(bystander=False)
@options(limits={"message_bytes": "1MB"})
@versions(4, 5)
def test_messages_of_all_clients_together_are_limited(t):
    """What cannot be kept is not acknowledged as if it were, QoS 0 goes on, and room comes back."""
    keeper = t.persistent("keeper")
    keeper.subscribe(t.topic("x"), qos=1)
    keeper.disconnect()
    watcher, publisher = t.subscriber(t.topic("live")), t.connect("pub")
    refused = False
    for number in range(100):
        publisher.send(publish(t.topic("x"), bytes(20000), qos=1, packet_id=number + 1))
        try:
            answer = publisher.expect(PUBACK, packet_id=number + 1)
        except Failure as error:
            t.true(t.version == 4 and "closed" in str(error), str(error))
            refused = True
            break
        if answer.reason >= 0x80:
            t.equal(answer.reason, 0x97)
            refused = True
            break
        # The limit is looked at a hundred times a second.
        time.sleep(0.011)
    t.true(refused, "two megabytes were kept")
    t.connect("other").publish(t.topic("live"), "goes on")
    watcher.take(payload="goes on")
    t.persistent("keeper", clean=True).disconnect()
    time.sleep(0.05)
    t.connect("again").publish(t.topic("live"), "room", qos=1)
    watcher.take(payload="room")
