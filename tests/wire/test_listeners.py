"""Listeners: the PROXY protocol, access rules, Unix sockets, mount points, several at once."""

import os
import socket
import struct
import subprocess
import time

from harness import cases, options, private, slow
from mqtt_packet import connect, CONNACK
from mqtt_wire import Client
from test_authn import USERS, salted, write
from test_scram import USERS as WEB
from ws_socket import WsSocket, request

OPTIONS = {"scheme": "tcp"}
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
TRUSTING = {"proxy_protocol": True, "trusted_proxies": "127.0.0.0/8"}
FROM = "192.0.2.7"
PLANT = write("plant", "worker:" + salted("two"))


def v1(source=FROM, port=4711):
    return f"PROXY TCP4 {source} 127.0.0.1 {port} 1883\r\n".encode()


def v2(source=FROM, port=4711, command=0x21, tlvs=b""):
    body = socket.inet_aton(source) + b"\x7f\0\0\1" + struct.pack(">HH", port, 1883) + tlvs
    return SIGNATURE + struct.pack(">BBH", command, 0x11, len(body)) + body


def tlv(kind, value):
    return struct.pack(">BH", kind, len(value)) + value


def starting(data):
    """A wrap for Client: these bytes are sent first."""
    def wrap(raw):
        raw.sendall(data)
        return raw
    return wrap


def listener(t, name, wrap=None, version=5):
    """A client of another listener of the broker."""
    client = Client(t.broker.host, t.broker.ports[name], version, timeout=t.timeout, wrap=wrap)
    t.clients.append(client)
    return client


def closes(t, data):
    """The broker answers this with the end of the connection and nothing else."""
    raw = t.broker.dial(timeout=t.timeout)
    raw.sendall(data)
    try:
        got = raw.recv(1000)
    except ConnectionResetError:
        got = b""
    t.equal(got, b"")
    raw.close()


# ------------------------------------------------------------------------------ the PROXY protocol


@options(listener=TRUSTING)
@private(bystander=False)
@cases([("v1", v1()), ("v2", v2()), ("v2_with_tlvs", v2(tlvs=tlv(1, b"mqtt") + tlv(4, b"\0" * 9)))])
def test_a_header_says_where_the_client_is(t, header):
    # Whoever is not of this machine may not be anonymous: the address has been believed.
    client = t.socket(wrap=starting(header))
    client.send(connect(t.id(), version=5))
    client.expect(CONNACK, reason=0x87)


@options(listener=TRUSTING)
@private(bystander=False)
@cases([("local", SIGNATURE + b"\x20\x00\x00\x00"), ("unknown", b"PROXY UNKNOWN\r\n"),
        ("of_this_machine", v1("127.0.0.9")), ("v2_of_this_machine", v2("127.0.0.9"))])
def test_clients_behind_a_proxy(t, header):
    client = t.socket(wrap=starting(header))
    client.connect(t.id())
    client.subscribe(t.topic())
    client.publish(t.topic(), "x")
    client.take(t.topic(), "x")


@options(listener=TRUSTING)
@private(bystander=False)
def test_a_header_byte_by_byte_and_with_packets_behind_it(t):
    client = t.socket()
    for byte in v2("127.0.0.9") + connect(t.id("a"), version=5):
        client.send(bytes([byte]))
    client.expect(CONNACK, reason=0)
    client = t.socket()
    client.send(v1("127.0.0.9") + connect(t.id("b"), version=5))
    client.expect(CONNACK, reason=0)


@options(listener=TRUSTING)
@private(bystander=False)
@cases([("none", connect("x", version=5)), ("bad_v1", b"PROXY TCP4 x y 1 2\r\n"),
        ("bad_v2", SIGNATURE + b"\x22\x11\x00\x0c" + b"\0" * 12),
        ("long_v1", b"PROXY TCP4 " + b"1" * 200), ("long_v2", SIGNATURE + b"\x21\x11\xff\xff"),
        ("bad_checksum", v2(tlvs=tlv(3, b"\0\0\0\1"))), ("two_headers", v1("127.0.0.9") * 2)])
def test_a_trusted_proxy_without_a_right_header(t, data):
    closes(t, data)


