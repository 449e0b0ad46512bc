"""TLS: what is agreed on, who is let in, what a reload changes, and what hostile bytes do.

Most clients here are Python's ssl (OpenSSL); some are other programs, each a process of its own.
"""

import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.request

import certificates
from certificates import pair, path
from harness import Skip, cases, only, options, private
from mqtt_packet import connect
from mqtt_wire import PUBLISH, Failure, readiness
from tls_socket import TlsSocket, context

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERIFIED = {**pair("server"), "verify": "required", "ca": path("ca.pem")}

TLS = options(tls=pair("server"))


def over(of=None, **values):
    """The `wrap` of a client with that context."""
    of = of or context()
    return lambda raw: TlsSocket(raw, of, **values)


def joins(t, suffix, of=None, **values):
    """A connected client that can publish and receive."""
    client = t.subscriber(t.topic(suffix), suffix=suffix, wrap=over(of, **values))
    client.publish(t.topic(suffix), suffix, qos=1)
    client.expect(PUBLISH, topic=t.topic(suffix), payload=suffix)
    return client


def refused(t, of, *words):
    """The server ends the handshake, or says so with the first answer (TLS 1.3); `words`: one of
    them is in the reason."""
    try:
        client = t.socket(wrap=over(of))
        client.send(connect(t.id("x")))
        got = client.sock.recv(1)
        t.true(False, f"not refused, {got!r} came")
    except (ssl.SSLError, ConnectionResetError) as error:
        text = str(error).lower()
        t.true(any(word in text for word in words), f"refused for another reason: {text}")


