"""A raw MQTT client for tests: full control over the bytes sent, strict about those received.

`Client(host, port, version)` opens a socket and sends nothing. `connect()` does the handshake;
`send()` takes bytes or hex text, whole packets or pieces of them. `expect(TYPE, field=value)` reads
the next packet and compares; `wait()` does so but lets PUBLISH packets pass by (they stay in the
queue); `expect_close()`, `expect_silence()` and `expect_error()` say how a connection ends.

What the client announced in CONNECT it also checks on every packet: no packet above its maximum
packet size, no more unacknowledged PUBLISH than its receive maximum, no packet identifier in use
twice, no topic alias above its maximum or not yet defined, no reason strings where it asked for
none, one CONNACK and that one first. A breach raises Failure in whichever test meets it.

A client belongs to one thread. Every wait is bounded by `timeout` (seconds) and ends as soon as
the awaited bytes are there; only expect_silence() really takes its time.
"""

import select
import socket
import time

from mqtt_packet import *  # noqa: F401,F403  (the tests use the builders through this module)
from mqtt_packet import (ack, connect, disconnect, parse, pingreq, publish, shorten, split,
                         subscribe, unsubscribe, TYPE_NAMES, CONNACK, PUBLISH, PUBACK, PUBREC,
                         PUBREL, PUBCOMP, SUBACK, UNSUBACK, PINGRESP, DISCONNECT, AUTH)


class Failure(AssertionError):
    """What came is not what the test expects; the text names both, as bytes."""


class Closed(Failure):
    """The server closed the connection where a packet was expected."""


class TimedOut(Failure):
    """Nothing came where a packet was expected."""


def as_bytes(data):
    return bytes.fromhex(data) if isinstance(data, str) else bytes(data)


def show(key, value):
    if key == "reason" and isinstance(value, (set, frozenset)):
        return "/".join(f"0x{reason:02x}" for reason in sorted(value))
    if key == "reason" and isinstance(value, int):
        return f"0x{value:02x}"
    return "as required" if callable(value) else repr(value)


def describe(kind, fields):
    shown = ", ".join(f"{key}={show(key, value)}" for key, value in fields.items())
    return f"{TYPE_NAMES[kind]}({shown})"


def differs(got, kind, fields):
    """None when the packet fits, else what is different. A field's value may be a predicate."""
    if got.type != kind:
        return f"type {TYPE_NAMES[got.type]}"
    for name, want in fields.items():
        if name.startswith("prop_"):
            have = got.prop(name[5:])
        else:
            have = getattr(got, name, None)
        if isinstance(want, str) and isinstance(have, bytes):
            want = want.encode()
        if callable(want):
            if not want(have):
                return f"{name} is {show(name, have)}"
        elif isinstance(want, (set, frozenset, range)):
            if have not in want:
                return f"{name} is {show(name, have)}"
        elif have != want:
            return f"{name} is {show(name, have)}"
    return None


def readiness(reading, writing, seconds):
    """Of these files, those to be read and those to be written at the first of them, or none after
    that time. Not select(2), which knows only 1024 descriptors: tests side by side have more."""
    poll, events = select.poll(), {}
    for files, event in ((reading, select.POLLIN), (writing, select.POLLOUT)):
        for file in files:
            events[file.fileno()] = events.get(file.fileno(), 0) | event
    for number, event in events.items():
        poll.register(number, event)
    found = dict(poll.poll(max(seconds, 0) * 1000))
    return ([file for file in reading if found.get(file.fileno(), 0) & ~select.POLLOUT],
            [file for file in writing if found.get(file.fileno(), 0) & ~select.POLLIN])


