"""TLS: certificates of clients, and other programs than Python as clients.

Who is let in and who is not is asked of three implementations: Python's ssl, openssl s_client and
curl, the last two as processes of their own.
"""

import os
import shutil
import ssl
import subprocess

from certificates import pair, path
from harness import Skip, cases, only, options, private
from mqtt_packet import connect
from mqtt_wire import CONNACK
from test_authn import USERS
from test_authz import write
from test_listeners import listener
from test_tls import (CONNACK_4, TLS, V12, V13, VERIFIED, joins, over, refused, resumed,
                      s_client)
from tls_socket import context

REVOKING = {**VERIFIED, "crl": path("crl.pem")}

# Certificate, words of the alert or of the library about it; None: it is good.
CLIENTS = [("client", None), ("via", None), ("expired", "expired"), ("early", "expired"),
           ("revoked", "revoked"), ("stranger", "unknown ca"), ("for-servers", "unsupported"),
           ("none", "certificate required")]
VERSIONS = [("1.2", V12), ("1.3", V13)]


def certificate_rows(clients=CLIENTS):
    return [(f"{name} {version}", name, number, words)
            for name, words in clients for version, number in VERSIONS]


# ------------------------------------------------------------------------------ who is let in

@only("sluiced")
@options(tls={**VERIFIED, "crl": path("crl-mid.pem")})
@cases(certificate_rows())
def test_tls_client_certificates(t, name, version, words):
    of = context(None if name == "none" else name, minimum_version=version,
                 maximum_version=version)
    if words is None:
        joins(t, "x", of)
    else:
        # OpenSSL has a word of its own for each alert; TLS 1.2 has none for a certificate missing.
        refused(t, of, words, words.replace(" ", "_"), "handshake failure")


@only("sluiced")
@options(tls={**VERIFIED, "verify": "optional"})
def test_tls_client_certificate_optional(t):
    joins(t, "with", context("client"))
    joins(t, "without", context(None))
    for name in ("stranger", "expired", "for-servers"):
        refused(t, context(name), "unknown ca", "expired", "unsupported")


@only("sluiced")
@private(bystander=False)
@options(tls={**VERIFIED, "crl": path("crl-old.pem")})
def test_tls_a_revocation_list_out_of_date_keeps_everybody_out(t):
    for name in ("client", "revoked"):
        refused(t, context(name), "expired", "unknown", "bad certificate")


@only("sluiced")
@options(tls=REVOKING)
def test_tls_every_authority_needs_a_revocation_list(t):
    """There is none of the intermediate authority."""
    joins(t, "x", context("client"))
    refused(t, context("via"), "unknown", "bad certificate")


@only("sluiced")
@options(tls={**VERIFIED, "verify_depth": 0})
def test_tls_verify_depth(t):
    joins(t, "direct", context("client"))
    refused(t, context("via"), "unknown ca", "unknown_ca", "certificate unknown", "bad certificate")


@only("sluiced")
@options(tls=VERIFIED)
@cases(VERSIONS)
def test_tls_resumption_keeps_the_client(t, version):
    of = context("client", minimum_version=version, maximum_version=version)
    session, _ = resumed(t, of, "first", None)
    t.true(resumed(t, of, "again", session)[1], "not resumed")


# ------------------------------------------------------------------- what a certificate stands for

BY_CERTIFICATE = {"type": "certificate", "cert_is": "username"}


@only("sluiced")
@private(bystander=False)
@options(tls={**VERIFIED, "verify": "optional"}, access={"allow_anonymous": False},
         authentication=[BY_CERTIFICATE, {"type": "password_file", "path": USERS}])
def test_tls_a_certificate_is_a_step_of_authentication(t):
    """It lets in whom it names, without a password, and refuses who says another name; who has
    none is for the next step."""
    def come(suffix, of, **values):
        client = t.socket(wrap=over(of))
        client.send(connect(t.id(suffix), **values))
        return client
    come("good", context("client"), username="device-7").expect(CONNACK, reason=0)
    come("other", context("client"), username="salted", password="one").expect_refused(0x87)
    come("none", context(None), username="salted", password="one").expect(CONNACK, reason=0)
    come("wrong", context(None), username="device-7").expect_refused(0x86)
    come("nobody", context(None)).expect_refused(0x87)