def metric(t, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{t.broker.admin_port}/metrics") as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
    raise Failure(f"there is no {name}")


# ------------------------------------------------------------------------------- what is agreed on

@only("sluiced")
@TLS
@cases([("1.2", V12, "TLSv1.2"), ("1.3", V13, "TLSv1.3")])
def test_tls_version(t, version, name):
    client = joins(t, "x", context(minimum_version=version, maximum_version=version))
    t.equal(client.sock.tls.version(), name)


@only("sluiced")
@options(tls={**pair("server"), "min_version": "1.3"})
def test_tls_a_minimum_version_is_kept(t):
    joins(t, "new", context(minimum_version=V13))
    refused(t, context(maximum_version=V12), "protocol version", "protocol_version")


@only("sluiced")
@TLS
def test_tls_alpn(t):
    """RFC 7301: mqtt is chosen among what is offered, something else alone is refused, and nothing
    offered is as well."""
    offers = context()
    offers.set_alpn_protocols(["http/1.1", "mqtt"])
    t.equal(joins(t, "a", offers).sock.tls.selected_alpn_protocol(), "mqtt")
    t.equal(joins(t, "b").sock.tls.selected_alpn_protocol(), None)
    other = context()
    other.set_alpn_protocols(["http/1.1"])
    refused(t, other, "application protocol")


@only("sluiced")
@TLS
@cases(["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384",
        "DHE-RSA-AES128-GCM-SHA256"])
def test_tls_weak_ciphers_are_refused(t, *_):
    suite = t.test.name.split("[")[1].rstrip("]")
    of = context(maximum_version=V12)
    of.set_ciphers(suite + "@SECLEVEL=0")
    refused(t, of, "handshake failure")


@only("sluiced")
@options(tls={**pair("server"), "ciphers": "ECDHE-ECDSA-CHACHA20-POLY1305"})
def test_tls_ciphers_of_the_configuration(t):
    of = context(maximum_version=V12)
    t.equal(joins(t, "x", of).sock.tls.cipher()[0], "ECDHE-ECDSA-CHACHA20-POLY1305")
    of.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    refused(t, of, "handshake failure")


@only("sluiced")
@TLS
@cases(["1.0", "1.1"])
def test_tls_old_versions_are_refused(t, *_):
    number = int(t.test.name.split("1.")[1][0])
    of = context(minimum_version=ssl.TLSVersion(0x301 + number),
                 maximum_version=ssl.TLSVersion(0x301 + number))
    of.set_ciphers("ALL:@SECLEVEL=0")
    refused(t, of, "protocol version", "internal error")


@only("sluiced")
@cases([("rsa",), ("ed25519",)])
@private(bystander=False)
@options(tls={"certificate": f"{path('rsa.pem')},{path('ed25519.pem')}",
              "key": f"{path('rsa.key')}, {path('ed25519.key')}"})
def test_tls_keys_of_other_kinds(t):
    """The first certificate of the list serves whoever names no host that another is for; the
    broker takes both kinds."""
    joins(t, "x")


@only("sluiced")
@options(tls=pair("ed25519"))
def test_tls_ed25519(t):
    joins(t, "x")


@only("sluiced")
@options(tls={"certificate": f"{path('server.pem')},{path('server2.pem')}",
              "key": f"{path('server.key')},{path('server2.key')}"})
@cases([("one", "localhost", "localhost"), ("two", "two.example", "two.example"),
        ("none", None, "localhost"), ("unknown", "nobody.example", "localhost")])
def test_tls_certificates_by_name(t, name, subject):
    client = joins(t, "x", server_name=name)
    shown = client.sock.tls.getpeercert()["subject"][0][0][1]
    t.equal(shown, subject)


# -------------------------------------------------------------------------------------- resumption

def resumed(t, of, suffix, session, leave=True):
    client = joins(t, suffix, of, session=session)
    session, reused = client.sock.tls.session, client.sock.tls.session_reused
    if leave:
        client.disconnect()
    return session, reused


@only("sluiced")
@TLS
@cases([("1.2", V12), ("1.3", V13)])
def test_tls_sessions_resume_on_every_shard(t, version):
    of = context(minimum_version=version, maximum_version=version)
    session, _ = resumed(t, of, "first", None)
    for number in range(8):
        session, reused = resumed(t, of, f"again{number}", session)
        t.true(reused, f"time {number}: not resumed")


@only("sluiced")
@options(tls={**pair("server"), "session_timeout": "0s"})
def test_tls_sessions_can_be_switched_off(t):
    of = context()
    session, _ = resumed(t, of, "first", None)
    t.true(not resumed(t, of, "again", session)[1], "resumed")


@only("sluiced")
@options(tls={**pair("server"), "ticket_rotation": "1s"})
@private()
def test_tls_ticket_keys_rotate(t):
    """A ticket outlives one rotation of its key, and not two."""
    of = context()
    old, _ = resumed(t, of, "first", None)
    time.sleep(1.2)
    newer, reused = resumed(t, of, "one", old)
    t.true(reused, "not resumed after one rotation")
    time.sleep(1.2)
    t.true(resumed(t, of, "two", newer)[1], "the renewed ticket does not resume")
    t.true(not resumed(t, of, "three", old)[1], "resumed after two rotations")


# ------------------------------------------------------------------------------- pre-shared keys

PSK = options(tls={"psk_file": path("psk.txt"), "psk_hint": "wire"})


CONNACK_4 = b"\x20\x02\0\0"


def s_client(t, *arguments, talk=()):
    """What openssl s_client prints. It is told the first of each pair of `talk`, and its input
    stays open until it has printed one of the words that follow, or ends."""
    process = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{t.broker.port}",
                                *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    said, deadline = b"", time.monotonic() + t.timeout
    try:
        for say, *words in talk:
            process.stdin.write(say)
            process.stdin.flush()
            start, data = len(said), b"-"
            while data and not any(word in said[start:] for word in words):
                left = deadline - time.monotonic()
                if not readiness([process.stdout], (), left)[0]:
                    break
                data = os.read(process.stdout.fileno(), 65536)
                said += data
    except BrokenPipeError:
        pass
    return (said + process.communicate(timeout=10)[0]).decode("latin-1")


@only("sluiced")
@PSK
@private(bystander=False)
def test_tls_pre_shared_keys(t):
    key = "000102030405060708090a0b0c0d0e0f"
    for suite in ("ECDHE-PSK-CHACHA20-POLY1305", "ECDHE-PSK-AES128-CBC-SHA",
                  "ECDHE-PSK-AES256-CBC-SHA", "PSK-AES128-CBC-SHA", "PSK-AES256-CBC-SHA"):
        said = s_client(t, "-tls1_2", "-psk", key, "-psk_identity", "device-9", "-cipher",
                        suite + "@SECLEVEL=0")
        t.true(f"Cipher is {suite}" in said, f"{suite}: {said[-300:]}")
    for identity, secret in (("nobody", key), ("device-9", key[::-1]), ("other", key)):
        said = s_client(t, "-tls1_2", "-psk", secret, "-psk_identity", identity, "-cipher",
                        "PSK-AES128-CBC-SHA:@SECLEVEL=0")
        t.true("alert" in said, f"{identity}: {said[-300:]}")


@only("sluiced")
@PSK
@private(bystander=False)
def test_tls_pre_shared_keys_of_mosquitto(t):
    if not shutil.which("mosquitto_pub"):
        raise Skip("mosquitto_pub is not there")
    subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(t.broker.port), "--psk",
                    "000102030405060708090a0b0c0d0e0f", "--psk-identity", "device-9",
                    "-t", "a", "-m", "b", "-q", "1"], check=True, timeout=10)