class Client:
    lenient = False  # a connection may end without a word on the reason

    def __init__(self, host, port, version=5, timeout=5.0, source=None, receive_buffer=None,
                 wrap=None):
        self.version, self.timeout, self.client_id = version, timeout, None
        self.buffer, self.queue = bytearray(), []
        self.sent_id, self.connacks = 0, 0
        self.unacked, self.aliases, self.closing = {}, {}, False
        self.limits = {"receive_maximum": 65535, "max_packet_size": 1 << 32, "topic_alias_max": 0,
                       "request_problem_info": 1}
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source:
            self.sock.bind((source, 0))
        self.sock.settimeout(timeout)
        self.sock.connect((host, port))
        if wrap:
            self.sock = wrap(self.sock)
        self.poll = select.poll()
        self.poll.register(self.sock.fileno(), select.POLLIN)

    # ------------------------------------------------------------------------------------- sending

    def send(self, data):
        """Sends bytes (or hex text) as they are. A connection already closed is not an error
        here: the expectation that follows will say so."""
        data = as_bytes(data)
        self.note_sent(data)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        except socket.timeout as error:
            raise TimedOut(f"the server does not read: {len(data)} bytes unsent") from error
        return self

    def note_sent(self, data):
        """Keeps account of acknowledgements, which free packet identifiers at the server."""
        kind = data[0] >> 4 if data else 0
        if kind not in (PUBACK, PUBREC, PUBCOMP) or len(data) < 4:
            return
        packet_id = int.from_bytes(data[2:4], "big")
        refused = kind == PUBREC and len(data) > 4 and data[1] > 2 and data[4] >= 0x80
        if kind in (PUBACK, PUBCOMP) or refused:
            self.unacked.pop(packet_id, None)

    def next_id(self):
        self.sent_id = self.sent_id % 65535 + 1
        return self.sent_id

    # ----------------------------------------------------------------------------------- receiving

    def fill(self, deadline):
        """Reads what there is. Raises Closed at the end of the stream, TimedOut at the deadline."""
        left = deadline - time.monotonic()
        if not self.poll.poll(max(left, 0) * 1000):
            raise TimedOut("nothing came" + self.partial())
        try:
            data = self.sock.recv(262144)
        except (ConnectionResetError, BrokenPipeError, TimeoutError) as error:
            raise Closed("the connection was reset" + self.partial()) from error
        if not data:
            raise Closed("the connection was closed" + self.partial())
        self.buffer += data

    def partial(self):
        return f", after a piece of a packet <{shorten(self.buffer)}>" if self.buffer else ""

    def read_packet(self, timeout):
        """The next packet from the socket, checked against what this client announced."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            found = split(self.buffer)
            if found:
                break
            self.fill(deadline)
        kind, flags, body, length = found
        raw = bytes(self.buffer[:length])
        del self.buffer[:length]
        got = parse(kind, flags, body, raw, self.version)
        self.check(got)
        return got

    def has_more(self):
        """Whether there is anything to read, be it the end of the connection."""
        return bool(self.queue or self.buffer or self.poll.poll(0))

    def recv(self, timeout=None):
        return self.queue.pop(0) if self.queue else self.read_packet(timeout)

    def check(self, got):
        if len(got.raw) > self.limits["max_packet_size"]:
            raise Failure(f"{len(got.raw)} bytes exceed the client's maximum packet size: {got}")
        if got.type == CONNACK:
            self.connacks += 1
            if self.connacks > 1:
                raise Failure(f"a second CONNACK [MQTT-3.2.0-2]: {got}")
        elif not self.connacks and got.type != AUTH:
            raise Failure(f"a packet before CONNACK [MQTT-3.2.0-1]: {got}")
        if self.closing:
            raise Failure(f"a packet after DISCONNECT [MQTT-3.14.4-1]: {got}")
        self.closing = got.type == DISCONNECT
        if not self.limits["request_problem_info"] and got.type not in (
                CONNACK, PUBLISH, DISCONNECT):
            if got.all("reason_string") or got.all("user"):
                raise Failure(f"unwanted problem information [MQTT-3.1.2-29]: {got}")
        if got.type == PUBLISH:
            self.check_publish(got)

    def check_publish(self, got):
        alias = got.prop("topic_alias")
        if alias is not None:
            if alias > self.limits["topic_alias_max"]:
                raise Failure(f"alias above the client's maximum [MQTT-3.1.2-26]: {got}")
            if got.topic:
                self.aliases[alias] = got.topic
            elif alias not in self.aliases:
                raise Failure(f"alias {alias} was never defined: {got}")
            got.topic = self.aliases[alias]
        elif not got.topic:
            raise Failure(f"neither topic nor alias: {got}")
        if got.qos:
            if got.packet_id in self.unacked:
                raise Failure(f"packet identifier in use [MQTT-2.2.1-4]: {got}")
            self.unacked[got.packet_id] = got.qos
            if len(self.unacked) > self.limits["receive_maximum"]:
                raise Failure(f"receive maximum exceeded [MQTT-3.3.4-9]: {got}")

    # -------------------------------------------------------------------------------- expectations

    def expect(self, kind, timeout=None, **fields):
        """The next packet, which must be of that type and have those fields. A value may be a
        predicate or a set; prop_NAME compares the first property NAME (None: must be absent)."""
        try:
            got = self.recv(timeout)
        except (Closed, TimedOut) as error:
            raise type(error)(f"expected {describe(kind, fields)}, got: {error}") from None
        wrong = differs(got, kind, fields)
        if wrong:
            raise Failure(f"expected {describe(kind, fields)}, got {got} ({wrong})")
        return got

    def wait(self, kind, timeout=None, **fields):
        """Like expect, but PUBLISH and PUBREL packets that come first are kept for later."""
        passed, deadline = [], time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            try:
                got = self.recv(max(deadline - time.monotonic(), 0))
            except (Closed, TimedOut) as error:
                self.queue = passed + self.queue
                raise type(error)(f"expected {describe(kind, fields)}, got: {error}") from None
            wrong = differs(got, kind, fields)
            if not wrong:
                self.queue = passed + self.queue
                return got
            if got.type == kind or got.type not in (PUBLISH, PUBREL):
                raise Failure(f"expected {describe(kind, fields)}, got {got} ({wrong})")
            passed.append(got)

    def expect_bytes(self, data, timeout=None):
        """Exactly these bytes come next, however they are cut into segments."""
        want, deadline = as_bytes(data), time.monotonic() + (timeout or self.timeout)
        while len(self.buffer) < len(want):
            try:
                self.fill(deadline)
            except (Closed, TimedOut) as error:
                raise type(error)(f"expected <{shorten(want)}>, got: {error}") from None
        got = bytes(self.buffer[:len(want)])
        if got != want:
            raise Failure(f"expected <{shorten(want)}>, got <{shorten(self.buffer)}>")
        del self.buffer[:len(want)]
        return self

    def expect_close(self, timeout=None, quietly=True):
        """The server closes; quietly: without a packet before (else PUBLISH may come first)."""
        try:
            while True:
                got = self.recv(timeout)
                if quietly:
                    raise Failure(f"expected the connection to close, got {got}")
        except Closed:
            self.abandon()
            return self
        except TimedOut as error:
            raise Failure(f"expected the connection to close, got: {error}") from None

    def expect_error(self, reason, timeout=None):
        """A v5 connection ends with DISCONNECT and that reason (a number or a set of them), an
        older one just closes. Packets of any other kind must not come."""
        if self.version == 5:
            self.expect_last(DISCONNECT, reason, timeout)
        return self.expect_close(timeout)

    def expect_last(self, kind, reason, timeout):
        """The packet that tells why the connection ends. The standard lets a server close without
        it; that passes only where the client is lenient."""
        wanted = reason if isinstance(reason, (set, frozenset)) else {reason}
        try:
            self.expect(kind, timeout, reason=wanted)
        except Closed:
            if not self.lenient:
                raise

    def expect_refused(self, reason, code=None, timeout=None):
        """CONNECT is refused: version 5 by CONNACK with `reason` (a number or a set), an older
        one by CONNACK with return code `code`, or without CONNACK if code is None; then closed."""
        if self.version == 5:
            self.expect_last(CONNACK, reason, timeout)
        elif code is not None:
            self.expect(CONNACK, timeout, reason=code)
        return self.expect_close(timeout)

    def expect_silence(self, milliseconds):
        """Nothing comes for so long, and then the connection is still alive."""
        try:
            got = self.recv(milliseconds / 1000)
        except TimedOut:
            if self.buffer:
                raise
            return self
        except Closed as error:
            raise Closed(f"expected silence, got: {error}") from None
        raise Failure(f"expected silence, got {got}")

    # ----------------------------------------------------------------------------- whole dialogues

    def connect(self, client_id, reason=0, session_present=None, version=None, **options):
        """CONNECT and CONNACK. Keeps the limits that the client announces. Returns CONNACK."""
        self.version = version or self.version
        self.client_id = client_id
        given = options.get("props") or {}
        if not isinstance(given, (bytes, bytearray)):
            for name, value in given.items() if isinstance(given, dict) else given:
                if name in self.limits:
                    self.limits[name] = value
        self.send(connect(client_id, version=self.version, **options))
        fields = {"reason": reason}
        if session_present is not None and self.version > 3:
            fields["session_present"] = session_present
        connack = self.expect(CONNACK, **fields)
        self.client_id = connack.prop("assigned_client_id", client_id)
        return connack

    def ping(self, timeout=None):
        """PINGREQ and PINGRESP; PUBLISH packets that come first are kept."""
        self.send(pingreq())
        return self.wait(PINGRESP, timeout)

    def subscribe(self, *filters, qos=0, reasons=None, props=None):
        """SUBSCRIBE and SUBACK. A filter is a text or (text, options byte)."""
        pairs = [(f, qos) if isinstance(f, (str, bytes)) else f for f in filters]
        packet_id = self.next_id()
        self.send(subscribe(packet_id, pairs, version=self.version, props=props))
        wanted = reasons if reasons is not None else [options & 3 for _, options in pairs]
        return self.wait(SUBACK, packet_id=packet_id, reasons=wanted)

    def unsubscribe(self, *filters, reasons=None):
        packet_id = self.next_id()
        self.send(unsubscribe(packet_id, filters, version=self.version))
        fields = {"packet_id": packet_id}
        if reasons is not None and self.version == 5:
            fields["reasons"] = reasons
        return self.wait(UNSUBACK, **fields)

    def publish(self, topic, payload=b"", qos=0, reason=None, **options):
        """PUBLISH with its whole handshake. Returns the (first) acknowledgement, None at QoS 0.
        reason None accepts success and "no matching subscribers" (0x10, optional in MQTT 5)."""
        packet_id = self.next_id() if qos else None
        accepted = {0x00, 0x10} if reason is None else {reason}
        self.send(publish(topic, payload, qos=qos, packet_id=packet_id, version=self.version,
                          **options))
        if not qos:
            return None
        first = self.wait(PUBACK if qos == 1 else PUBREC, packet_id=packet_id, reason=accepted)
        if qos == 2 and first.reason < 0x80:
            self.send(ack(PUBREL, packet_id))
            self.wait(PUBCOMP, packet_id=packet_id, reason=0)
        return first

    def take(self, topic=None, payload=None, timeout=None, **fields):
        """The next packet must be that PUBLISH; answers with the whole handshake."""
        if topic is not None:
            fields["topic"] = topic
        if payload is not None:
            fields["payload"] = payload
        got = self.expect(PUBLISH, timeout, **fields)
        self.answer(got)
        return got

    def answer(self, got):
        """The acknowledgements due to a PUBLISH, up to PUBCOMP."""
        if got.qos == 1:
            self.send(ack(PUBACK, got.packet_id))
        elif got.qos == 2:
            self.send(ack(PUBREC, got.packet_id))
            self.wait(PUBREL, packet_id=got.packet_id)
            self.send(ack(PUBCOMP, got.packet_id))

    def take_all(self, count, timeout=None):
        """The next `count` PUBLISH packets in the order they came, each acknowledged at once,
        whatever acknowledgements stand between them."""
        taken, waiting = [], set()
        while len(taken) < count or waiting:
            try:
                got = self.recv(timeout)
            except (Closed, TimedOut) as error:
                have = [(p.topic, p.payload[:20]) for p in taken[-3:]]
                raise type(error)(f"expected {count} PUBLISH, got {len(taken)} (the last: {have}), "
                                  f"then: {error}") from None
            if got.type == PUBREL:
                self.send(ack(PUBCOMP, got.packet_id))
                waiting.discard(got.packet_id)
            elif got.type == PUBLISH:
                taken.append(got)
                if got.qos == 1:
                    self.send(ack(PUBACK, got.packet_id))
                elif got.qos == 2:
                    self.send(ack(PUBREC, got.packet_id))
                    waiting.add(got.packet_id)
            else:
                raise Failure(f"expected PUBLISH, got {got}")
        if len(taken) != count:
            raise Failure(f"expected {count} PUBLISH, got {len(taken)}: {taken[count:]}")
        return taken

    def disconnect(self, reason=None, props=None):
        """DISCONNECT, then waits for the end of the stream: when this returns, the server has
        seen it, and a connection opened next cannot overtake it."""
        self.send(disconnect(reason, props))
        self.await_end(self.timeout)

    def await_end(self, timeout):
        """Reads until the server has closed, or for so many seconds, and closes."""
        deadline = time.monotonic() + timeout
        try:
            while True:
                self.fill(deadline)
                self.buffer.clear()
        except (Closed, TimedOut, OSError, ValueError):
            self.abandon()

    def close(self):
        """Ends the stream without DISCONNECT and waits until the server has closed as well, so
        that what comes next finds the connection gone."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self.await_end(1.0)

    def abandon(self):
        """Closes the socket at once."""
        try:
            self.sock.close()
        except OSError:
            pass

    def reset(self):
        """Ends the connection with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.abandon()