@options(listener={**TRUSTING, "proxy_protocol_timeout": "300ms"})
@private(bystander=False)
@slow
def test_a_header_that_does_not_come(t):
    for begun in (b"", v1()[:20], v2()[:14]):
        started = time.monotonic()
        closes(t, begun)
        took = time.monotonic() - started
        t.true(0.2 < took < 3, f"{took} s")
    client = t.socket(wrap=starting(v1("127.0.0.9")))
    time.sleep(0.5)  # the time was the header's, not CONNECT's
    client.connect(t.id())


@options(listener={"proxy_protocol": True, "trusted_proxies": "10.0.0.0/8"})
@private(bystander=False)
def test_others_send_no_header(t):
    t.connect().ping()
    closes(t, v1() + connect(t.id(), version=5))
    closes(t, v2() + connect(t.id(), version=5))


@options(listener={"proxy_protocol": True, "trusted_proxies": "10.0.0.0/8",
                   "proxy_protocol_skip": True})
@private(bystander=False)
def test_headers_of_others_are_skipped_where_that_is_set(t):
    t.connect("a").ping()
    for suffix, header in (("b", v1()), ("c", v2())):
        client = t.socket(wrap=starting(header))
        client.connect(t.id(suffix))
    closes(t, v1() * 2)


@options(scheme="ws", listener={**TRUSTING, "access_rules": "allow 192.0.2.0/24"})
@private(bystander=False)
def test_a_header_before_a_websocket(t):
    wrap = starting(v2())
    client = t.socket(wrap=lambda raw: WsSocket(wrap(raw)))
    client.send(connect(t.id(), version=5))
    client.expect(CONNACK, reason=0x87)
    closes(t, v2("203.0.113.1") + request())


TLS, SHOWN, SHOWN_BEFORE = 1, 2, 4


def shown(name, flags=TLS | SHOWN, result=0):
    """A header of version 2 that tells of TLS and of the client's certificate."""
    inner = struct.pack(">BI", flags, result) + tlv(0x21, b"TLSv1.3") + tlv(0x22, name)
    return v2("127.0.0.9", tlvs=tlv(0x20, inner))


@options(listener=TRUSTING, access={"allow_anonymous": False},
         authentication=[{"type": "certificate", "cert_is": "username"}])
@private(bystander=False)
@cases([("verified", shown(b"pump"), True),
        ("on an earlier connection", shown(b"pump", TLS | SHOWN_BEFORE), True),
        ("not verified", shown(b"pump", result=1), False),
        ("not shown", shown(b"pump", TLS), False),
        ("without TLS", shown(b"pump", SHOWN), False), ("another", shown(b"valve"), False),
        ("none", v2("127.0.0.9"), False), ("version 1", v1("127.0.0.9"), False)])
def test_a_certificate_that_the_proxy_has_verified(t, header, is_good):
    client = t.socket(wrap=starting(header))
    client.send(connect(t.id(), username="pump"))
    client.expect(CONNACK, reason=0 if is_good else {0x86, 0x87})


@options(listener={"proxy_protocol": True, "trusted_proxies": "10.0.0.0/8",
                   "proxy_protocol_skip": True}, access={"allow_anonymous": False},
         authentication=[{"type": "certificate", "cert_is": "username"}])
@private(bystander=False)
def test_what_others_say_of_certificates_is_not_believed(t):
    client = t.socket(wrap=starting(shown(b"pump")))
    client.send(connect(t.id(), username="pump"))
    client.expect(CONNACK, reason={0x86, 0x87})


# --------------------------------------------------------------------------- a chain of its own


@options(more=[{"bind": "tcp://127.0.0.1:{a}", "name": "plant"},
               {"bind": "ws://127.0.0.1:{b}", "name": "web"}, {"bind": "tcp://127.0.0.1:{c}"}],
         access={"allow_anonymous": False},
         authentication=[{"type": "password_file", "path": USERS},
                         {"type": "password_file", "path": PLANT, "listener": "plant"},
                         {"type": "scram", "path": WEB, "listener": "web"}])
@private(bystander=False)
def test_each_listener_has_a_chain_of_its_own(t):
    """The users of one are not known at the other, and a listener without a chain has that of
    all."""
    def come(name, user, password, wrap=None):
        client = listener(t, name, wrap) if name else t.socket()
        client.send(connect(t.id(f"{name}{user}"), username=user, password=password))
        return client.expect(CONNACK).reason
    for place in (None, "c"):
        t.equal(come(place, "salted", "one"), 0)
        t.equal(come(place, "worker", "two"), 0x86)
    t.equal(come("a", "worker", "two"), 0)
    t.equal(come("a", "salted", "one"), 0x86)
    t.true(come("b", "salted", "one", WsSocket) >= 0x80, "a listener with SCRAM took a password")