# ------------------------------------------------------------------------------------ other clients

@only("sluiced")
@options(tls={**pair("server"), "ocsp": path("ocsp.der")})
def test_tls_stapled_response(t):
    """The bytes of the file come with the handshake (openssl prints what it can of them)."""
    said = s_client(t, "-status", "-CAfile", path("ca.pem"))
    t.true("OCSP Response Status: successful" in said, said[:600])


@only("sluiced")
@TLS
@cases([("1.2", "-tls1_2")])
def test_tls_renegotiation_is_refused(t, version):
    said = s_client(t, version, "-legacy_renegotiation", talk=[(b"R\n", b"no renegotiation")])
    t.true("RENEGOTIATING" in said and "no renegotiation" in said.lower(), said[-400:])


@only("sluiced")
@TLS
def test_tls_keys_are_updated(t):
    """Both sides of TLS 1.3 change keys when the client asks; the connection goes on."""
    said = s_client(t, "-tls1_3", talk=[
        (b"K\n", b"KEYUPDATE"), (b"k\n", b"KEYUPDATE"),
        (connect(t.id("k"), version=4) + b"\n", CONNACK_4)])
    t.equal(said.count("KEYUPDATE"), 2, said[-300:])
    t.true(CONNACK_4.decode() in said.split("KEYUPDATE")[-1], "no CONNACK came")


@only("sluiced")
@options(tls=VERIFIED)
def test_tls_with_mosquitto_clients(t):
    if not shutil.which("mosquitto_sub"):
        raise Skip("mosquitto_sub is not there")
    common = ["-h", "localhost", "-p", str(t.broker.port), "--cafile", path("ca.pem"), "--cert",
              path("client.pem"), "--key", path("client.key"), "-t", t.topic("m")]
    kept = ["mosquitto_sub", *common, "-q", "1", "-c", "-i", t.id("m")]
    subprocess.run(kept + ["-E"], check=True, timeout=10)
    subprocess.run(["mosquitto_pub", *common, "-q", "1", "-l"], check=True, timeout=20, text=True,
                   input="".join(f"line {n} {'x' * 3000}\n" for n in range(20)))
    sub = subprocess.run(kept + ["-C", "20"], capture_output=True, text=True, timeout=20)
    got = sub.stdout.splitlines()
    t.equal([line.split()[1] for line in got], [str(n) for n in range(20)])


@only("sluiced")
@TLS
def test_tls_with_paho(t):
    program = f"""
import paho.mqtt.client as mqtt
client = mqtt.Client("{t.id('paho')}")
client.tls_set("{path('ca.pem')}")
client.on_connect = lambda c, u, f, rc: c.subscribe("{t.topic('p')}", 1)
client.on_subscribe = lambda c, *_: c.publish("{t.topic('p')}", b"y" * 100000, 1)
def on_message(c, u, m):
    assert len(m.payload) == 100000
    c.disconnect()
client.on_message = on_message
client.connect("localhost", {t.broker.port})
client.loop_forever()
"""
    done = subprocess.run(["/usr/bin/python3", "-c", program], capture_output=True, timeout=20)
    if b"No module named" in done.stderr:
        raise Skip("paho is not there")
    t.equal((done.returncode, done.stderr), (0, b""))


# --------------------------------------------------------------------------------------- transport

