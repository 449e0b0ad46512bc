"""Wills: when they are published, when not, with what."""

import time

from harness import cases, covers, options, slow, versions
from mqtt_wire import PUBLISH, connect, disconnect, pingreq


def watch(t, suffix="w", qos=2, version=None, filters=()):
    return t.subscriber(t.topic("will"), *filters, suffix=suffix, qos=qos, version=version)


def will(t, payload=b"gone", **values):
    return {"topic": t.topic("will"), "payload": payload, **values}


@versions(3, 4, 5)
@cases([("0", 0), ("1", 1), ("2", 2)])
@covers("MQTT311-3.1.2-8", "MQTT311-3.1.2-9", "MQTT5-3.1.2-7", "MQTT5-3.1.2-9", "MQTT5-3.1.2-12",
        "MQTT311-3.1.2-14", "MQTT311-3.1.2-16", "MQTT5-3.1.2-14")
def test_MQTT5_3_1_2_8_published_when_the_connection_closes(t, qos):
    watcher = watch(t)
    t.connect("a", will=will(t, qos=qos)).close()
    watcher.take(t.topic("will"), "gone", qos=qos, retain=False)
    t.quiet(watcher)


@versions(3, 4, 5)
@covers("MQTT311-3.1.2-8")
def test_published_on_a_reset(t):
    watcher = watch(t)
    t.connect("a", will=will(t)).reset()
    watcher.take(payload="gone")


@versions(3, 4, 5)
@covers("MQTT311-3.1.2-10", "MQTT311-3.14.4-3", "MQTT5-3.1.2-10", "MQTT311-3.1.2-12")
def test_MQTT5_3_14_4_3_not_published_after_disconnect(t):
    watcher = watch(t)
    t.connect("a", will=will(t)).disconnect()
    t.connect("b", will=will(t)).disconnect(0 if t.version == 5 else None)
    t.connect("c").close()
    t.quiet(watcher)


@covers("MQTT5-3.1.2-8", "MQTT5-3.1.2-10")
@cases([("04", 0x04), ("80", 0x80), ("81", 0x81), ("93", 0x93)])
def test_MQTT5_3_1_2_8_published_after_disconnect_with_another_reason(t, reason):
    watcher = watch(t)
    t.connect("a", will=will(t)).disconnect(reason)
    watcher.take(payload="gone")
    t.quiet(watcher)


@versions(3, 4, 5)
@covers("MQTT311-3.1.2-8", "MQTT5-3.1.2-8")
def test_published_on_a_protocol_error(t):
    watcher = watch(t)
    client = t.connect("a", will=will(t))
    client.send("36 00")
    client.expect_error(0x81)
    watcher.take(payload="gone")
    t.quiet(watcher)


@slow
@versions(4, 5)
@covers("MQTT311-3.1.2-8", "MQTT311-3.1.2-24")
def test_published_on_keep_alive_timeout(t):
    watcher = watch(t)
    t.connect("a", will=will(t), keepalive=1)
    watcher.expect_silence(1200)
    watcher.take(payload="gone", timeout=4)


@versions(3, 4, 5)
@covers("MQTT311-3.1.2-17", "MQTT5-3.1.2-15")
def test_MQTT5_3_1_2_15_retained_will(t):
    watcher = watch(t)
    t.connect("a", will=will(t, retain=True, qos=1)).close()
    watcher.take(payload="gone", retain=False)
    late = watch(t, "late")
    late.take(payload="gone", retain=True, qos=1)
    t.connect("b", will=will(t, b"", retain=True)).close()
    watcher.take(payload=b"")
    t.quiet(watch(t, "later"))


@versions(3, 4, 5)
@covers("MQTT311-3.1.2-16", "MQTT5-3.1.2-14")
def test_MQTT5_3_1_2_14_will_that_is_not_retained(t):
    watcher = watch(t)
    t.connect("a", will=will(t)).close()
    watcher.take(payload="gone", retain=False)
    t.quiet(watch(t, "late"))


def test_empty_will_payload(t):
    watcher = watch(t)
    t.connect("a", will=will(t, b"")).close()
    watcher.take(payload=b"")


@versions(4, 5)
@covers("MQTT311-3.1.2-10", "MQTT5-3.1.2-10")
def test_MQTT5_3_1_2_10_a_will_is_published_once(t):
    watcher = watch(t)
    t.persistent("a", will=will(t)).close()
    watcher.take(payload="gone")
    client = t.persistent("a")
    client.ping()
    client.close()
    t.quiet(watcher)