# --------------------------------------------------------------------------------- access rules


@options(more=[{"bind": "tcp://127.0.0.1:{a}", "access_rules": ["deny 127.0.0.2", "allow all"]},
               {"bind": "tcp://127.0.0.1:{b}", "access_rules": ["allow 127.0.0.2/31"]},
               {"bind": "tcp://127.0.0.1:{c}", "max_connections": 1}])
def test_each_listener_has_rules_and_limits_of_its_own(t):
    def try_from(source, name):
        client = Client(t.broker.host, t.broker.ports[name], 5, t.timeout, source)
        t.clients.append(client)
        client.send(connect(t.id(f"{name}{source[-1]}"), version=5))
        return client
    try_from("127.0.0.1", "a").expect(CONNACK, reason=0)
    try_from("127.0.0.2", "a").expect_close()
    try_from("127.0.0.2", "b").expect(CONNACK, reason=0)
    try_from("127.0.0.3", "b").expect(CONNACK, reason=0)
    try_from("127.0.0.1", "b").expect_close()
    first = try_from("127.0.0.1", "c")
    first.expect(CONNACK, reason=0)
    try_from("127.0.0.2", "c").expect_close()
    first.ping()
    t.connect().ping()


# --------------------------------------------------------------------------------- Unix sockets


@options(scheme="unix", listener={"mode": "0640"})
@private(bystander=False, ends=True)
def test_a_unix_socket(t):
    t.equal(os.stat(t.broker.path).st_mode & 0o7777, 0o640)
    raw = t.broker.dial()
    raw.sendall(connect(t.id(), version=5))
    t.equal(raw.recv(100)[:1], b"\x20")
    again = t.broker.dial()
    again.sendall(connect(t.id(), version=5))  # takes the session over
    t.equal(again.recv(100)[:1], b"\x20")
    t.equal(raw.recv(100)[:1], b"\xe0")
    t.broker.process.terminate()
    t.equal(t.broker.process.wait(20), 0)
    t.true(not os.path.exists(t.broker.path), "the path is left behind")


@options(scheme="unix")
@private(bystander=False, ends=True)
def test_a_stale_path_is_taken_over_and_a_used_one_is_not(t):
    second = t.broker.command + ["--listen", f"unix://{t.broker.path}", "--data", "none", "--admin",
                                 "none", "--shards", "1"]
    done = subprocess.run(second, capture_output=True, text=True, timeout=30)
    t.equal(done.returncode, 1)
    t.true("Address already in use" in done.stderr, done.stderr)
    t.broker.process.kill()
    t.broker.process.wait()
    t.true(os.path.exists(t.broker.path), "a killed broker leaves its path")
    try:
        while True:  # the kernel takes a moment to take the rings of the killed one down
            t.broker.dial().close()
            time.sleep(0.01)
    except ConnectionRefusedError:
        pass
    t.true(t.broker.start(), "the path was not taken over")
    raw = t.broker.dial()
    raw.sendall(connect(t.id(), version=5))
    t.equal(raw.recv(100)[:1], b"\x20")


@options(scheme="unix", listener={"proxy_protocol": True})
@private(bystander=False, ends=True)
def test_a_header_at_a_unix_socket(t):
    raw = t.broker.dial()
    raw.sendall(v1("127.0.0.9") + connect(t.id(), version=5))
    t.equal(raw.recv(100)[:1], b"\x20")


# --------------------------------------------------------------------------------- mount points

MOUNTED = {"more": [{"bind": "tcp://127.0.0.1:{a}", "mountpoint": "in/"},
                    {"bind": "tcp://127.0.0.1:{b}", "mountpoint": "id/${clientid}/"},
                    {"bind": "tcp://127.0.0.1:{c}", "mountpoint": "of/${username}/"}]}


