"""WebSocket: the upgrade, frames whole and broken, and MQTT inside them (RFC 6455; MQTT 5.0
section 6)."""

import socket
import time

from harness import cases, covers, options, private, slow
from mqtt_packet import (connect, disconnect, parse, pingreq, publish, split, subscribe, CONNACK,
                         DISCONNECT, PINGRESP, PUBLISH, SUBACK)
from ws_socket import (accept_of, frame, request, WsSocket, BINARY, CLOSE, CONTINUATION, PING, PONG,
                       TEXT)

OPTIONS = {"scheme": "ws"}


class Page:
    """A WebSocket client that is told its bytes one by one, and looks at every frame."""

    def __init__(self, t, upgrade=True, **values):
        self.t = t
        self.raw = t.broker.dial(timeout=t.timeout)
        self.ws = WsSocket(self.raw, **values) if upgrade else None
        self.buffer = bytearray()

    def send(self, data):
        self.raw.sendall(data)
        return self

    def packet(self):
        """The next MQTT packet, in however many frames it comes."""
        while True:
            found = split(self.buffer)
            if found:
                kind, flags, body, length = found
                raw = bytes(self.buffer[:length])
                del self.buffer[:length]
                return parse(kind, flags, body, raw, 5)
            got = self.ws.recv(65536)
            if not got:
                raise AssertionError(f"closed with {self.ws.closed}, wanted a packet")
            self.buffer += got

    def frame(self):
        """The next frame of any kind: (opcode, payload)."""
        while True:
            found = self.ws.next_frame()
            if found:
                return found
            data = self.raw.recv(65536)
            if not data:
                raise AssertionError("closed, wanted a frame")
            self.ws.bytes += data

    def connect(self, suffix="", reason=0):
        self.send(frame(connect(self.t.id(suffix), version=5)))
        got = self.packet()
        self.t.equal((got.type, got.reason), (CONNACK, reason))
        return self

    def ping(self):
        self.send(frame(pingreq()))
        self.t.equal(self.packet().type, PINGRESP)

    def ends(self, code):
        """The server says goodbye with that code and closes."""
        while not self.ws.ended:
            self.ws.recv(65536)
        self.t.equal(self.ws.closed, code, "the code of the close frame")
        self.t.equal(self.raw.recv(100), b"", "the end")
        self.raw.close()


def answer(raw):
    """The whole HTTP response: (status, fields, body)."""
    data = b""
    while True:
        part = raw.recv(65536)
        if not part:
            break
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), fields, body


# ---------------------------------------------------------------------------------------- upgrade


@covers("MQTT311-6.0.0-3", "MQTT311-6.0.0-4")
@cases([("mqtt", "mqtt", "mqtt"), ("among_others", "soap, mqtt , x", "mqtt"),
        ("before_others", "mqttv3.1, mqtt", "mqtt"), ("old", "mqttv3.1", "mqttv3.1"),
        ("emqx", "mqtt-v5", "mqtt-v5")])
def test_MQTT5_6_0_0_4_subprotocol(t, offered, chosen):
    page = Page(t, protocol=offered)
    t.equal(page.ws.fields["sec-websocket-protocol"], chosen)
    page.connect().ping()


@covers("MQTT311-6.0.0-3")
@cases([("missing", None), ("unknown", "soap"), ("in_capitals", "MQTT"), ("empty", "")])
def test_MQTT5_6_0_0_3_a_request_without_the_subprotocol_is_refused(t, offered):
    raw = t.broker.dial()
    raw.sendall(request(protocol=offered))
    status, fields, body = answer(raw)
    t.equal(status, 400)
    t.true(b"subprotocol" in body, f"{body}")


@options(listener={"ws": {"fail_if_no_subprotocol": False}})
def test_the_subprotocol_may_be_optional(t):
    page = Page(t, protocol=None)
    t.true("sec-websocket-protocol" not in page.ws.fields, "none was offered")
    page.connect().ping()


