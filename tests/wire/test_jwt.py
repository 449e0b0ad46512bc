"""Tokens (JWT) in the password or the user name. Keys and signatures are made by openssl."""

import base64
import hashlib
import hmac
import http.server
import json
import os
import subprocess
import tempfile
import threading
import time

from harness import cases, only, options, private, slow, versions
from mqtt_wire import CONNACK, connect

FOLDER = tempfile.mkdtemp(prefix="wire-jwt-")
SECRET = b"a secret that nobody guesses, not even in a year"
RSA, RSA_SMALL, P256, P384, P521, ED, OTHER = (
    ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
    ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
    ["-algorithm", "ED25519"],
    ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"])


def path(name):
    return os.path.join(FOLDER, name)


def write(name, data):
    with open(path(name), "wb") as out:
        out.write(data)
    return path(name)


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *arguments], input=data, check=True,
                          capture_output=True).stdout


def key(name, arguments):
    """A private key, and its public half as NAME.pub."""
    openssl("genpkey", *arguments, "-out", path(name))
    openssl("pkey", "-in", path(name), "-pubout", "-out", path(name + ".pub"))
    return path(name + ".pub")


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw_ecdsa(der, size):
    """r and s side by side, of openssl's DER."""
    at, numbers = 2 if der[1] < 0x80 else 3, []
    for _ in range(2):
        length = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2:at + 2 + length], "big"))
        at += 2 + length
    return b"".join(number.to_bytes(size, "big") for number in numbers)


def sign(alg, text, name, secret=SECRET):
    bits = alg[2:]
    if alg.startswith("HS"):
        return hmac.new(secret, text, "sha" + bits).digest()
    if alg == "EdDSA":
        with tempfile.NamedTemporaryFile(dir=FOLDER) as source:  # tests run side by side
            source.write(text)
            source.flush()
            return openssl("pkeyutl", "-sign", "-inkey", path(name), "-rawin", "-in", source.name)
    der = openssl("dgst", f"-sha{bits}", "-sign", path(name), data=text)
    size = {"256": 32, "384": 48, "512": 66}[bits]
    return raw_ecdsa(der, size) if alg.startswith("ES") else der


def token(alg="HS256", name=None, header=None, secret=SECRET, **claims):
    parts = [{"alg": alg, "typ": "JWT", **(header or {})}, claims]
    text = ".".join(b64(json.dumps(part).encode()) for part in parts).encode()
    return (text.decode() + "." + b64(sign(alg, text, name, secret))).encode()


