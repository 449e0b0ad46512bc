"""DISCONNECT, PINGREQ, AUTH, and how the server ends."""

import signal
import threading
import time

from harness import cases, covers, only, private, slow, versions
from mqtt_wire import (CONNACK, PINGRESP, PUBLISH, connect, disconnect, pingreq,
                       publish, subscribe)


@versions(3, 4, 5)
@covers("MQTT5-3.12.4-1")
def test_MQTT311_3_12_4_1_pingreq_is_answered(t):
    client = t.connect("a")
    for _ in range(3):
        client.send("c0 00").expect_bytes("d0 00")
    client.send(pingreq() * 100)
    for _ in range(100):
        client.expect(PINGRESP)


@versions(3, 4, 5)
@covers("MQTT311-3.14.4-3", "MQTT5-3.14.4-3")
def test_server_closes_after_disconnect(t):
    """The client should close first; if it does not, the server does, without a word."""
    client = t.connect("a")
    client.send(disconnect())
    client.expect_close()


@versions(4, 5)
@covers("MQTT311-3.14.4-2", "MQTT5-3.14.4-1")
def test_nothing_after_disconnect_is_processed(t):
    watcher, client = t.subscriber(t.topic("x"), suffix="w"), t.connect("a")
    client.send(disconnect() + publish(t.topic("x"), b"late", version=t.version) + pingreq())
    client.expect_close()
    t.quiet(watcher)


@versions(4, 5)
def test_what_was_sent_before_disconnect_is_processed(t):
    watcher, client = t.subscriber(t.topic("x"), suffix="w"), t.connect("a")
    client.send(b"".join(publish(t.topic("x"), f"{n}", version=t.version) for n in range(50))
                + disconnect())
    client.close()
    got = watcher.take_all(50)
    t.equal([int(p.payload) for p in got], list(range(50)))


@cases([(f"{reason:02x}", reason) for reason in (0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93,
                                                 0x94, 0x95, 0x96, 0x97, 0x98, 0x99)])
def test_every_reason_that_a_client_may_give(t, reason):
    client = t.connect("a")
    client.send(disconnect(reason, {}))
    client.expect_close()


@versions(3, 4, 5)
@covers("MQTT311-4.8.0-2")
def test_half_closed_connection_gets_its_answers(t):
    """The client has sent all it had and said so (FIN): what it asked is not lost on the way."""
    watcher, client = t.subscriber(t.topic("x"), suffix="w", qos=1), t.connect("a")
    client.send(publish(t.topic("x"), b"last", qos=1, packet_id=5, version=t.version))
    client.sock.shutdown(1)
    watcher.take(payload="last")


@private(bystander=False, ends=True)
@covers("MQTT5-3.14.2-2")
def test_MQTT5_3_14_2_1_server_shutting_down(t):
    """SIGTERM: version 5 clients are told 0x8B, older ones are closed, the exit code is 0."""
    clients = [t.connect(f"c{n}", version=v) for n in range(5) for v in (3, 4, 5)]
    connecting = t.socket()
    code_of = start_termination(t)
    for client in clients:
        client.expect_error(0x8B)
    connecting.expect_close()
    t.equal(code_of(), 0, "exit code")


@private(bystander=False, ends=True)
def test_what_was_published_before_shutdown_is_delivered(t):
    client, publisher = t.subscriber(t.topic("x"), qos=1), t.connect("pub")
    for number in range(20):
        publisher.publish(t.topic("x"), f"{number}", qos=1)
    code_of = start_termination(t)
    for number in range(20):
        client.expect(PUBLISH, payload=f"{number}")
    client.expect_error(0x8B)
    t.equal(code_of(), 0, "exit code")


@private(bystander=False, ends=True)
@only("sluiced")
def test_shutdown_while_messages_are_flowing(t):
    """A subscriber that does not read and a publisher that does not stop: it ends all the same
    within the drain timeout (5 s unless configured)."""
    stuck = t.connect("stuck", receive_buffer=4096)
    stuck.subscribe(t.topic("x"), qos=1)
    publisher = t.connect("pub")
    for _ in range(50):
        publisher.send(publish(t.topic("x"), b"x" * 50000))
    started = time.monotonic()
    code_of = start_termination(t)
    t.equal(code_of(), 0, "exit code")
    t.true(time.monotonic() - started < 10, "shutdown took more than 10 s")


def start_termination(t):
    """SIGTERM in the background; returns a function that waits for the exit code."""
    result = []
    thread = threading.Thread(target=lambda: result.append(t.broker.terminate()))
    thread.start()

    def code():
        thread.join()
        return result[0]
    return code


@private(bystander=False, ends=True)
def test_SIGINT_ends_the_broker_too(t):
    client = t.connect("a")
    t.broker.process.send_signal(signal.SIGINT)
    client.expect_error(0x8B)
    t.equal(t.broker.process.wait(20), 0, "exit code")


@versions(4, 5)
def test_many_short_connections(t):
    for number in range(300):
        client = t.socket()
        client.connect(t.id(f"c{number % 7}"))
        client.close()
        t.clients.remove(client)


@versions(4, 5)
def test_connection_closed_right_after_connect(t):
    for number in range(50):
        client = t.socket()
        client.send(connect(t.id(f"c{number}"), version=t.version)
                    + subscribe(1, [(t.topic("#"), 2)], version=t.version))
        client.reset()
    t.connect("c0").ping()


@slow
@private()
@only("sluiced")
def test_idle_broker_uses_no_processor_time(t):
    clients = [t.subscriber(t.topic(f"{n}"), suffix=f"c{n}", keepalive=600) for n in range(100)]
    clients[0].expect_silence(300)
    before = t.broker.cpu_seconds()
    clients[0].expect_silence(2000)
    used = t.broker.cpu_seconds() - before
    t.true(used <= 0.1, f"{used:.2f} s of processor time in 2 s")


@covers("MQTT5-4.12.0-2", "MQTT5-4.12.0-3")
def test_enhanced_authentication_is_refused_in_order(t):
    """No authenticator offers a method: 0x8C (or 0x87) and the end, never an AUTH packet."""
    for props in ({"auth_method": "PLAIN"}, {"auth_method": "GS2-KRB5", "auth_data": b"\0" * 300}):
        client = t.socket()
        client.send(connect(t.id("a"), props=props))
        client.expect_refused({0x8C, 0x87})


@covers("MQTT5-3.2.0-1")
def test_MQTT5_3_2_0_1_nothing_before_connack(t):
    """A session full of messages is resumed: CONNACK first all the same (checked by the
    harness), then what waited."""
    client = t.persistent("a")
    client.subscribe(t.topic("x"), qos=2)
    publisher = t.connect("pub")
    publisher.publish(t.topic("x"), "m", qos=2)
    client.expect(PUBLISH)
    client.close()
    client = t.socket()
    client.send(connect(t.id("a"), clean=False, props={"session_expiry": 60}))
    client.expect(CONNACK, session_present=True)
    client.expect(PUBLISH, dup=True)
    client.ping()
