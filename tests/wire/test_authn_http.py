"""Authentication by HTTP: sluiced asks through sluice-connect, this module plays the server."""

import http.server
import json
import os
import signal
import threading
import time

from harness import only, options, slow, timed, versions
from mqtt_wire import CONNACK, connect

ASKED = []


class Server(http.server.BaseHTTPRequestHandler):
    """The user name says what the answer is."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        ASKED.append((self.path, dict(self.headers), body))
        user = body.get("username")
        if user == "slow":
            time.sleep(3)
        status, answer = {
            "empty": (204, None),
            "allow": (200, {"result": "allow", "client_attrs": {"role": "x"}}),
            "root": (200, {"result": "allow", "is_superuser": True}),
            "deny": (200, {"result": "deny"}),
            "ignore": (200, {"result": "ignore"}),
        }.get(user, (403, None))
        payload = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(payload)))
        self.end_headers()
        try:
            self.wfile.write(payload)
        except BrokenPipeError:
            pass  # the broker did not wait

    def log_message(self, *arguments):
        pass


HTTP = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=HTTP.serve_forever, daemon=True).start()
URL = f"http://127.0.0.1:{HTTP.server_address[1]}/auth"
STEP = {"type": "http", "url": URL + "?who=${clientid}", "request_timeout": "1s",
        "headers": {"content-type": "application/json", "x-peer": "${peerhost}"}}
OPTIONS = {"authentication": [STEP], "access": {"allow_anonymous": True}}


def asked(t, suffix):
    """What the server was asked for this client; tests run side by side."""
    return [a for a in ASKED if a[0] == f"/auth?who={t.id(suffix)}"]


def refused(t, client, reason=0x86, code=4):
    client.expect(CONNACK, reason=reason if t.version == 5 else code)
    client.expect_close()


@only("sluiced")
@versions(4, 5)
def test_the_server_lets_in(t):
    for user in ("empty", "allow", "root"):
        client = t.connect(f"c {user}", username=user, password="p&\"w")
        client.ping()
        (_, headers, body), = asked(t, f"c {user}")
        t.equal(body["password"], "p&\"w")
        t.equal(headers["x-peer"], "127.0.0.1")


@only("sluiced")
@versions(4, 5)
def test_the_server_refuses(t):
    for user in ("deny", "ignore", "whoever"):
        client = t.socket()
        client.send(connect(t.id("c"), version=t.version, username=user, password="p"))
        refused(t, client)


@only("sluiced")
@slow
@timed
def test_a_server_that_does_not_answer_is_ignored_in_time(t):
    client = t.socket()
    began = time.monotonic()
    client.send(connect(t.id("c"), version=t.version, username="slow", password="p"))
    refused(t, client)
    t.true(0.9 < time.monotonic() - began < 2.5, "the time-out is one second")


@only("sluiced")
@slow
@options(authentication=[{**STEP, "breaker_failures": 0}])
def test_the_helper_may_die(t):
    t.connect("a", username="allow", password="p").ping()
    children = f"/proc/{t.broker.pid}/task"
    helpers = []
    for thread in os.listdir(children):
        with open(f"{children}/{thread}/children") as text:
            helpers += text.read().split()
    t.equal(len(helpers), 1)
    bystander = t.connect("bystander", username="allow", password="p")
    os.kill(int(helpers[0]), signal.SIGKILL)
    bystander.ping()
    until = time.monotonic() + 10
    while True:
        client = t.socket()
        client.send(connect(t.id("b"), version=t.version, username="allow", password="p"))
        if client.recv().reason == 0:
            break
        client.expect_close()
        t.true(time.monotonic() < until, "the helper does not come back")
        time.sleep(0.05)
    bystander.ping()


@only("sluiced")
@slow
@options(authentication=[{**STEP, "cache_ttl": "1h"}])
def test_answers_are_cached(t):
    for _ in range(5):
        t.connect("same", username="allow", password="p").disconnect()
    t.equal(len(asked(t, "same")), 1)
    t.connect("same", username="allow", password="another").disconnect()
    t.equal(len(asked(t, "same")), 2)