@options(**MOUNTED)
def test_a_mount_point_is_not_seen_inside(t):
    outside = t.subscriber(f"in/{t.topic('#')}")
    inside = listener(t, "a")
    inside.connect(t.id("in"))
    inside.subscribe(t.topic("#"), qos=2)
    for qos in range(3):
        inside.publish(t.topic(f"x{qos}"), f"{qos}", qos=qos)
        inside.take(t.topic(f"x{qos}"), f"{qos}", qos=qos)
        outside.take(f"in/{t.topic(f'x{qos}')}", f"{qos}")
    outside.publish(f"in/{t.topic('y')}", "from outside")
    inside.take(t.topic("y"), "from outside")
    outside.take(f"in/{t.topic('y')}")
    outside.publish(t.topic("y"), "elsewhere")
    t.quiet(inside, outside)
    inside.unsubscribe(t.topic("#"), reasons=[0])
    outside.publish(f"in/{t.topic('y')}", "nobody there")
    outside.take(f"in/{t.topic('y')}")
    t.quiet(inside)


@options(**MOUNTED)
def test_aliases_and_fan_out_behind_a_mount_point(t):
    plain = [t.subscriber(f"in/{t.topic()}", suffix=f"p{n}") for n in range(3)]
    mounted = []
    for number in range(3):
        client = listener(t, "a")
        client.connect(t.id(f"m{number}"), props={"topic_alias_max": 5})
        client.subscribe(t.topic())
        mounted.append(client)
    for number in range(5):
        mounted[0].publish(t.topic() if number == 0 else "", f"{number}", props={"topic_alias": 3})
        for client in plain:
            client.take(f"in/{t.topic()}", f"{number}")
        for client in mounted:
            client.take(t.topic(), f"{number}")


@options(**MOUNTED)
def test_wills_retained_and_shared_behind_a_mount_point(t):
    outside = t.subscriber(f"in/{t.topic('will')}", qos=1)
    dying = listener(t, "a")
    dying.connect(t.id("dying"), will={"topic": t.topic("will"), "payload": b"gone", "qos": 1})
    dying.publish(t.topic("kept"), "here", qos=1, retain=True)
    shared = []
    for number in range(2):
        client = listener(t, "a")
        client.connect(t.id(f"s{number}"))
        client.subscribe(f"$share/g/{t.topic('job')}")
        shared.append(client)
    dying.close()
    outside.take(f"in/{t.topic('will')}", "gone")
    late = listener(t, "a")
    late.connect(t.id("late"))
    late.subscribe(t.topic("kept"))
    late.take(t.topic("kept"), "here", retain=1)
    for number in range(4):
        outside.publish(f"in/{t.topic('job')}", f"{number}")
    got = t.gather(shared, 4)
    t.equal({packet.topic for _, packet in got}, {t.topic("job")})
    late.publish(t.topic("kept"), "", retain=True)


@options(**MOUNTED)
def test_placeholders_of_a_mount_point(t):
    outside = t.subscriber("id/#", "of/#")
    one = listener(t, "b")
    one.connect(t.id("one"))
    one.publish(t.topic("x"), "1", qos=1)
    outside.take(f"id/{t.id('one')}/{t.topic('x')}", "1")
    two = listener(t, "c")
    two.connect(t.id("two"), username="me", password=b"p")
    two.publish(t.topic("x"), "2", qos=1)
    outside.take(f"of/me/{t.topic('x')}", "2")


@options(**MOUNTED)
@cases([("none", None), ("empty", ""), ("slash", "a/b"), ("plus", "+"), ("hash", "#")])
def test_names_that_would_lead_out_of_a_mount_point(t, username):
    client = listener(t, "c")
    values = {} if username is None else {"username": username}
    client.send(connect(t.id(), version=5, **values))
    client.expect_refused(0x87)


# ------------------------------------------------------------------------------ come, go and change

PLAIN = {"name": "plain"}
SIDE = {"name": "side", "bind": "tcp://127.0.0.1:{a}"}


def refused(t, name):
    """Nobody listens there."""
    try:
        t.broker.dial(t.broker.ports[name]).close()
    except ConnectionRefusedError:
        return
    raise AssertionError("somebody listens there")


def again(t, *more, result="applied"):
    t.equal(t.broker.reload(more=list(more)), result)