@only("sluiced")
@TLS
@cases([("1.2", V12), ("1.3", V13)])
def test_tls_large_and_small(t, version):
    """Packets larger than records and than receives, and many in one record, both ways."""
    client = joins(t, "x", context(minimum_version=version, maximum_version=version))
    for size in (1, 2047, 2049, 16383, 16384, 16385, 65536, 300000, 1000000):
        data = bytes(t.random.getrandbits(8) for _ in range(1000)) * (size // 1000 + 1)
        client.publish(t.topic("x"), data[:size], qos=1)
        client.expect(PUBLISH, topic=t.topic("x"), payload=data[:size], timeout=20)
    for number in range(500):
        client.publish(t.topic("x"), str(number))
    for number in range(500):
        client.expect(PUBLISH, topic=t.topic("x"), payload=str(number))


@only("sluiced")
@TLS
def test_tls_byte_by_byte(t):
    """Every record arrives in pieces of one byte; CONNECT and what follows it in one record."""
    raw = socket.create_connection((t.broker.host, t.broker.port))
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    class Dripping:
        def __getattr__(self, name):
            return getattr(raw, name)

        def send(self, data):
            for at in range(len(data)):
                raw.send(data[at:at + 1])
            return len(data)

    raw.settimeout(t.timeout)
    sock = TlsSocket(Dripping(), context())
    sock.sendall(connect(t.id("drip")) + b"\xc0\x00")
    got = b""
    while b"\xd0\x00" not in got:
        part = sock.recv(100)
        t.true(part, "closed")
        got += part
    raw.close()


@only("sluiced")
@TLS
def test_tls_close_notify_is_answered(t):
    client = joins(t, "x")
    try:
        client.sock.tls.unwrap()
    except ssl.SSLWantReadError:
        pass
    client.sock.flush()
    try:
        client.sock.feed()
        client.sock.tls.unwrap()
        ended = True
    except ssl.SSLZeroReturnError:
        ended = True
    except ssl.SSLError as error:
        ended = "close_notify" in str(error).lower() or "shutdown" in str(error).lower()
    t.true(ended, "no close_notify came back")


@only("sluiced")
@TLS
def test_tls_a_client_in_error_gets_its_goodbye(t):
    """DISCONNECT with the reason, then close_notify, then the end of the stream."""
    client = joins(t, "x")
    client.send("c0ffffffff7f")
    client.expect_error({0x81})
    t.equal(client.sock.recv(1), b"")


@only("sluiced")
@TLS
def test_tls_the_end_of_one_direction(t):
    """TCP's end without close_notify: the connection is closed and the will comes."""
    watcher = t.subscriber(t.topic("will"), suffix="watcher")
    client = t.connect("c", wrap=over(), will={"topic": t.topic("will"), "payload": "gone"})
    client.sock.raw.shutdown(socket.SHUT_WR)
    watcher.expect(PUBLISH, payload="gone")
    client.await_end(t.timeout)


@only("sluiced")
@private()
@options(tls={**pair("server"), "handshake_timeout": "1s"})
def test_tls_a_handshake_has_to_end(t):
    """Nothing, half a ClientHello, and one byte a moment: all are closed after the time-out."""
    hello = bytes.fromhex("16030100f8010000f40303") + bytes(100)
    start = time.monotonic()
    silent, half, drip = (socket.create_connection((t.broker.host, t.broker.port))
                          for _ in range(3))
    half.send(hello)
    for at in range(40):
        try:
            drip.send(hello[at:at + 1])
        except OSError:
            break
        time.sleep(0.05)
    for one in (silent, half, drip):
        one.settimeout(5)
        try:
            t.equal(one.recv(100), b"")
        except ConnectionResetError:
            pass
    t.true(0.9 < time.monotonic() - start < 4, "not after the time-out")


@only("sluiced")
@options(tls=pair("server"), limits={"tls_handshakes": 16})
@private()
def test_tls_handshakes_that_never_go_on_make_room(t):
    idle = [socket.create_connection((t.broker.host, t.broker.port)) for _ in range(200)]
    for number in range(8):
        joins(t, f"x{number}")
    time.sleep(0.2)
    closed = 0
    for one in idle:
        one.setblocking(False)
        try:
            closed += one.recv(1) == b""
        except BlockingIOError:
            pass
        except ConnectionResetError:
            closed += 1
        one.close()
    t.true(closed >= 200 - 16 * t.broker.shards - 16, f"only {closed} were closed")


@only("sluiced")
@TLS
@cases([("text", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), ("mqtt", connect("plain")),
        ("zeros", bytes(5000)), ("ones", b"\xff" * 5000),
        ("record", b"\x16\x03\x01\x40\x01" + bytes(16385)),
        ("alert", b"\x15\x03\x01\x00\x02\x02\x28"), ("data", b"\x17\x03\x03\x00\x20" + bytes(32)),
        ("hello", b"\x16\x03\x01\x00\x05\x01\xff\xff\xff\xff")])
def test_tls_garbage_instead_of_a_hello(t, data):
    with socket.create_connection((t.broker.host, t.broker.port)) as sock:
        sock.settimeout(t.timeout)
        sock.sendall(data)
        try:
            while sock.recv(1000):
                pass
        except ConnectionResetError:
            pass


@only("sluiced")
@TLS
def test_tls_garbage_in_the_stream(t):
    """A record that was changed on its way ends the connection, and the will comes."""
    watcher = t.subscriber(t.topic("will"), suffix="watcher")
    for flip in (0, 3, 5, 20):
        client = t.connect(f"c{flip}", wrap=over(),
                           will={"topic": t.topic("will"), "payload": str(flip)})
        client.sock.tls.write(b"\xc0\x00" * 20)
        record = bytearray(client.sock.going.read())
        record[flip] ^= 1
        client.sock.raw.sendall(bytes(record) + bytes(1000))
        watcher.expect(PUBLISH, payload=str(flip))
        client.await_end(t.timeout)


@only("sluiced")
@TLS
def test_tls_random_bytes_in_a_handshake(t):
    """A ClientHello with bytes changed or cut: the broker answers with an alert or goes on."""
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    made = context().wrap_bio(coming, going, server_hostname="localhost")
    try:
        made.do_handshake()
    except ssl.SSLWantReadError:
        pass
    hello = going.read()
    for _ in range(150):
        data = bytearray(hello)
        for _ in range(t.random.randrange(1, 6)):
            data[t.random.randrange(len(data))] = t.random.getrandbits(8)
        with socket.create_connection((t.broker.host, t.broker.port)) as sock:
            sock.sendall(bytes(data[:t.random.randrange(1, len(data) + 1)]))
            sock.shutdown(socket.SHUT_WR)
            sock.settimeout(t.timeout)
            try:
                while sock.recv(4096):
                    pass
            except ConnectionResetError:
                pass


# ------------------------------------------------------------------------------------------ reload

class Live:
    """Files of a listener that a test replaces, as a renewal of certificates does."""

    def __init__(self, t):
        self.folder = t.broker.folder
        self.names = {}

    def put(self, name, source):
        target = os.path.join(self.folder, name)
        shutil.copy(path(source), target + ".new")
        os.rename(target + ".new", target)
        return target


def live(t, **extra):
    files = Live(t)
    keys = {"certificate": files.put("live.pem", "server.pem"),
            "key": files.put("live.key", "server.key"), **extra}
    for name, source in list(extra.items()):
        if name in ("ca", "crl"):
            keys[name] = files.put(name, source)
    t.broker.tls = keys
    t.equal(t.broker.reload(), "applied")
    return files


@only("sluiced")
@options(tls=pair("server"), admin=True, listener={"name": "it"})
@private(bystander=False)
def test_tls_reload_of_certificates(t):
    """New connections see the new certificate, old ones go on; a set that does not fit is refused
    and changes nothing."""
    files = live(t)
    old = joins(t, "old")
    t.equal(old.sock.tls.getpeercert()["subject"][0][0][1], "localhost")
    files.put("live.pem", "server2.pem")
    t.equal(t.broker.hang_up(), "refused")
    t.broker.says("the key is not that of the certificate")
    t.equal(joins(t, "same").sock.tls.getpeercert()["subject"][0][0][1], "localhost")
    files.put("live.key", "server2.key")
    t.equal(t.broker.hang_up(), "applied")
    t.equal(joins(t, "new").sock.tls.getpeercert()["subject"][0][0][1], "two.example")
    old.ping()
    for broken in ("psk.txt", "server2.key"):
        files.put("live.pem", broken)
        t.equal(t.broker.hang_up(), "refused")
    os.unlink(os.path.join(files.folder, "live.pem"))
    t.equal(t.broker.hang_up(), "refused")
    t.equal(joins(t, "still").sock.tls.getpeercert()["subject"][0][0][1], "two.example")
    old.ping()


@only("sluiced")
@options(tls=pair("server"), admin=True, listener={"name": "it"})
@private(bystander=False)
def test_tls_reload_keeps_tickets_unless_trust_changes(t):
    files = live(t, verify="required", ca="ca.pem", crl="crl-none.pem")
    of, lost = context("client"), context("revoked")
    session, _ = resumed(t, of, "first", None)
    theirs, _ = resumed(t, lost, "lost", None)
    t.equal(t.broker.hang_up(), "applied")
    session, reused = resumed(t, of, "again", session)
    t.true(reused, "a reload without a change of trust threw tickets away")
    theirs, reused = resumed(t, lost, "lost2", theirs)
    t.true(reused, "not resumed")
    files.put("crl", "crl.pem")
    t.equal(t.broker.hang_up(), "applied")
    t.true(not resumed(t, of, "third", session)[1], "resumed across a new revocation list")
    try:
        client = t.socket(wrap=over(lost, session=theirs))
        client.send(connect(t.id("x")))
        got = client.sock.recv(1)
        t.true(False, f"a revoked certificate resumed: {got!r}")
    except (ssl.SSLError, ConnectionResetError) as error:
        t.true("revoked" in str(error).lower(), str(error))


@only("sluiced")
@options(tls=pair("server"), admin=True, listener={"name": "it"})
@private(bystander=False)
def test_tls_reload_under_load(t):
    """Reloads while clients come and go and messages flow: nothing is lost or refused."""
    files = live(t)
    steady = t.subscriber(t.topic("s"), suffix="steady", qos=1)
    publisher, wrong, done = t.connect("publisher"), [], threading.Event()

    def come_and_go(number):
        of, session = context(), None
        try:
            while not done.is_set():
                client = t.connect(f"g{number}", wrap=over(of, session=session))
                client.ping()
                session = client.sock.tls.session
                client.disconnect()
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=come_and_go, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for number in range(10):
        name = "server2" if number % 2 else "server"
        files.put("live.pem", f"{name}.pem")
        files.put("live.key", f"{name}.key")
        t.equal(t.broker.hang_up(), "applied")
        for n in range(20):
            publisher.publish(t.topic("s"), f"{number}.{n}", qos=1)
            steady.take(payload=f"{number}.{n}")
    done.set()
    for thread in threads:
        thread.join()
    t.true(not wrong, repr(wrong[:1]))


@only("sluiced")
@options(tls={**VERIFIED, "crl": path("crl.pem")}, admin=True, listener={"name": "it"})
@private()
def test_tls_metrics(t):
    """Expiry of certificate and list, handshakes completed, resumed and failed."""
    before = metric(t, 'sluice_tls_handshakes_total{result="completed"}')
    of = context("client")
    session, _ = resumed(t, of, "a", None)
    resumed(t, of, "b", session)
    refused(t, context("revoked"), "revoked")
    t.equal(metric(t, 'sluice_tls_handshakes_total{result="completed"}') - before, 2)
    t.equal(metric(t, "sluice_tls_handshakes_resumed_total"), 1)
    t.equal(metric(t, 'sluice_tls_handshakes_total{result="failed"}'), 1)
    for name, days in (("server.pem", 30), ("crl.pem", 30)):
        at = metric(t, "sluice_tls_expiry_timestamp_seconds"
                       f'{{listener="it",file="{path(name)}"}}')
        t.true(abs(at - time.time() - days * 86400) < 3600, f"{name} expires at {at}")


# --------------------------------------------------------------------------------------- start

@only("sluiced")
@cases([("no key", {"certificate": path("server.pem")}, "no private key"),
        ("other key", {"certificate": path("server.pem"), "key": path("rsa.key")}, "not that of"),
        ("no file", {"certificate": "/nowhere", "key": path("rsa.key")}, "No such file"),
        ("no ca", {**pair("server"), "verify": "required"}, "needs `tls.ca`"),
        ("cipher", {**pair("server"), "ciphers": "RC4"}, "ciphers"),
        ("nothing", {}, "needs `tls.certificate`"),
        ("psk", {"psk_file": path("server.key")}, "line 1"),
        ("ocsp", {**pair("server"), "ocsp": path("server.key")}, "OCSP"),
        ("ed25519", {**pair("ed25519"), "ed25519": False}, "switched off"),
        ("keys", {**pair("server"), "key": f"{path('server.key')},{path('rsa.key')}"},
         "more keys than")])
def test_tls_files_are_judged_by_check_config(t, tls, words):
    file = os.path.join(t.broker.folder, f"{t.prefix}.yaml")
    with open(file, "w") as out:
        out.write(json.dumps({"listeners": [{"bind": "tls://127.0.0.1:1", "tls": tls}]}))
    done = subprocess.run(t.broker.command + ["--config", file, "--check-config"],
                          capture_output=True, text=True)
    os.unlink(file)
    t.equal(done.returncode, 2)
    t.true(words in done.stderr, done.stderr)


@only("sluiced")
def test_tls_keys_on_a_listener_without_tls(t):
    done = subprocess.run(t.broker.command + ["--listen", "tcp://:1", "--tls-cert", "x",
                                              "--check-config"], capture_output=True, text=True)
    t.equal(done.returncode, 2)
    t.true("--tls-cert" in done.stderr, done.stderr)
