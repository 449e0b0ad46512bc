"""What the broker does under too much load, step by step, and about packets that never end.

Memory is made to look high by a mark below what any process takes; the marks are moved by reloads,
so that each level stays as long as a test needs it.
"""

import time

from harness import cases, only, options, private, slow, timed, versions
from mqtt_wire import PUBACK, Failure, TimedOut, connect, publish
from test_metrics import scrape, until

OPTIONS = {"admin": True}
HIGH = {"enable": True, "memory_high": "1MB", "loop_lag_high": "infinity", "step_time": "100ms",
        "greedy_rate": "20/s"}
ALARMS = ("overload_refusing", "overload_pausing", "overload_shedding")


def climb(t, level):
    """Up to this level, and there it stays."""
    t.equal(t.broker.reload(overload_protection=HIGH), "applied")
    until(t, lambda found: found["sluice_overload_level"] >= level, f"level {level} never came")
    if level < 3:
        t.equal(t.broker.reload(overload_protection={**HIGH, "step_time": "1h"}), "applied")
    found = scrape(t)
    reached = found["sluice_overload_level"]
    t.true(reached >= level, f"level {reached}")
    for number, name in enumerate(ALARMS):
        t.equal(found[f'sluice_alarm{{name="{name}"}}'], int(reached > number), name)


def calm(t):
    t.equal(t.broker.reload(overload_protection={**HIGH, "memory_high": "infinity"}), "applied")
    found = until(t, lambda found: found["sluice_overload_level"] == 0, "it never ends")
    for name in ALARMS:
        t.equal(found[f'sluice_alarm{{name="{name}"}}'], 0)


@only("sluiced")
@private(bystander=False)
@versions(4, 5)
@cases([("busy", "", 0x89), ("elsewhere", "other:1883", 0x9C)])
def test_MQTT5_reason_0x89_and_0x9C_overload_refuses_connections(t, reference, reason):
    old = t.connect("old")
    climb(t, 1)
    if reference:
        t.equal(t.broker.reload(server_reference=reference), "applied")
    client = t.socket()
    client.send(connect(t.id("new"), version=t.version))
    if t.version == 5:
        got = client.expect(2, reason=reason)
        t.equal(got.prop("server_reference"), reference or None)
        client.expect_close()
    else:
        client.expect_refused(reason, 3)
    old.ping()
    t.equal(scrape(t)["sluice_connects_refused_overload_total"], 1)
    t.broker.says("alarm overload_refusing raised")
    calm(t)
    t.broker.says("alarm overload_refusing cleared")
    t.connect("new").ping()


@only("sluiced")
@private(bystander=False)
@slow
@timed
def test_overload_pauses_greedy_publishers(t):
    """Who publishes much is held to the rate; who publishes little, or nothing, is not."""
    greedy, modest = t.connect("greedy"), t.connect("modest")
    climb(t, 2)
    start = time.monotonic()
    for number in range(60):
        greedy.send(publish(t.topic(), "x", qos=1, packet_id=number + 1))
    modest.publish(t.topic(), "x", qos=1)
    modest.ping()
    t.true(time.monotonic() - start < 1, "the modest one waits as well")
    for _ in range(60):
        greedy.wait(PUBACK, 10)
    took = time.monotonic() - start
    t.true(took > 1.5, f"60 messages at 20/s, 20 at once, took {took:.2f} s")
    t.true(scrape(t)['sluice_connection_pauses_total{reason="overload"}'] > 0, "not counted")
    for number in range(300):
        greedy.send(publish(t.topic(), "x", qos=1, packet_id=number + 1))
    calm(t)
    for _ in range(300):
        greedy.wait(PUBACK, 10)


@only("sluiced")
@private(bystander=False)
@slow
def test_overload_drops_qos_0_and_nothing_else(t):
    publisher, subscriber = t.connect("pub"), t.subscriber(t.topic(), qos=1)
    climb(t, 3)
    publisher.ping()  # a shard that slept learns of the level with its next turn
    # An alias that comes with a dropped message is known afterwards.
    publisher.send(publish(t.topic(), "lost", props={"topic_alias": 1}))
    publisher.publish("", "kept", qos=1, props={"topic_alias": 1})
    subscriber.take(t.topic(), "kept")
    t.equal(scrape(t)['sluice_messages_dropped_total{reason="overload"}'], 1)
    calm(t)
    publisher.publish(t.topic(), "again")
    subscriber.take(t.topic(), "again")


