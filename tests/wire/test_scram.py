"""Enhanced authentication (MQTT 5.0 section 4.12, AUTH packets 3.15) with SCRAM (RFC 5802)."""

import base64
import hashlib
import hmac
import os
import tempfile

from harness import cases, covers, only, options, slow
from mqtt_wire import (AUTH, CONNACK, DISCONNECT, PUBLISH, auth, connect, disconnect, pingreq,
                       publish, subscribe)

FOLDER = tempfile.mkdtemp(prefix="wire-scram-")
ROUNDS = 4096
NAMES = {"sha256": "SCRAM-SHA-256", "sha512": "SCRAM-SHA-512"}


def b64(data):
    return base64.b64encode(data).decode()


def mac(digest, key, text):
    return hmac.new(key, text, digest).digest()


def stored(digest, password, salt):
    """The line of a user's keys as RFC 5803 has it."""
    salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, ROUNDS)
    key = hashlib.new(digest, mac(digest, salted, b"Client Key")).digest()
    server = mac(digest, salted, b"Server Key")
    return f"{NAMES[digest]}${ROUNDS}:{b64(salt)}${b64(key)}:{b64(server)}"


def users():
    path = os.path.join(FOLDER, "users")
    with open(path, "w") as out:
        for digest in NAMES:
            out.write(f"alice:{stored(digest, 'wonder', b'a salt of 16 byt')}\n")
            out.write(f"a,b=c:{stored(digest, 'odd', b'another salt....')}\n")
    return path


USERS = users()
OPTIONS = {"authentication": [{"type": "scram", "path": USERS},
                              {"type": "scram", "path": USERS, "mechanism": "sha512"}],
           "access": {"allow_anonymous": True}}


class Scram:
    """The client's side."""

    def __init__(self, user="alice", password="wonder", digest="sha256", nonce="fyko+d2lbbFgONRv9"):
        self.digest, self.password, self.method = digest, password, NAMES[digest]
        escaped = user.replace("=", "=3D").replace(",", "=2C")
        self.bare = f"n={escaped},r={nonce}"
        self.first = ("n,," + self.bare).encode()

    def final(self, server_first):
        parts = dict(part.split("=", 1) for part in server_first.decode().split(","))
        assert parts["r"].startswith(self.bare.split("r=")[1])
        self.salt = base64.b64decode(parts["s"])
        salted = hashlib.pbkdf2_hmac(self.digest, self.password.encode(), self.salt,
                                     int(parts["i"]))
        key = mac(self.digest, salted, b"Client Key")
        unproven = f"c=biws,r={parts['r']}"
        text = f"{self.bare},{server_first.decode()},{unproven}".encode()
        signature = mac(self.digest, hashlib.new(self.digest, key).digest(), text)
        self.signature = "v=" + b64(mac(self.digest, mac(self.digest, salted, b"Server Key"), text))
        proof = bytes(a ^ b for a, b in zip(key, signature))
        return f"{unproven},p={b64(proof)}".encode()

    def props(self, data):
        return {"auth_method": self.method, "auth_data": data}


def begin(t, scram, name="a", **options):
    """CONNECT and the server's first message."""
    client = t.socket()
    props = {**scram.props(scram.first), **options.pop("props", {})}
    if "max_packet_size" in props:
        client.limits["max_packet_size"] = props["max_packet_size"]
    client.send(connect(t.id(name), props=props, **options))
    got = client.expect(AUTH, reason=0x18, prop_auth_method=scram.method)
    return client, got.prop("auth_data")


def come_in(t, scram, name="a", **options):
    client, challenge = begin(t, scram, name, **options)
    client.send(auth(0x18, scram.props(scram.final(challenge))))
    client.expect(CONNACK, reason=0, prop_auth_method=scram.method,
                  prop_auth_data=scram.signature.encode())
    return client


@only("sluiced")
@cases([(digest, digest) for digest in NAMES])
@covers("MQTT5-4.12.0-3", "MQTT5-4.12.0-5", "MQTT5-3.15.2-1")
def test_MQTT5_4_12_0_2_scram_is_a_dialogue_of_auth_packets(t, digest):
    come_in(t, Scram(digest=digest)).ping()


@only("sluiced")
def test_a_name_with_a_comma_is_escaped(t):
    come_in(t, Scram("a,b=c", "odd")).ping()


