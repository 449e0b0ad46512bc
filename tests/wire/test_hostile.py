"""Slow and hostile clients: whatever they do, the others are served and memory stays bounded."""

import os
import resource
import select
import socket
import ssl
import time

import certificates
from harness import Skip, alone, cases, only, options, private, slow, timed, versions
from mqtt_wire import (CONNACK, PUBACK, PUBLISH, Closed, Failure, TimedOut, ack, connect, pingreq,
                       publish, readiness, subscribe, varint)
from tls_socket import TlsSocket, context as tls_context
from ws_socket import WsSocket


def round_trips(t, client, topic, count=20):
    """A well-behaved client publishes to itself; returns the slowest round in seconds."""
    slowest = 0.0
    for number in range(count):
        started = time.monotonic()
        client.publish(topic, f"{number}", qos=1)
        client.take(topic, f"{number}")
        slowest = max(slowest, time.monotonic() - started)
    return slowest


@slow
@versions(4, 5)
def test_one_byte_at_a_time_is_served(t):
    """A slow client is not a broken one: PUBLISH of 30 bytes at 50 bytes a second."""
    watcher, client = t.subscriber(t.topic("x"), suffix="w"), t.connect("a", keepalive=60)
    for byte in publish(t.topic("x"), b"slow", version=t.version):
        client.sock.send(bytes([byte]))
        time.sleep(0.02)
    watcher.take(t.topic("x"), "slow")


@slow
@private()
@versions(4)
@cases([("0", 0), ("1", 1), ("2", 2)])
def test_a_subscriber_that_never_reads(t, qos):
    """60 MB flow past it to another subscriber that reads. The other gets everything; memory
    does not grow with what the first one does not take."""
    stuck = t.connect("stuck", receive_buffer=4096)
    stuck.subscribe(t.topic("x"), qos=qos)
    reader, publisher = t.subscriber(t.topic("x"), qos=1), t.connect("pub")
    payload = b"x" * 20000
    before = t.broker.memory_kb()
    for turn in range(150):
        publisher.send(b"".join(publish(t.topic("x"), b"%04d" % n + payload, version=4)
                                for n in range(20)))
        got = reader.take_all(20)
        t.equal([int(p.payload[:4]) for p in got], list(range(20)))
    after = t.broker.memory_kb()
    if before is not None:
        t.true(after - before < 40000, f"resident memory grew by {after - before} KiB")


@private()
@slow
@versions(4)
def test_what_a_slow_reader_gets_is_in_order_and_whole(t):
    """It reads in the end: whole packets, in order, perhaps with gaps at QoS 0."""
    slow_one = t.connect("slow", receive_buffer=4096)
    slow_one.subscribe(t.topic("x"))
    publisher = t.connect("pub")
    for start in range(0, 2000, 100):
        publisher.send(b"".join(publish(t.topic("x"), b"%06d" % n + b"x" * 3000, version=4)
                                for n in range(start, start + 100)))
        publisher.ping()
    slow_one.send(pingreq())
    numbers = []
    while True:
        got = slow_one.recv()
        if got.type != PUBLISH:
            break
        t.equal(len(got.payload), 3006)
        numbers.append(int(got.payload[:6]))
    t.true(numbers == sorted(set(numbers)), "order")
    t.true(len(numbers) >= 100, f"only {len(numbers)} messages")


@private()
@versions(4, 5)
def test_qos_1_to_a_slow_reader_is_not_lost_silently(t):
    """Within the limits of the window and the queue (32 and 1000) nothing is dropped."""
    slow_one = t.connect("slow", receive_buffer=4096)
    slow_one.subscribe(t.topic("x"), qos=1)
    publisher = t.connect("pub")
    for start in range(0, 900, 20):
        publisher.send(b"".join(
            publish(t.topic("x"), b"%06d" % n + b"x" * 2000, qos=1, packet_id=n + 1,
                    version=t.version) for n in range(start, start + 20)))
        for _ in range(20):
            publisher.expect(PUBACK)
    got = slow_one.take_all(900)
    t.equal([int(p.payload[:6]) for p in got], list(range(900)))