@only("sluiced")
@private(bystander=False)
@slow
def test_long_turns_are_overload(t):
    """A fan-out that keeps a shard busy for longer than the mark allows, again and again."""
    subscribers = [t.subscriber(t.topic(), suffix=number) for number in range(200)]
    publisher = t.connect("pub")
    lag = {**HIGH, "memory_high": "infinity", "loop_lag_high": "1ms", "step_time": "300ms"}
    t.equal(t.broker.reload(overload_protection=lag), "applied")
    deadline = time.monotonic() + 30
    while scrape(t)["sluice_overload_level"] == 0:
        t.true(time.monotonic() < deadline, "200 copies of 100 messages at once are no overload")
        publisher.send(b"".join(publish(t.topic(), "x" * 10) for _ in range(100)))
        for subscriber in subscribers:
            subscriber.buffer.clear()
            subscriber.sock.setblocking(False)
            try:
                subscriber.sock.recv(1 << 20)
            except BlockingIOError:
                pass
    t.equal(t.broker.reload(overload_protection={**lag, "enable": False}), "applied")
    until(t, lambda found: found["sluice_overload_level"] == 0, "it does not end when switched off")


@only("sluiced")
@options(limits={"packet_timeout": "500ms"})
@slow
@private()
@versions(4, 5)
@timed
def test_a_packet_that_never_ends_is_given_up(t):
    """Without keep alive, and though a byte comes from time to time."""
    client, idle = t.connect("a", keepalive=0), t.connect("idle", keepalive=0)
    client.ping()
    data = publish(t.topic(), "x" * 100, version=t.version)
    start = time.monotonic()
    client.send(data[:2])
    try:
        for byte in data[2:-1]:
            time.sleep(0.1)
            client.send(bytes([byte]))
            t.true(time.monotonic() - start < 3, "it is still connected")
            client.expect_silence(1)
    except Exception:
        pass
    took = time.monotonic() - start
    t.true(0.4 < took < 2, f"after {took:.2f} s")
    t.equal(until(t, lambda f: f['sluice_connections_closed_total{cause="packet_timeout"}'] == 1,
                  "not counted")["sluice_unfinished_bytes"], 0)
    idle.ping()
    # A packet that comes slowly, but in time, is fine; and so is what follows it.
    while True:
        longest = send_slowly(t, data)
        if longest < 0.3:
            break
        t.true(time.monotonic() - start < 60, f"this machine takes {longest:.2f} s for 0.2 s")


def send_slowly(t, data):
    """A packet five times in two parts; the longest time between the parts. If that is not much
    below the time-out, because other programs came between, the connection may have ended."""
    slow_one, longest = t.connect("slow", keepalive=0), 0
    try:
        for _ in range(5):
            began = time.monotonic()
            slow_one.send(data[:50])
            time.sleep(0.2)
            longest = max(longest, time.monotonic() - began)
            slow_one.send(data[50:])
        slow_one.ping()
    except (Failure, OSError):
        if longest < 0.3:
            raise
    return longest


@only("sluiced")
@options(connect_timeout="400ms")
@slow
@private()
@cases([("nothing", b""), ("a byte", b"\x10"), ("most of it", None)])
@timed
def test_connect_that_trickles_is_given_up(t, first):
    data = connect(t.id("x"))
    client = t.socket()
    start = time.monotonic()
    client.send(data[:-1] if first is None else first)
    client.expect_close()
    t.true(0.3 < time.monotonic() - start < 2, "not in time")


@only("sluiced")
@options(limits={"unfinished_bytes": "64KB"})
@private()
@timed
def test_unfinished_packets_of_all_clients_are_bounded(t):
    clients = [t.connect(number) for number in range(8)]
    data = publish(t.topic(), "x" * 200000)
    gone = 0
    for client in clients:
        client.send(data[:30000])
        time.sleep(0.05)
    for client in clients:
        client.send(data[30000:60000])
        try:
            client.expect(14, 0.3, reason=0x97)
            gone += 1
        except TimedOut:
            pass
    t.true(gone >= 5, f"only {gone} of 8 were disconnected")
    found = scrape(t)
    t.equal(found['sluice_connections_closed_total{cause="unfinished_bytes"}'], gone)
    # Small beginnings are let alone, and the memory comes back.
    small = t.connect("small")
    ping = publish(t.topic(), "x" * 100)
    small.send(ping[:50])
    time.sleep(0.05)
    small.send(ping[50:])
    small.ping()
    for client in clients:
        client.abandon()
    until(t, lambda f: f["sluice_unfinished_bytes"] == 0, "memory of packets does not come back")