@only("sluiced")
@covers("MQTT5-3.15.2-3")
def test_MQTT5_3_15_2_2_auth_is_within_the_maximum_packet_size(t):
    """160 bytes are enough for each packet of the dialogue; with 60 the connection ends."""
    come_in(t, Scram(), props={"max_packet_size": 160}).ping()
    client = t.socket()
    client.limits["max_packet_size"] = 60
    client.send(connect(t.id("b"), props={**Scram().props(Scram().first), "max_packet_size": 60}))
    client.expect_close()


@only("sluiced")
@cases([("wrong-password", "alice", "wrong"), ("unknown-user", "nobody", "wonder")])
@covers("MQTT5-3.1.4-2")
def test_MQTT5_4_12_0_4_a_wrong_proof_is_refused(t, user, password):
    scram = Scram(user, password)
    client, challenge = begin(t, scram)
    client.send(auth(0x18, scram.props(scram.final(challenge))))
    client.expect_refused(0x86)


@only("sluiced")
def test_a_user_who_does_not_exist_has_a_salt_that_stays(t):
    salts = set()
    for number in range(2):
        scram = Scram("nobody")
        client, challenge = begin(t, scram, f"a{number}")
        scram.final(challenge)
        salts.add(scram.salt)
        client.abandon()
    t.equal(len(salts), 1)
    t.equal(len(salts.pop()), 16)


@only("sluiced")
@cases([("empty", b""), ("no-header", b"n=alice,r=x"), ("binding", b"p=tls-unique,,n=alice,r=x"),
        ("no-nonce", b"n,,n=alice"), ("empty-nonce", b"n,,n=alice,r="),
        ("mandatory", b"n,,m=x,n=alice,r=x"), ("other-authz", b"n,a=bob,n=alice,r=x"),
        ("bad-escape", b"n,,n=al=ice,r=x"), ("empty-name", b"n,,n=,r=x"),
        ("long-nonce", b"n,,n=alice,r=" + b"x" * 300), ("zeros", b"\0" * 50)])
def test_a_first_message_that_is_none_is_refused(t, data):
    client = t.socket()
    client.send(connect(t.id("a"), props={"auth_method": NAMES["sha256"], "auth_data": data}))
    client.expect_refused({0x86, 0x87})


@only("sluiced")
@cases([("nonce", lambda m: m.replace(b"r=", b"r=x")), ("binding", lambda m: b"c=eSws" + m[6:]),
        ("no-proof", lambda m: m.split(b",p=")[0]), ("proof", lambda m: m[:-5] + b"AAAA="),
        ("behind", lambda m: m + b",x=y"), ("mandatory", lambda m: m.replace(b",p=", b",m=1,p=")),
        ("empty", lambda m: b"")])
def test_a_final_message_that_is_wrong_is_refused(t, change):
    scram = Scram()
    client, challenge = begin(t, scram)
    client.send(auth(0x18, scram.props(change(scram.final(challenge)))))
    client.expect_refused(0x86)


@only("sluiced")
def test_an_extension_that_is_signed_is_passed_over(t):
    scram = Scram(nonce="nonce,x=extension")
    client = t.socket()
    client.send(connect(t.id("a"), props=scram.props(scram.first)))
    challenge = client.expect(AUTH, reason=0x18).prop("auth_data")
    signed, scram.bare = scram.bare, "n=alice,r=nonce"
    scram.final(challenge)
    scram.bare = signed
    t.true(challenge.startswith(b"r=nonce"), f"the challenge is {challenge}")


@only("sluiced")
@cases([("publish", publish("x", b"y", version=5), 0x82), ("ping", pingreq(), 0x82),
        ("subscribe", subscribe(1, [("x", 0)], version=5), 0x82),
        ("connect", connect("again"), 0x82)])
def test_MQTT5_3_1_2_30_only_auth_and_disconnect_before_connack(t, data, _reason):
    client, _ = begin(t, Scram())
    client.send(data)
    client.expect_close()


@only("sluiced")
def test_a_client_may_leave_before_connack(t):
    client, _ = begin(t, Scram())
    client.send(disconnect())
    client.expect_close()


