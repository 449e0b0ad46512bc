"""Rates of listeners and of clients: back-pressure first, words where configured."""

import time

from harness import cases, only, options, private, slow, timed, versions
from mqtt_wire import CONNACK, PUBACK, Closed, connect, publish
from test_metrics import scrape

OPTIONS = {"admin": True}
RECEIVED_QOS1 = 'sluice_messages_received_total{qos="1"}'


def pauses(t, reason):
    return scrape(t)[f'sluice_connection_pauses_total{{reason="{reason}"}}']


def send_many(t, client, count, size=1, qos=1):
    for number in range(count):
        client.send(publish(t.topic(), "x" * size, qos=qos,
                            packet_id=number + 1 if qos else None, version=client.version))


def acked(client, count, timeout=5):
    """Seconds until `count` acknowledgements have come."""
    start = time.monotonic()
    for _ in range(count):
        client.wait(PUBACK, timeout)
    return time.monotonic() - start


@only("sluiced")
@slow
@versions(4, 5)
@options(listener={"messages_rate": "20/s", "messages_burst": 5})
@private()
@timed
def test_messages_over_the_rate_wait(t):
    """The burst passes at once, the others as the rate allows, and none is lost."""
    client = t.connect("a")
    before = scrape(t)[RECEIVED_QOS1]
    send_many(t, client, 25)
    t.true(acked(client, 5) < 0.3, "the burst does not pass at once")
    took = acked(client, 20)
    t.true(0.8 < took < 3, f"20 messages at 20/s took {took:.2f} s")
    client.ping()
    t.equal(scrape(t)[RECEIVED_QOS1] - before, 25, "messages counted, each once")
    t.true(pauses(t, "messages_rate") > 0, "no pause was counted")
    # Another client has a rate of its own.
    other = t.connect("b")
    send_many(t, other, 5)
    t.true(acked(other, 5) < 0.3, "another client's burst does not pass at once")


@only("sluiced")
@options(listener={"messages_rate": "5/m", "over_rate_disconnect": True})
@private()
@versions(4, 5)
def test_MQTT5_reason_0x96_message_rate_too_high(t):
    client = t.connect("a")
    send_many(t, client, 5)
    acked(client, 5)
    send_many(t, client, 1)
    client.expect_error(0x96)
    t.true(scrape(t)['sluice_connections_closed_total{cause="rate_exceeded"}'] == 1, "not counted")


@only("sluiced")
@slow
@options(listener={"bytes_rate": "100KB/s", "bytes_burst": "10KB"})
@private()
def test_bytes_over_the_rate_wait(t):
    """A message far larger than the burst passes and is paid for by waiting."""
    client = t.connect("a")
    start = time.monotonic()
    send_many(t, client, 2, size=60000)
    acked(client, 2)
    client.ping()
    took = time.monotonic() - start
    t.true(0.8 < took < 4, f"120 KB at 100KB/s took {took:.2f} s")
    t.true(pauses(t, "bytes_rate") > 0, "no pause was counted")


@only("sluiced")
@options(listener={"bytes_rate": "1KB/m", "over_rate_disconnect": True})
@private()
@versions(4, 5)
def test_MQTT5_reason_0x97_quota_exceeded_by_bytes(t):
    client = t.connect("a")
    client.ping()
    send_many(t, client, 1, size=2000, qos=0)
    client.expect_error(0x97)


@only("sluiced")
@slow
@options(listener={"messages_rate": "1/3s"})
@private()
def test_keep_alive_is_not_charged_while_paused(t):
    """One that is not read from cannot show that it lives."""
    client = t.connect("a", keepalive=1)
    send_many(t, client, 2)
    acked(client, 1)
    time.sleep(2.2)
    acked(client, 1)
    client.ping()


@only("sluiced")
@options(listener={"messages_rate": "1/h"})
@private()
def test_a_client_that_is_paused_can_leave_and_be_taken_over(t):
    first = t.connect("a")
    send_many(t, first, 3)
    acked(first, 1)
    second = t.connect("a")
    first.expect_error(0x8E)
    send_many(t, second, 3)
    acked(second, 1)
    second.abandon()
    third = t.connect("a")
    third.ping()


@only("sluiced")
@options(listener={"messages_rate": "2/2s"})
@private()
def test_a_reload_frees_whom_a_rate_holds(t):
    client = t.connect("a")
    send_many(t, client, 50)
    acked(client, 2)
    t.equal(t.broker.reload(listener={}), "applied")
    t.true(acked(client, 48, timeout=10) < 5, "it still waits")


@only("sluiced")
@options(listener={})
@private(bystander=False)
def test_connections_of_an_address_over_the_rate_are_closed(t):
    t.equal(t.broker.reload(listener={"max_conn_rate_per_address": "6/m"}), "applied")
    counted, closed = 0, 0
    for number in range(20):
        try:
            t.socket(source="127.0.0.2").connect(t.id(number))
            counted += 1
        except (Closed, OSError):  # over TLS the handshake is what ends
            closed += 1
    t.equal((counted, closed), (6, 14))
    t.equal(scrape(t)['sluice_connections_refused_total{reason="address_rate"}'], 14)
    # Another address is another source.
    t.socket(source="127.0.0.3").connect(t.id("other"))


@only("sluiced")
@slow
@options(listener={})
@private(bystander=False)
@cases([("from the start", True), ("by reload", False)])
@timed
def test_a_listener_over_its_rate_lets_connections_wait(t, from_start):
    """20 at once, then 20 a second: those that wait are not closed."""
    limit = {"max_conn_rate": "20/s", "max_conn_burst": 10}
    t.equal(t.broker.reload(listener=limit), "applied")
    if from_start:
        time.sleep(1)
    start = time.monotonic()
    clients = [t.socket(source="127.0.0.2", timeout=20) for _ in range(50)]
    for number, client in enumerate(clients):
        client.send(connect(t.id(number)))
    for client in clients:
        client.expect(CONNACK, reason=0)
    took = time.monotonic() - start
    t.true(1.0 < took < 6, f"50 connections took {took:.2f} s")
    found = scrape(t)
    t.true(found["sluice_accept_pauses_total"] > 0, "no pause was counted")
    t.equal(found['sluice_connections_refused_total{reason="limit"}'], 0)
    t.equal(t.broker.reload(listener={}), "applied")
    start = time.monotonic()
    for _ in range(50):
        t.socket(source="127.0.0.2").connect(t.id())
    t.true(time.monotonic() - start < 2, "the rate is gone, but connections wait")


@only("sluiced")
@options(listener={"messages_rate": "1000000/s", "bytes_rate": "1GB/s"})
@private()
def test_below_the_rate_nobody_notices(t):
    client, subscriber = t.connect("a"), t.subscriber(t.topic(), qos=1)
    send_many(t, client, 500)
    acked(client, 500)
    subscriber.take_all(500)
    t.equal((pauses(t, "messages_rate"), pauses(t, "bytes_rate")), (0, 0))