@cases([("path", 404, {"path": "/"}), ("path_case", 404, {"path": "/MQTT"}),
        ("method", 405, {"method": "POST"}), ("http", 400, {"http": "HTTP/1.0"}),
        ("no_upgrade", 426, {"leave": ("Upgrade",)}),
        ("no_connection", 426, {"leave": ("Connection",)}),
        ("version", 426, {"version": "8"}),
        ("no_version", 426, {"leave": ("Sec-WebSocket-Version",)}),
        ("key", 400, {"key": "short"}), ("no_key", 400, {"leave": ("Sec-WebSocket-Key",)}),
        ("no_host", 400, {"leave": ("Host",)}), ("body", 400, {"more": [("Content-Length", "3")]}),
        ("large", 431, {"more": [("X", "y" * 9000)]}),
        ("fields", 431, {"more": [("X", "y")] * 200})])
def test_upgrade_is_refused(t, status, values):
    raw = t.broker.dial()
    raw.sendall(request(**values))
    got, fields, body = answer(raw)
    t.equal(got, status)
    t.equal(fields["Connection"], "close")
    t.equal(int(fields["Content-Length"]), len(body))
    if status == 426:
        t.equal(fields["Sec-WebSocket-Version"], "13")
    if status == 405:
        t.equal(fields["Allow"], "GET")