def number(value, length=None):
    return b64(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


def jwk_rsa(name, **more):
    text = openssl("rsa", "-pubin", "-in", path(name + ".pub"), "-noout", "-modulus").decode()
    return {"kty": "RSA", "n": number(int(text.split("=")[1], 16)), "e": "AQAB", **more}


def jwk_point(name, crv, size, **more):
    der = openssl("pkey", "-pubin", "-in", path(name + ".pub"), "-outform", "DER")
    if crv == "Ed25519":
        return {"kty": "OKP", "crv": crv, "x": b64(der[-32:]), **more}
    return {"kty": "EC", "crv": crv, "x": b64(der[-2 * size:-size]), "y": b64(der[-size:]), **more}


def jwks(name, keys):
    return write(name, json.dumps({"keys": keys}).encode())


KEYS = {"RS": ("rsa", RSA), "ES256": ("p256", P256), "ES384": ("p384", P384),
        "ES512": ("p521", P521), "EdDSA": ("ed", ED), "other": ("other", OTHER),
        "small": ("small", RSA_SMALL)}
PUBLIC = {kind: key(*row) for kind, row in KEYS.items()}
SECRET_FILE = write("secret", SECRET + b"\n")
HMAC = {"type": "jwt", "secret_file": SECRET_FILE}
SET = jwks("set", [{"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
                   {**jwk_rsa("rsa"), "use": "enc"}, jwk_rsa("rsa", kid="r", alg="RS256"),
                   jwk_point("p256", "P-256", 32, kid="e"), jwk_point("p384", "P-384", 48),
                   jwk_point("p521", "P-521", 66), jwk_point("ed", "Ed25519", 32, use="sig")])
OPTIONS = {"authentication": [HMAC], "access": {"allow_anonymous": True}}


def comes_in(t, password, suffix="a", **values):
    values.setdefault("username", "user")
    client = t.connect(suffix, password=password, **values)
    client.ping()
    return client


def is_refused(t, password, username="user", suffix="x"):
    client = t.socket()
    client.send(connect(t.id(suffix), version=t.version, username=username, password=password))
    client.expect(CONNACK, reason=0x86 if t.version == 5 else 4)
    client.expect_close()


@only("sluiced")
@versions(4, 5)
@cases([(alg, alg) for alg in ("HS256", "HS384", "HS512")])
def test_a_token_with_a_shared_secret(t, alg):
    comes_in(t, token(alg))
    is_refused(t, token(alg)[:-2] + b"AA")


@only("sluiced")
@options(authentication=[{"type": "jwt", "public_key": PUBLIC["RS"]}])
def test_a_token_signed_with_rsa(t):
    for alg in ("RS256", "RS384", "RS512"):
        comes_in(t, token(alg, "rsa"), alg)
    is_refused(t, token("ES256", "p256"))


@only("sluiced")
@options(authentication=[{"type": "jwt", "public_key": PUBLIC[alg]}
                         for alg in ("ES256", "ES384", "ES512", "EdDSA")])
def test_a_token_signed_with_a_curve(t):
    for alg, (name, _) in KEYS.items():
        if alg in ("ES256", "ES384", "ES512", "EdDSA"):
            comes_in(t, token(alg, name), alg)
    is_refused(t, token("ES256", "other"))


@only("sluiced")
@options(authentication=[{"type": "jwt", "jwks_file": SET}])
def test_a_set_of_keys(t):
    for alg in ("RS256", "ES256", "ES384", "ES512", "EdDSA"):
        comes_in(t, token(alg, KEYS[alg if alg in KEYS else "RS"][0]), alg)
    comes_in(t, token("RS256", "rsa", {"kid": "r"}), "kid")
    comes_in(t, token("ES384", "p384", {"kid": "unknown"}), "nokid")
    is_refused(t, token("RS256", "rsa", {"kid": "e"}), suffix="other")
    is_refused(t, token("RS512", "rsa"), suffix="alg")


@only("sluiced")
@options(authentication=[{"type": "jwt", "public_key": PUBLIC["RS"]}])
def test_a_public_key_is_not_a_secret(t):
    """The old trick: HS256 with the text of the public key as the secret, and "none"."""
    with open(PUBLIC["RS"], "rb") as text:
        forged = text.read()
    for secret in (forged, forged.strip()):
        is_refused(t, token("HS256", secret=secret))
    text = b64(json.dumps({"alg": "none"}).encode()) + "." + b64(b"{}")
    is_refused(t, (text + ".").encode())
    is_refused(t, (text + ".AA").encode())


@only("sluiced")
@options(authentication=[{**HMAC, "algorithm": "HS512"}])
def test_only_the_algorithm_that_is_wanted(t):
    comes_in(t, token("HS512"))
    is_refused(t, token("HS256"))


@only("sluiced")
@cases([("expired", {"exp": -10}), ("early", {"nbf": 100}), ("future", {"iat": 100})])
def test_times_that_do_not_fit(t, times):
    now = int(time.time())
    is_refused(t, token(**{name: now + value for name, value in times.items()}))
    comes_in(t, token(**{name: now + (1000 if name == "exp" else -10) for name in times}))


@only("sluiced")
@options(authentication=[{**HMAC, "leeway": "30s"}])
def test_leeway(t):
    now = int(time.time())
    comes_in(t, token(exp=now - 10, nbf=now + 10, iat=now + 10))
    is_refused(t, token(exp=now - 100))


@only("sluiced")
@cases([("text", {"exp": "tomorrow"}), ("negative", {"nbf": -1}), ("acl", {"acl": 7}),
        ("acl-action", {"acl": [{"permission": "allow", "action": "fly", "topic": "x"}]}),
        ("attrs", {"client_attrs": []})])
def test_claims_that_are_not_understood(t, claims):
    is_refused(t, token(**claims))


@only("sluiced")
@options(authentication=[{**HMAC, "verify_claims": {"sub": "${username}", "dev": "x-${clientid}",
                                                    "aud": "broker", "level": "7"}}])
def test_claims_have_to_fit_the_client(t):
    good = {"sub": "user", "dev": "x-" + t.id("a"), "aud": ["web", "broker"], "level": 7}
    comes_in(t, token(**good))
    for name, value in (("sub", "other"), ("dev", "x-"), ("aud", ["web"]), ("level", 8),
                        ("sub", None), ("aud", {}), ("sub", "user2")):
        is_refused(t, token(**{**good, name: value}), suffix="a")
    del good["aud"]
    is_refused(t, token(**good), suffix="a")


@only("sluiced")
@options(authentication=[{**HMAC, "from": "username"}])
def test_the_token_may_be_the_user_name(t):
    comes_in(t, "", username=token(sub="me").decode())
    is_refused(t, token(), username="user")


@only("sluiced")
@cases([("empty", b""), ("dots", b".."), ("two", b"e30.e30"), ("four", b"e30.e30.e30.e30"),
        ("spaces", b"e30 . e30 . e30"), ("padded", b"e30=.e30=.AA=="), ("list", b"W10.e30.AA"),
        ("binary", bytes(range(256))), ("long", b"e30." + b"A" * 60000 + b".AA"),
        ("deep", b64(b"[" * 3000).encode() + b".e30.AA")])
def test_what_is_no_token_is_refused(t, data):
    is_refused(t, data)


@only("sluiced")
def test_a_critical_header_and_a_repeated_member_are_refused(t):
    is_refused(t, token(header={"crit": ["exp"], "exp": 1}))
    text = f'{b64(json.dumps({"alg": "HS256"}).encode())}.' + b64(b'{"sub":"a","sub":"b"}')
    is_refused(t, f'{text}.{b64(sign("HS256", text.encode(), None))}'.encode())


@only("sluiced")
@slow
@versions(4, 5)
def test_the_connection_ends_with_the_token(t):
    watcher = t.subscriber(t.topic("will"))
    client = comes_in(t, token(exp=int(time.time()) + 6), keepalive=0,
                      will={"topic": t.topic("will"), "payload": b"gone"})
    client.expect_error(0xA0, timeout=20)
    watcher.take(t.topic("will"), "gone")


@only("sluiced")
@slow
@options(authentication=[{**HMAC, "disconnect_after_expire": False}])
def test_or_does_not_end_with_it(t):
    client = comes_in(t, token(exp=int(time.time()) + 6), keepalive=0)
    client.expect_silence(7500)


@only("sluiced")
@options(authentication=[HMAC, {"type": "password_file", "path": write(
    "users", b"user:$6$c2FsdHNhbHQ=$aCu7JRc+kLsuEmFs1zTY+AiP7DSGnjjG+dH28Dp+E5usqoAixeTPihKqZmkWal4"
             b"mUfp63tqvCAkFV1LKTDFH6Q==\n")}])
def test_what_is_not_signed_by_a_key_is_for_the_next_step(t):
    comes_in(t, "secret", "a")
    comes_in(t, token(), "b")
    is_refused(t, token(exp=1), suffix="c")


class JwksServer(http.server.BaseHTTPRequestHandler):
    """Serves what `pages` has under the path; 500 for what is not there."""

    pages = {}

    def do_GET(self):
        body = self.pages.get(self.path)
        self.send_response(200 if body is not None else 500)
        self.end_headers()
        self.wfile.write(body or b"")

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass  # the broker has ended

    def log_message(self, *arguments):
        pass


SERVER = http.server.ThreadingHTTPServer(("127.0.0.1", 0), JwksServer)
threading.Thread(target=SERVER.serve_forever, daemon=True).start()


def served(*names):
    return json.dumps({"keys": [jwk_point(name, "P-256", 32) for name in names]}).encode()


def comes_in_soon(t, password, suffix, seconds=10):
    """The set is fetched in the background."""
    deadline = time.monotonic() + seconds
    while True:
        client = t.socket()
        client.send(connect(t.id(suffix), username="user", password=password))
        if client.expect(CONNACK).reason == 0:
            return
        t.true(time.monotonic() < deadline, "the keys do not come")
        time.sleep(0.1)


@only("sluiced")
@slow
@private(bystander=False)
@options(admin=True, access={"allow_anonymous": False},
         authentication=[{"type": "jwt", "jwks_url": f"http://127.0.0.1:{SERVER.server_port}/keys",
                          "jwks_refresh": "1s"}])
def test_a_set_of_keys_by_http_is_kept_fresh(t):
    first, second = token("ES256", "p256"), token("ES256", "other")
    JwksServer.pages["/keys"] = served("p256")
    comes_in_soon(t, first, "a")
    is_refused(t, second)
    JwksServer.pages["/keys"] = served("other")
    comes_in_soon(t, second, "b")
    is_refused(t, first)
    for broken in (None, b"no keys", b'{"keys": []}'):
        JwksServer.pages["/keys"] = broken
        time.sleep(1.2)
        comes_in(t, second, "c")
    # A reload goes on with the keys that are there.
    t.equal(t.broker.hang_up(), "applied")
    comes_in_soon(t, second, "d", 2)