@only("sluiced")
@cases([("other-method", lambda s, d: auth(0x18, {"auth_method": "SCRAM-SHA-512",
                                                  "auth_data": d})),
        ("again", lambda s, d: auth(0x19, s.props(d))),
        ("no-method", lambda s, d: auth(0x18, {"auth_data": d})),
        ("success", lambda s, d: auth(0x00, s.props(d)))])
@covers("MQTT5-4.12.0-3", "MQTT5-3.15.2-1")
def test_MQTT5_4_12_0_5_the_method_and_the_reason_must_be_right(t, change):
    scram = Scram()
    client, challenge = begin(t, scram)
    client.send(change(scram, scram.final(challenge)))
    client.expect_refused({0x81, 0x82, 0x8C})


@only("sluiced")
@covers("MQTT5-4.12.0-4")
def test_MQTT5_4_12_0_1_a_method_that_no_step_knows(t):
    client = t.socket()
    client.send(connect(t.id("a"), props={"auth_method": "SCRAM-SHA-1", "auth_data": b"n,,"}))
    client.expect_refused(0x8C)


@only("sluiced")
def test_a_session_is_not_touched_before_the_proof(t):
    owner = t.connect("a")
    scram = Scram()
    thief, challenge = begin(t, scram)
    owner.ping()
    thief.send(auth(0x18, scram.props(scram.final(challenge)[:-6] + b"AAAAA=")))
    thief.expect_refused(0x86)
    owner.ping()
    come_in(t, Scram())
    owner.expect(DISCONNECT, reason=0x8E)


@only("sluiced")
@covers("MQTT5-4.12.0-5", "MQTT5-3.15.2-1")
def test_MQTT5_4_12_1_1_authentication_again_on_the_open_connection(t):
    client = come_in(t, Scram())
    client.subscribe(t.topic("x"))
    other = t.connect("b")
    for _ in range(2):
        scram = Scram(nonce="anotherNonce")
        client.send(auth(0x19, scram.props(scram.first)))
        got = client.expect(AUTH, reason=0x18, prop_auth_method=scram.method)
        # Meanwhile everything goes on.
        other.publish(t.topic("x"), "between")
        client.expect(PUBLISH, payload=b"between")
        client.ping()
        client.send(auth(0x18, scram.props(scram.final(got.prop("auth_data")))))
        client.expect(AUTH, reason=0, prop_auth_method=scram.method,
                      prop_auth_data=scram.signature.encode())
    client.ping()


@only("sluiced")
@cases([("password", "wrong", 0x87), ("first", None, 0x87)])
def test_MQTT5_4_12_1_2_who_fails_again_is_disconnected(t, password, reason):
    watcher = t.subscriber(t.topic("will"))
    client = come_in(t, Scram(), will={"topic": t.topic("will"), "payload": b"gone"})
    scram = Scram(password=password or "")
    client.send(auth(0x19, scram.props(scram.first if password else b"nonsense")))
    if password:
        got = client.expect(AUTH, reason=0x18)
        client.send(auth(0x18, scram.props(scram.final(got.prop("auth_data")))))
    client.expect_error(reason)
    watcher.take(t.topic("will"), "gone")


@only("sluiced")
@cases([("method", lambda s: auth(0x19, {"auth_method": "SCRAM-SHA-512", "auth_data": b"x"}), 0x8C),
        ("nobody-asked", lambda s: auth(0x18, s.props(b"x")), 0x82),
        ("no-method", lambda s: auth(0x19), 0x81),
        ("success", lambda s: auth(0x00, s.props(b"x")), 0x82)])
@covers("MQTT5-4.12.1-2", "MQTT5-3.15.2-1")
def test_MQTT5_4_12_1_1_auth_packets_that_are_wrong(t, make, reason):
    client = come_in(t, Scram())
    client.send(make(Scram()))
    client.expect_error(reason)


@only("sluiced")
def test_two_repetitions_at_a_time_are_too_many(t):
    client = come_in(t, Scram())
    client.send(auth(0x19, Scram().props(Scram().first)))
    client.expect(AUTH, reason=0x18)
    client.send(auth(0x19, Scram().props(Scram().first)))
    client.expect_error(0x82)


@only("sluiced")
@slow
@options(access={"allow_anonymous": True, "auth_timeout": "300ms"})
def test_a_client_that_says_no_more_is_closed(t):
    client, _ = begin(t, Scram())
    client.expect_close(timeout=3)