def fingerprint(name):
    with open(path(f"{name}.pem")) as file:
        der = ssl.PEM_cert_to_DER_cert(file.read())
    done = subprocess.run(["openssl", "dgst", "-sha256", "-r"], input=der, capture_output=True)
    return done.stdout.split()[0].decode()


NAMES = {"cn": "device-7", "dn": "CN=device-7", "san": "device.example",
         "fingerprint": fingerprint("client")}
PLACES = dict(zip(("dn", "san", "fingerprint"), "abc"))
RULES = write("names", "".join(f"allow user={name} publish +/{kind}\n" for kind, name in
                               NAMES.items()) + "allow user=device-9 publish +/psk\n"
              "allow anonymous subscribe #\n")


def by_name(key):
    """A listener for each part of a certificate."""
    return [{"bind": f"tls://127.0.0.1:{{{letter}}}", "tls": {**VERIFIED, key: kind}}
            for kind, letter in PLACES.items()]


def certified(t, kind, of="client"):
    """A client with a certificate, at the listener that takes this part of it."""
    return listener(t, PLACES[kind], over(context(of)))


@only("sluiced")
@options(tls={**VERIFIED, "peer_cert_as_clientid": "cn"})
@private(bystander=False)
def test_tls_certificate_as_client_id(t):
    """Two clients with one certificate are one client, whatever their CONNECT says."""
    first = t.connect("one", wrap=over(context("client")))
    second = t.connect("two", wrap=over(context("client")))
    first.expect_error({0x8E})
    second.ping()
    via = t.connect("three", wrap=over(context("via")))
    second.ping()
    via.ping()


@only("sluiced")
@private(bystander=False)
@options(scheme="tcp", more=by_name("peer_cert_as_clientid"))
@cases([(kind, kind) for kind in PLACES])
def test_tls_other_parts_of_a_certificate_as_client_id(t, kind):
    """It takes over the session of a client that says this name itself."""
    plain = t.socket(wrap=None)
    plain.connect(NAMES[kind])
    certified(t, kind).connect(t.id("said"))
    plain.expect_error({0x8E})


@only("sluiced")
@private(bystander=False)
@options(scheme="tcp", more=by_name("peer_cert_as_clientid"))
def test_tls_a_client_id_that_is_not_in_the_certificate(t):
    client = certified(t, "san", "via")
    client.send(connect(t.id("x")))
    client.expect_refused(0x85)


@only("sluiced")
@private(bystander=False)
@options(scheme="tcp", more=by_name("peer_cert_as_username"),
         authorization={"file": RULES, "no_match": "deny"})
@cases([(kind, kind) for kind in PLACES])
def test_tls_parts_of_a_certificate_as_user_name(t, kind):
    """Rules see it, whatever user name CONNECT says."""
    client = certified(t, kind)
    client.connect(t.id("x"), username="mallory", password="x")
    client.publish(t.topic(kind), "x", qos=1)
    client.publish(t.topic("cn"), "x", qos=1, reason=0x87)


@only("sluiced")
@private(bystander=False)
@options(scheme="tcp", authorization={"file": RULES, "no_match": "deny"},
         more=[{"bind": "tls://127.0.0.1:{a}",
                "tls": {"psk_file": path("psk.txt"), "peer_cert_as_username": "cn"}}])
def test_tls_identity_of_a_pre_shared_key_as_user_name(t):
    if not shutil.which("mosquitto_pub"):
        raise Skip("mosquitto_pub is not there")
    subscriber = t.subscriber(t.topic("#"))
    for identity, key, topic in (("other", "ffeeddccbbaa99887766554433221100", "psk"),
                                 ("device-9", "000102030405060708090a0b0c0d0e0f", "cn"),
                                 ("device-9", "000102030405060708090a0b0c0d0e0f", "psk")):
        subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(t.broker.ports["a"]),
                        "--psk", key, "--psk-identity", identity, "-t", t.topic(topic), "-m",
                        identity, "-q", "1", "-u", "device-9"], check=True, timeout=10)
    subscriber.take(t.topic("psk"), "device-9")
    t.quiet(subscriber)