@slow
@options(connect_timeout="3s")
@private()
@alone
def test_ten_thousand_half_open_connects(t):
    """None of them says a whole CONNECT; a client that does is served at once; all are closed
    after connect_timeout."""
    want = 10000
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit[1] < want + 500:
        raise Skip("too few file descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    open_ones, poll = {}, select.epoll()
    started = time.monotonic()
    try:
        half = connect(t.id("half"))[:-1]
        for number in range(want):
            one = socket.socket()
            one.bind((f"127.0.0.{2 + number % 8}", 0))
            one.connect((t.broker.host, t.broker.port))
            one.send(half[:number % len(half)])
            one.setblocking(False)
            open_ones[one.fileno()] = one
            poll.register(one, select.EPOLLIN | select.EPOLLRDHUP)
        client = t.connect("good", props={})
        client.subscribe(t.topic("x"), qos=1)
        t.true(round_trips(t, client, t.topic("x")) < 1.0, "a round took more than 1 s")
        deadline = time.monotonic() + 3 + 10
        while open_ones and time.monotonic() < deadline:
            for number, _ in poll.poll(0.5):
                poll.unregister(number)
                open_ones.pop(number).close()
        t.equal(len(open_ones), 0, "connections still open")
        t.true(time.monotonic() - started > 2, "closed too early")
        client.ping()
    finally:
        for one in open_ones.values():
            one.close()
        poll.close()


class Drip:
    """A socket that, once it is slow, sends one byte at a time, with pauses."""

    def __init__(self, raw, is_slow):
        self.raw, self.is_slow = raw, is_slow

    def __getattr__(self, name):
        return getattr(self.raw, name)

    def send(self, data):
        for byte in data if self.is_slow else ():
            self.raw.send(bytes([byte]))
            time.sleep(0.02)
        return len(data) if self.is_slow else self.raw.send(data)

    def sendall(self, data):
        self.send(data)


LORIS_TLS = {**certificates.pair("server"), "handshake_timeout": "800ms"}
LORIS = {"tcp": None, "ws": "a", "tls": "b", "wss": "c", "unix": None}


@only("sluiced")
@slow
@options(scheme="tcp", connect_timeout="800ms", admin=True,
         more=[{"bind": "ws://127.0.0.1:{a}"}, {"bind": "tls://127.0.0.1:{b}", "tls": LORIS_TLS},
               {"bind": "wss://127.0.0.1:{c}", "tls": LORIS_TLS}, {"bind": "unix://{folder}/u"}])
@private()
@cases([(f"{scheme} {'from the first byte' if is_slow else 'CONNECT'}", scheme, is_slow)
        for scheme in LORIS for is_slow in (True, False)])
def test_slow_loris_by_every_transport(t, scheme, is_slow):
    """A client that never stops sending, a byte at a time, from the first one or once its
    transport is ready, is closed when CONNECT should be there."""
    raws = []

    def dial():
        path = os.path.join(t.broker.folder, "u") if scheme == "unix" else None
        raw = t.broker.dial(t.broker.ports.get(LORIS[scheme]), path)
        raws.append(Drip(raw, is_slow))
        sock = raws[-1]
        if scheme in ("tls", "wss"):
            sock = TlsSocket(sock, tls_context())
        return WsSocket(sock) if scheme in ("ws", "wss") else sock

    started = time.monotonic()
    try:
        sock = dial()
        raws[-1].is_slow = True
        for byte in connect(t.id("slow" * 20)) if not is_slow else connect(t.id("x")) * 20:
            sock.sendall(bytes([byte]))
            time.sleep(0.02)
        t.true(False, "it was not closed")
    except (ConnectionError, ssl.SSLError):
        pass
    took = time.monotonic() - started
    t.true(0.7 < took < 3, f"closed after {took:.2f} s")
    t.connect("good").ping()


@private()
@options(max_packet_size="256MB")
@versions(4, 5)
def test_memory_grows_with_bytes_received_not_with_bytes_announced(t):
    """40 clients announce a PUBLISH of 256 MB and send 2 KB of it."""
    before = t.broker.memory_kb()
    clients = [t.connect(f"c{n}") for n in range(40)]
    for client in clients:
        client.send(b"\x30" + varint(268000000) + b"\0\1x" + b"\0" * 2000)
    watcher = t.connect("w")
    watcher.ping()
    time.sleep(0.1)
    after = t.broker.memory_kb()
    if before is not None:
        t.true(after - before < 16000, f"resident memory grew by {after - before} KiB")
    for client in clients:
        client.expect_silence(1)


@versions(4, 5)
def test_announcing_more_than_is_allowed_ends_at_once(t):
    client = t.connect("a")
    client.send(b"\x30\xff\xff\xff\x7f\x00\x01x")
    client.expect_error(0x95)


@slow
@private(bystander=False, prlimit={"nofile": 128})
@only("sluiced")
def test_more_connections_than_descriptors(t):
    """Old ones are served, new ones wait or are refused, the broker does not spin; when some
    have gone there is room again."""
    old = [t.connect(f"old{n}") for n in range(20)]
    flood = []
    for number in range(300):
        one = socket.socket()
        one.settimeout(0.2)
        try:
            one.connect((t.broker.host, t.broker.port))
            one.send(connect(t.id(f"new{number}")))
        except OSError:
            pass
        flood.append(one)
    for client in old:
        client.ping()
    before = t.broker.cpu_seconds()
    time.sleep(1)
    used = t.broker.cpu_seconds() - before
    t.true(used < 0.5, f"{used:.2f} s of processor time in 1 s")
    for client in old:
        client.publish(t.topic("x"), "m", qos=1)
    for one in flood:
        one.close()
    deadline, error = time.monotonic() + 10, None
    while time.monotonic() < deadline:
        try:
            fresh = t.socket(timeout=1)
            fresh.connect(t.id("fresh"))
            fresh.ping()
            break
        except (Failure, OSError) as failure:
            error = failure
            time.sleep(0.1)
    else:
        raise Failure(f"no new connection after the flood: {error}")
    for client in old:
        client.ping()


@slow
@versions(4)
@timed
def test_subscribe_storm(t):
    """Thousands of filters come and go while others publish."""
    client, other = t.connect("storm"), t.connect("other")
    other.subscribe(t.topic("mine"), qos=1)
    for turn in range(10):
        filters = [t.topic(f"{turn}/{n}/+/#") for n in range(300)]
        client.subscribe(*filters)
        t.true(round_trips(t, other, t.topic("mine"), 5) < 2.0, "a round took more than 2 s")
        client.unsubscribe(*filters)
    client.close()
    round_trips(t, other, t.topic("mine"))


@versions(4, 5)
def test_a_client_that_answers_nothing_of_qos_2(t):
    """Windows and queues fill; the publisher goes on; others get everything."""
    mute = t.subscriber(t.topic("x"), suffix="mute", qos=2)
    reader, publisher = t.subscriber(t.topic("x"), qos=2), t.connect("pub")
    for number in range(300):
        publisher.publish(t.topic("x"), f"{number}", qos=2)
        reader.take(payload=f"{number}")
    t.true(mute.recv().type == PUBLISH, "the mute one got its first")


@versions(4, 5)
def test_acknowledgements_for_everything(t):
    """PUBACK, PUBREC, PUBREL, PUBCOMP for all 65,535 identifiers, none of which is in use."""
    client = t.connect("a")
    for kind in (4, 7):
        data = b"".join(ack(kind, n) for n in range(1, 65536))
        try:
            client.sock.settimeout(t.timeout)
            client.sock.sendall(data)
        except OSError:
            return  # ended: allowed
    try:
        client.ping()
    except Failure as error:
        t.true(isinstance(error, Closed) or "DISCONNECT" in str(error), str(error))


@slow
@private()
@versions(5)
def test_a_publisher_that_never_reads_its_acknowledgements(t):
    """It sends QoS 1 and never reads: sooner or later the broker stops reading from it or ends
    it, rather than storing acknowledgements without end; others are served."""
    client = t.connect("deaf", receive_buffer=4096)
    client.sock.setblocking(False)
    other = t.subscriber(t.topic("y"), suffix="o", qos=1)
    before, sent = t.broker.memory_kb(), 0
    data = b"".join(publish(t.topic("x"), b"m", qos=1, packet_id=n + 1) for n in range(1000))
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline and sent < 60000000:
        try:
            sent += client.sock.send(data)
        except BlockingIOError:
            if not readiness((), [client.sock], 0.5)[1]:
                break
        except OSError:
            break
    round_trips(t, other, t.topic("y"))
    after = t.broker.memory_kb()
    if before is not None:
        t.true(after - before < 30000, f"resident memory grew by {after - before} KiB")


@versions(4, 5)
def test_empty_and_huge_segments(t):
    """1 MB of PINGREQ in one go, and the answers to it."""
    client = t.connect("a")
    client.sock.setblocking(False)
    left, answers = pingreq() * 200000, 0
    while left or answers < 200000 * 2:
        readable, writable = readiness([client.sock], [client.sock] if left else [], t.timeout)
        if not readable and not writable:
            raise TimedOut(f"{answers // 2} answers, {len(left)} bytes unsent")
        if writable:
            left = left[client.sock.send(left):]
        if readable:
            data = client.sock.recv(1 << 20)
            t.true(data, "closed")
            answers += len(data)
    t.equal(answers, 400000)


@slow
@private()
@only("sluiced")
def test_memory_returns_after_a_storm(t):
    """1,000 clients with sessions come and go; a second such storm needs no more than the
    first."""
    def storm(turn):
        for number in range(1000):
            client = t.socket()
            client.connect(t.id(f"c{turn}x{number}"))
            client.send(subscribe(1, [(t.topic(f"{turn}/{number}/+"), 1)]))
            client.expect(9)
            if number % 50 == 49:
                t.close()
        t.close()
    storm(0)
    before = t.broker.memory_kb()
    for turn in range(1, 4):
        storm(turn)
    after = t.broker.memory_kb()
    if before is not None:
        t.true(after - before < 4000, f"resident memory grew by {after - before} KiB")


@versions(4, 5)
def test_reset_in_the_middle_of_everything(t):
    """Connections are reset while they receive, with a window open and a packet half sent."""
    publisher = t.connect("pub")
    for number in range(30):
        client = t.connect(f"c{number % 3}")
        client.subscribe(t.topic("#"), qos=2)
        for n in range(5):
            publisher.send(publish(t.topic("x"), b"y" * 5000, qos=0, version=t.version))
        client.send(publish(t.topic("z"), b"half" * 100, version=t.version)[:100])
        client.reset()
    publisher.ping()


def test_connack_is_expected_by_nobody(t):
    """A client that connects, never reads CONNACK and goes on sending is served all the same."""
    watcher, client = t.subscriber(t.topic("x"), suffix="w"), t.socket()
    client.send(connect(t.id("a")) + publish(t.topic("x"), "m"))
    watcher.take(payload="m")
    client.expect(CONNACK, reason=0)