@options(admin=True, listener=PLAIN)
@private()
def test_listeners_come_and_go(t):
    refused(t, "a")
    kept = t.connect("kept")
    again(t, SIDE)
    for _ in range(3):
        side = listener(t, "a")
        side.connect(t.id("side"))
        again(t)
        side.ping()  # it stays when its listener goes
        refused(t, "a")
        again(t, SIDE)
        listener(t, "a").connect(t.id("other"))
        side.ping()
    # Its address is free for another name when it has gone.
    again(t, {**SIDE, "name": "another"}, result="refused")
    again(t)
    again(t, {**SIDE, "name": "another"})
    kept.ping()


@options(admin=True, listener=PLAIN, more=[{**SIDE, "close_connections": True}])
@private()
def test_a_removed_listener_closes_its_connections_where_that_is_set(t):
    side, kept = listener(t, "a"), t.connect("kept")
    side.connect(t.id("side"), will={"topic": t.topic("will"), "payload": b"gone"})
    kept.subscribe(t.topic("will"))
    again(t)
    side.expect_error(0x98)
    kept.take(t.topic("will"), "gone")
    refused(t, "a")
    kept.ping()


@options(admin=True, listener=PLAIN, more=[SIDE])
@private()
def test_a_listener_stops_and_starts(t):
    side = listener(t, "a")
    side.connect(t.id("side"))
    again(t, {**SIDE, "enable": False})
    refused(t, "a")
    side.ping()
    again(t, {**SIDE, "enable": False, "close_connections": True})
    again(t, {**SIDE, "close_connections": True})
    listener(t, "a").connect(t.id("more"))
    side.ping()
    again(t, {**SIDE, "enable": False, "close_connections": True})
    side.expect_error(0x98)
    refused(t, "a")


@options(admin=True, listener=PLAIN)
@private()
def test_a_listener_that_cannot_be_had_refuses_the_reload(t):
    taken = socket.socket()
    taken.bind(("127.0.0.1", t.broker.ports["b"]))
    taken.listen()
    again(t, SIDE, {"name": "taken", "bind": "tcp://127.0.0.1:{b}"}, result="refused")
    t.broker.says("Address already in use")
    taken.close()
    refused(t, "a")
    again(t, SIDE, {"name": "taken", "bind": "tcp://127.0.0.1:{b}"})
    listener(t, "a").connect(t.id("a"))
    listener(t, "b").connect(t.id("b"))


@options(admin=True, listener=PLAIN, more=[SIDE])
@private()
def test_what_a_listener_asks_changes(t):
    again(t, {**SIDE, "access_rules": "deny all"})
    listener(t, "a").expect_close()
    again(t, {**SIDE, "access_rules": "allow 127.0.0.1", "mountpoint": "m/"})
    outside = t.subscriber(f"m/{t.topic()}")
    client = listener(t, "a")
    client.connect(t.id())
    client.publish(t.topic(), "x")
    outside.take(f"m/{t.topic()}", "x")
    again(t, {**SIDE, "access_rules": "allow nobody"}, result="refused")
    t.broker.says("access_rules")


@options(admin=True, listener=PLAIN)
@private()
def test_kinds_of_listeners_come_and_go(t):
    web = {"name": "web", "bind": "ws://127.0.0.1:{a}"}
    local = {"name": "local", "bind": "unix://{folder}/side"}
    path = os.path.join(t.broker.folder, "side")
    again(t, web, local)
    listener(t, "a", WsSocket).connect(t.id("web"))
    raw = t.broker.dial(path=path)
    raw.sendall(connect(t.id("local"), version=5))
    t.equal(raw.recv(100)[:1], b"\x20")
    again(t, {**web, "ws": {"mqtt_path": "/other"}})
    listener(t, "a", lambda raw: WsSocket(raw, "/other")).connect(t.id("web"))
    deadline = time.monotonic() + t.timeout
    while os.path.exists(path):
        t.true(time.monotonic() < deadline, "the path of the Unix socket stays")
        time.sleep(0.01)
    again(t, web, local)
    raw = t.broker.dial(path=path)
    raw.sendall(connect(t.id("again"), version=5))
    t.equal(raw.recv(100)[:1], b"\x20")


@options(admin=True, listener=PLAIN)
@private()
@slow
def test_many_reloads_under_connections(t):
    for number in range(70):  # more than there are places
        side = {**SIDE, "name": f"side{number}", "close_connections": True}
        again(t, side)
        client = listener(t, "a")
        client.connect(t.id("c"))
        again(t)
        client.expect_error(0x98)
    t.connect().ping()