@cases([("mqtt", connect("x", version=5)), ("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        ("nonsense", b"\0\0\0\0")])
def test_another_protocol_is_noticed_at_once(t, data):
    raw = t.broker.dial()
    raw.sendall(data)
    t.equal(answer(raw)[0], 400)


def test_a_request_with_a_query_and_cookies(t):
    page = Page(t, path="/mqtt?token=1", more=[("Cookie", "a=b"), ("Origin", "http://anywhere")])
    page.connect().ping()


def test_a_request_byte_by_byte_with_frames_behind_it(t):
    raw = t.broker.dial()
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    for byte in request(key=key) + frame(connect(t.id(), version=5)):
        raw.sendall(bytes([byte]))
    data = b""
    while b"\x82" not in data:
        data += raw.recv(1000)
    t.true(accept_of(key).encode() in data, "the accept key")
    raw.close()


def test_a_request_and_frames_at_once(t):
    page = Page(t, first=frame(connect(t.id(), version=5)) + frame(pingreq()))
    t.equal(page.packet().type, CONNACK)
    t.equal(page.packet().type, PINGRESP)


@private(bystander=False)
@options(listener={"ws": {"mqtt_path": "/a/b"}})
def test_another_path(t):
    Page(t, path="/a/b").connect().ping()
    raw = t.broker.dial()
    raw.sendall(request(path="/mqtt"))
    t.equal(answer(raw)[0], 404)


@private(bystander=False)
@options(listener={"ws": {"check_origin_enable": True,
                          "check_origins": ["https://app.example", "http://localhost:8080"]}})
def test_origins(t):
    Page(t, more=[("Origin", "https://app.example")]).connect().ping()
    Page(t).connect("n").ping()
    for origin in ("https://app.example.evil", "http://app.example", "null"):
        raw = t.broker.dial()
        raw.sendall(request(more=[("Origin", origin)]))
        t.equal(answer(raw)[0], 403, origin)


# ----------------------------------------------------------------------------------------- frames


@covers("MQTT311-6.0.0-1")
@cases([("text", frame(b"hi", TEXT), 1003), ("empty_text", frame(b"", TEXT), 1003),
        ("text_that_is_no_utf8", frame(b"\xff", TEXT), 1003)])
def test_MQTT5_6_0_0_1_only_binary_frames(t, data, code):
    page = Page(t).connect()
    page.send(data).ends(code)


def test_MQTT5_6_0_0_1_what_the_server_sends_is_binary(t):
    page = Page(t)
    page.send(frame(connect(t.id(), version=5)))
    t.equal(page.frame()[0], BINARY)


@covers("MQTT311-6.0.0-2")
@cases([("one", 1), ("three", 3), ("seven", 7), ("hundred", 100)])
def test_MQTT5_6_0_0_2_packets_across_frames(t, size):
    page = Page(t).connect()
    data = subscribe(1, [(t.topic(), 1)], version=5)
    data += b"".join(publish(t.topic(), f"{n}", version=5) for n in range(40))
    page.send(b"".join(frame(data[at:at + size]) for at in range(0, len(data), size)))
    t.equal(page.packet().type, SUBACK)
    for number in range(40):
        got = page.packet()
        t.equal((got.type, got.payload), (PUBLISH, b"%d" % number))


@covers("MQTT311-6.0.0-2")
def test_MQTT5_6_0_0_2_several_packets_in_a_frame(t):
    page = Page(t)
    page.send(frame(connect(t.id(), version=5) + subscribe(1, [(t.topic(), 0)], version=5) +
                    publish(t.topic(), b"x", version=5) + pingreq()))
    t.equal([page.packet().type for _ in range(3)], [CONNACK, SUBACK, PUBLISH])
    t.equal(page.packet().type, PINGRESP)


def test_everything_byte_by_byte(t):
    page = Page(t)
    for byte in frame(connect(t.id(), version=5)) + frame(b"ping", PING) + frame(pingreq()):
        page.send(bytes([byte]))
    frames = [page.frame()]
    while not frames[-1][1].endswith(b"\xd0\x00"):
        frames.append(page.frame())
    t.true((PONG, b"ping") in frames, f"{frames}")


def test_fragments_with_a_ping_inside(t):
    page = Page(t).connect()
    data = publish(t.topic(), b"x" * 1000, version=5)
    page.send(frame(subscribe(1, [(t.topic(), 0)], version=5)))
    t.equal(page.packet().type, SUBACK)
    page.send(frame(data[:10], fin=False))
    page.send(frame(b"in between", PING))
    t.equal(page.frame(), (PONG, b"in between"))
    page.send(frame(b"", CONTINUATION, fin=False) + frame(data[10:500], CONTINUATION, fin=False))
    page.send(frame(data[500:], CONTINUATION))
    t.equal(page.packet().payload, b"x" * 1000)
    page.ping()


@cases([("unmasked", frame(pingreq(), mask=None), 1002),
        ("rsv1", frame(pingreq(), rsv=4), 1002), ("rsv3", frame(pingreq(), rsv=1), 1002),
        ("opcode_3", frame(b"", 3), 1002), ("opcode_11", frame(b"", 11), 1002),
        ("continuation_of_nothing", frame(b"", CONTINUATION), 1002),
        ("message_in_a_message", frame(b"", fin=False) + frame(pingreq()), 1002),
        ("fragmented_ping", frame(b"", PING, fin=False), 1002),
        ("long_ping", frame(b"x" * 126, PING), 1002),
        ("long_close", frame(b"\x03\xe8" + b"x" * 124, CLOSE), 1002),
        ("length_not_minimal", b"\x82\xfe\x00\x02\0\0\0\0\xc0\x00", 1002),
        ("length_above_63_bits", b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 1002),
        ("close_of_one_byte", frame(b"\x03", CLOSE), 1002),
        ("close_code_999", frame(b"\x03\xe7", CLOSE), 1002),
        ("close_code_1005", frame(b"\x03\xed", CLOSE), 1002),
        ("close_code_1006", frame(b"\x03\xee", CLOSE), 1002),
        ("close_code_5000", frame(b"\x13\x88", CLOSE), 1002),
        ("close_reason_no_utf8", frame(b"\x03\xe8\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed"
                                       b"\xa0\x80", CLOSE), 1007)])
def test_broken_frames(t, data, code):
    page = Page(t).connect()
    page.ping()
    page.send(data).ends(code)


def test_what_came_before_a_broken_frame_counts(t):
    other = Page(t).connect("o")
    other.send(frame(subscribe(1, [(t.topic(), 0)], version=5)))
    t.equal(other.packet().type, SUBACK)
    page = Page(t).connect()
    page.send(frame(publish(t.topic(), b"last", version=5)) + frame(b"x", TEXT)).ends(1003)
    t.equal(other.packet().payload, b"last")


@cases([("without_a_code", b"", 1005), ("normal", b"\x03\xe8", 1000),
        ("with_a_reason", b"\x03\xe9bye", 1001), ("own_code", b"\x0f\xa0", 4000)])
def test_close_is_answered(t, payload, code):
    page = Page(t).connect()
    page.send(frame(payload, CLOSE) + frame(pingreq()) + b"\xff" * 100).ends(code)


def test_close_publishes_the_will_and_disconnect_does_not(t):
    watcher = Page(t).connect("w")
    watcher.send(frame(subscribe(1, [(t.topic("#"), 0)], version=5)))
    t.equal(watcher.packet().type, SUBACK)
    for suffix, last in (("a", disconnect()), ("b", b"")):
        page = Page(t)
        page.send(frame(connect(t.id(suffix), version=5,
                                will={"topic": t.topic(suffix), "payload": b"gone"})))
        t.equal(page.packet().type, CONNACK)
        page.send((frame(last) if last else b"") + frame(b"\x03\xe8", CLOSE)).ends(1000)
    t.equal(watcher.packet().topic, t.topic("b"))


def test_disconnect_ends_with_a_close_frame(t):
    Page(t).connect().send(frame(disconnect())).ends(1000)


def test_a_malformed_packet_is_told_before_the_close_frame(t):
    page = Page(t).connect()
    page.send(frame(b"\x00\x00"))
    t.equal(page.packet().type, DISCONNECT)
    page.ends(1000)


@options(listener={"ws": {"max_frame_size": 1000}})
def test_frames_above_the_limit(t):
    page = Page(t).connect()
    page.send(frame(publish(t.topic(), b"x" * 900, version=5)))
    page.send(frame(b"y" * 120, PING))
    t.equal(page.frame(), (PONG, b"y" * 120))
    page.send(frame(b"", length=1001)[:8]).ends(1009)


def test_large_messages_in_both_directions(t):
    page = Page(t).connect()
    page.send(frame(subscribe(1, [(t.topic(), 0)], version=5)))
    t.equal(page.packet().type, SUBACK)
    for size in (100, 126, 5000, 65530, 65536, 70000, 1000000):
        payload = bytes((n * 7 + size) & 255 for n in range(size))
        page.send(frame(publish(t.topic(), payload, version=5)))
        got = page.packet()
        t.true(got.payload == payload, f"{size} bytes came back as others")


def test_a_flood_of_pings_that_nobody_reads_the_answers_of(t):
    page = Page(t).connect()
    page.raw.settimeout(20)
    flood = frame(b"x" * 125, PING) * 100
    for _ in range(100):
        page.send(flood)
    page.send(frame(pingreq()))
    seen = 0
    while True:
        opcode, payload = page.frame()
        if opcode == BINARY:
            break
        t.equal((opcode, payload), (PONG, b"x" * 125))
        seen += 1
    t.true(seen >= 1, "the pongs")


@private(bystander=False)
@options(scheme="ws", connect_timeout="1s")
@slow
def test_slow_loris(t):
    """Neither a request nor a CONNECT that never ends keeps a connection."""
    started = time.monotonic()
    pages = []
    for number in range(20):
        raw = t.broker.dial()
        raw.sendall(request()[:number * 3])
        pages.append(raw)
    half = Page(t)
    half.send(frame(connect(t.id(), version=5))[:9])
    for raw in pages + [half.raw]:
        raw.settimeout(10)
        while True:
            try:
                if not raw.recv(1000):
                    break
            except ConnectionResetError:
                break
    took = time.monotonic() - started
    t.true(0.5 < took < 6, f"{took} s")


@private(bystander=False)
@options(scheme="ws")
def test_the_end_of_the_broker_is_told_with_1001(t):
    page = Page(t).connect()
    t.broker.process.terminate()
    t.equal(page.packet().type, DISCONNECT)
    page.ends(1001)


def test_a_reset_in_the_middle_of_a_frame(t):
    page = Page(t).connect()
    page.send(frame(b"x" * 1000)[:500])
    page.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    page.raw.close()


# ---------------------------------------------------------------------------------------- proxies


@options(scheme="ws", listener={"trusted_proxies": "127.0.0.1",
                                "access_rules": ["allow 192.0.2.0/24"]})
@private(bystander=False)
def test_forwarded_addresses_of_trusted_proxies(t):
    # Whoever is not of this machine may not be anonymous: the address has been believed.
    Page(t, more=[("X-Forwarded-For", "203.0.113.9, 192.0.2.7")]).connect(reason=0x87)
    for fields in ([("X-Forwarded-For", "203.0.113.9")], [],
                   [("X-Forwarded-For", "192.0.2.7, 203.0.113.9")]):
        raw = t.broker.dial()
        raw.sendall(request(more=fields))
        t.equal(answer(raw)[0], 403, f"{fields}")


@options(scheme="ws", listener={"trusted_proxies": "10.0.0.0/8",
                                "access_rules": "deny 192.0.2.7, allow all"})
@private(bystander=False)
def test_forwarded_addresses_of_others_are_not_believed(t):
    Page(t, more=[("X-Forwarded-For", "192.0.2.7")]).connect().ping()