# ------------------------------------------------------------------------------- other programs

def options_of(name, option):
    return [] if name == "none" else [f"{option}cert", path(f"{name}.pem"), f"{option}key",
                                      path(f"{name}.key")]


@only("sluiced")
@options(tls={**VERIFIED, "crl": path("crl-mid.pem")})
@cases(certificate_rows([row for row in CLIENTS if row[0] != "via"]))
def test_tls_client_certificates_of_openssl(t, name, version, words):
    number = "-tls1_2" if version == V12 else "-tls1_3"
    said = s_client(t, number, "-CAfile", path("ca.pem"), "-verify_return_error", "-quiet",
                    "-no_ign_eof", *options_of(name, "-"),
                    talk=[(connect(t.id("x"), version=4), CONNACK_4, b"alert")])
    if words is None:
        t.true("\x20\x02\0\0" in said and "alert" not in said, said[-500:])
    else:
        t.true("alert" in said and "\x20\x02" not in said, said[-500:])


@only("sluiced")
@TLS
@cases([("1.2", "-tls1_2"), ("1.3", "-tls1_3")])
def test_tls_sessions_of_openssl_resume(t, number):
    file = os.path.join(t.broker.folder, f"session{number}")
    first = s_client(t, number, "-sess_out", file,
                     talk=[(connect(t.id("a"), version=4), CONNACK_4)])
    t.true("New, TLSv1" in first, first[-500:])
    again = s_client(t, number, "-sess_in", file,
                     talk=[(connect(t.id("b"), version=4), CONNACK_4)])
    t.true("Reused, TLSv1" in again, again[-500:])


def curl(t, *arguments):
    """(exit code, what it says)"""
    if not shutil.which("curl"):
        raise Skip("curl is not there")
    done = subprocess.run(["curl", "-v", "-s", "-S", "--max-time", "2", "--http1.1", "--cacert",
                           path("ca.pem"), *arguments], capture_output=True, timeout=10)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


UPGRADE = [value for field in ("Connection: Upgrade", "Upgrade: websocket",
                               "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: mqtt",
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
           for value in ("-H", field)]


@only("sluiced")
@options(scheme="wss", tls={**VERIFIED, "crl": path("crl-mid.pem")})
@cases(certificate_rows())
def test_tls_client_certificates_of_curl(t, name, version, words):
    """It asks for a WebSocket, is answered, and waits for more until its time is over."""
    number = ["--tls-max", "1.2"] if version == V12 else ["--tlsv1.3"]
    code, said = curl(t, *number, *options_of(name, "--"), *UPGRADE,
                      f"https://localhost:{t.broker.port}/mqtt")
    if words is None:
        t.true("101 Switching Protocols" in said and code == 28, f"{code}: {said[-500:]}")
    else:
        t.true("101" not in said and "alert" in said, f"{code}: {said[-500:]}")


@only("sluiced")
@options(scheme="wss", tls=pair("server"))
@cases([("tls 1.1", ["--tls-max", "1.1", "--ciphers", "ALL:@SECLEVEL=0"]),
        ("weak", ["--tls-max", "1.2", "--ciphers", "AES128-SHA:@SECLEVEL=0"]),
        ("no trust", ["--cacert", path("other-ca.pem")])])
def test_tls_curl_and_the_broker_do_not_agree(t, arguments):
    code, said = curl(t, *arguments, *UPGRADE, f"https://localhost:{t.broker.port}/mqtt")
    t.true(code in (35, 60) and "101" not in said, f"{code}: {said[-500:]}")
    code, said = curl(t, f"https://localhost:{t.broker.port}/")
    t.true("404 Not Found" in said or "400 Bad Request" in said, f"{code}: {said[-500:]}")


@only("sluiced")
@TLS
def test_tls_curl_offers_only_http(t):
    """The protocol that it offers (ALPN) is not that of this listener."""
    code, said = curl(t, f"https://localhost:{t.broker.port}/")
    t.true(code == 35 and "no application protocol" in said, f"{code}: {said[-500:]}")