@versions(4, 5)
def test_the_will_of_the_last_connection_counts(t):
    watcher = watch(t)
    t.connect("a", will=will(t, b"first")).disconnect()
    t.connect("a", will=will(t, b"second")).close()
    watcher.take(payload="second")
    t.quiet(watcher)


@versions(4, 5)
@covers("MQTT311-3.1.2-8", "MQTT5-3.1.2-8")
def test_takeover_publishes_the_will(t):
    """Without a delay interval the will of the connection that is taken over is due at once."""
    watcher = watch(t)
    t.connect("a", will=will(t, b"first"))
    client = t.connect("a", will=will(t, b"second"))
    watcher.take(payload="first")
    t.quiet(watcher)
    client.disconnect()


def test_takeover_of_a_session_publishes_the_will_without_delay(t):
    watcher = watch(t)
    t.persistent("a", will=will(t))
    client = t.persistent("a")
    watcher.take(payload="gone")
    client.ping()


@covers("MQTT5-3.1.3-9")
def test_MQTT5_3_1_3_9_takeover_within_the_delay_cancels_the_will(t):
    watcher = watch(t)
    t.persistent("a", will=will(t, props={"will_delay": 60}))
    client = t.persistent("a")
    t.quiet(watcher)
    client.disconnect()
    t.quiet(watcher)


def test_takeover_with_clean_start_publishes_a_delayed_will(t):
    """The session ends, and with it the delay."""
    watcher = watch(t)
    t.persistent("a", will=will(t, props={"will_delay": 60}))
    t.connect("a", clean=True)
    watcher.take(payload="gone")
    t.quiet(watcher)


@slow
def test_MQTT5_3_1_2_8_will_delay_interval(t):
    watcher = watch(t)
    t.persistent("a", will=will(t, props={"will_delay": 1})).close()
    started = time.monotonic()
    watcher.expect_silence(800)
    watcher.take(payload="gone", timeout=2.5)
    t.true(0.95 <= time.monotonic() - started <= 2.5, "published too early or too late")
    t.quiet(watcher)


@slow
def test_MQTT5_3_1_3_9_reconnecting_within_the_delay_cancels_the_will(t):
    watcher = watch(t)
    t.persistent("a", will=will(t, props={"will_delay": 1})).close()
    client = t.persistent("a")
    watcher.expect_silence(1800)
    client.disconnect()
    t.quiet(watcher)


def test_clean_start_within_the_delay_publishes_the_will(t):
    watcher = watch(t)
    t.persistent("a", will=will(t, props={"will_delay": 60})).close()
    t.quiet(watcher)
    t.connect("a", clean=True)
    watcher.take(payload="gone")


@slow
def test_MQTT5_3_1_2_8_session_expiry_before_the_delay(t):
    """The will is due when the session ends, if that comes first."""
    watcher = watch(t)
    t.persistent("a", expiry=1, will=will(t, props={"will_delay": 60})).close()
    watcher.expect_silence(700)
    watcher.take(payload="gone", timeout=2.5)


def test_will_delay_without_a_session_is_no_delay(t):
    watcher = watch(t)
    t.connect("a", will=will(t, props={"will_delay": 60})).close()
    watcher.take(payload="gone")


def test_will_delay_and_disconnect_with_expiry_0(t):
    watcher = watch(t)
    client = t.persistent("a", will=will(t, props={"will_delay": 60}))
    client.disconnect(0x04, {"session_expiry": 0})
    watcher.take(payload="gone")


@slow
def test_will_delay_and_disconnect_04(t):
    watcher = watch(t)
    t.persistent("a", will=will(t, props={"will_delay": 1})).disconnect(0x04)
    watcher.expect_silence(700)
    watcher.take(payload="gone", timeout=2.5)


@covers("MQTT5-3.1.3-10", "MQTT5-3.3.2-18", "MQTT5-3.3.2-4", "MQTT5-3.3.2-16", "MQTT5-3.3.2-20")
def test_MQTT5_3_1_3_10_properties_of_the_will(t):
    watcher, old = watch(t), watch(t, "old", version=4)
    props = [("will_delay", 0), ("user", ("b", "1")), ("payload_format", 1),
             ("content_type", "text/plain"), ("user", ("a", "2")), ("response_topic", "answer"),
             ("correlation_data", b"\0\xff"), ("user", ("b", "1")), ("message_expiry", 500)]
    t.connect("a", will=will(t, "gone".encode(), qos=1, props=props)).close()
    got = watcher.take(payload="gone")
    t.equal(got.all("user"), [("b", "1"), ("a", "2"), ("b", "1")])
    for name, want in (("payload_format", 1), ("content_type", "text/plain"),
                       ("response_topic", "answer"), ("correlation_data", b"\0\xff")):
        t.equal(got.prop(name), want, name)
    t.true(498 <= got.prop("message_expiry", 0) <= 500, f"message expiry in {got}")
    t.equal(got.prop("will_delay"), None)
    old.take(payload="gone")


@versions(4, 5)
def test_a_client_may_have_subscribed_to_its_own_will(t):
    """Its session gets the will as any other subscriber does."""
    client = t.persistent("a", will=will(t, qos=1))
    client.subscribe(t.topic("will"), qos=1)
    client.close()
    client = t.persistent("a")
    client.take(t.topic("will"), "gone", qos=1)


@versions(4, 5)
def test_will_topic_with_dollar_and_slashes(t):
    topic = "/" + t.topic("//will/")
    watcher = t.subscriber(topic)
    t.connect("a", will={"topic": topic, "payload": b"x"}).close()
    watcher.take(topic, "x")


@versions(4, 5)
def test_will_of_a_refused_connect_is_not_published(t):
    watcher = watch(t)
    client = t.socket()
    data = bytearray(connect(t.id("a"), version=t.version, will=will(t)))
    client.send(connect(t.id("a"), version=t.version, will=will(t), flags=1))
    try:
        client.recv()
    except AssertionError:
        pass
    client.close()
    client = t.socket()
    client.send(bytes(data[:-1]))  # CONNECT that never becomes whole
    client.close()
    t.quiet(watcher)


@versions(4, 5)
def test_wills_of_fifty_clients(t):
    watcher = watch(t, qos=1)
    clients = [t.connect(f"c{n}", will=will(t, f"{n}".encode(), qos=1)) for n in range(50)]
    for client in clients:
        client.close()
    got = watcher.take_all(50)
    t.equal(sorted(int(p.payload) for p in got), list(range(50)))


@versions(4, 5)
def test_will_when_the_client_half_closes(t):
    """An end of the stream towards the server without DISCONNECT is a lost connection."""
    watcher = watch(t)
    client = t.connect("a", will=will(t))
    client.send(pingreq())
    client.sock.shutdown(1)
    watcher.take(payload="gone")


@versions(4, 5)
def test_disconnect_in_the_same_segment_as_the_end(t):
    watcher = watch(t)
    client = t.connect("a", will=will(t))
    client.send(pingreq() + (disconnect() if t.version == 4 else disconnect(0)))
    client.sock.shutdown(1)
    t.quiet(watcher)


@options(retain_available=False)
@covers("MQTT5-3.2.2-13")
def test_MQTT5_3_2_2_13_retained_will_where_retain_is_not_available(t):
    client = t.socket()
    client.send(connect(t.id("a"), will=will(t, retain=True)))
    client.expect_refused(0x9A)


@options(max_qos=1)
@covers("MQTT5-3.2.2-12")
def test_MQTT5_3_2_2_12_will_qos_above_the_maximum(t):
    client = t.socket()
    client.send(connect(t.id("a"), will=will(t, qos=2)))
    client.expect_refused(0x9B)
    t.connect("b", will=will(t, qos=1)).disconnect()


@slow
@versions(5)
def test_delayed_retained_will_replaces(t):
    t.connect("p").publish(t.topic("will"), "online", qos=1, retain=True)
    t.persistent("a", will=will(t, b"offline", retain=True, props={"will_delay": 1})).close()
    watch(t, "one").take(payload="online", retain=True)
    t.connect("wait").expect_silence(2000)
    watch(t, "two").take(payload="offline", retain=True)


@versions(4, 5)
def test_will_goes_to_offline_sessions(t):
    client = t.persistent("s")
    client.subscribe(t.topic("will"), qos=1)
    client.disconnect()
    t.connect("a", will=will(t, qos=1)).close()
    watch(t)  # one more shard has had its turn
    time.sleep(t.quiet_ms / 1000)
    t.persistent("s").expect(PUBLISH, payload="gone", qos=1)
