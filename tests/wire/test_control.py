"""What operators change while the broker runs: bans and users over the control socket, durable in
the log, in force on every shard when they are answered."""

import base64
import hashlib
import http.client
import json
import os
import socket
import stat
import subprocess
import threading
import time

from harness import cases, only, options, private, slow, timed, versions
from mqtt_wire import CONNACK, Closed, Failure, TimedOut, connect
from test_durable_disk import MIB
from test_durable_shards import resize
from test_metrics import scrape

STEP = {"type": "built_in_database"}
QUICK = {**STEP, "password_hash_algorithm": "pbkdf2"}
USERS = "/authentication/password_based:built_in_database/users"


def form(password, rounds=2, salt=b"0123456789ab"):
    """A stored form that is quick to verify."""
    made = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(made).decode()}"


def add(t, name, password="pw", **values):
    status, answer = t.broker.api("POST", USERS, {"user_id": name, "password_hash": form(password),
                                                  **values})
    t.equal((status, answer), (201, {"user_id": name,
                                     "is_superuser": values.get("is_superuser", False)}))


def comes_in(t, suffix, user, password, client_id=None):
    client = t.socket()
    client.send(connect(client_id or t.id(suffix), version=t.version, username=user,
                        password=password.encode()))
    return client


def accepted(t, suffix, user, password="pw", **values):
    client = comes_in(t, suffix, user, password, **values)
    client.expect(CONNACK, reason=0)
    return client


def refused(t, suffix, user, password="pw", reason=0x86, code=4, **values):
    client = comes_in(t, suffix, user, password, **values)
    client.expect_refused(reason, code)


# ---- users ----


@only("sluiced")
@options(data=True, authentication=[QUICK])
@private(bystander=False)
@versions(4, 5)
def test_users_are_made_changed_and_deleted_at_run_time(t):
    """Each change is in force when it is answered: no wait between it and the client."""
    refused(t, "a", "ann")
    t.equal(t.broker.api("POST", USERS, {"user_id": "ann", "password": "one"}),
            (201, {"user_id": "ann", "is_superuser": False}))
    client = accepted(t, "a", "ann", "one")
    refused(t, "b", "ann", "two")
    t.equal(t.broker.api("PUT", USERS + "/ann", {"password": "two", "is_superuser": True}),
            (200, {"user_id": "ann", "is_superuser": True}))
    accepted(t, "c", "ann", "two")
    refused(t, "d", "ann", "one")
    t.equal(t.broker.api("PUT", USERS + "/ann", {"is_superuser": False}),
            (200, {"user_id": "ann", "is_superuser": False}))
    accepted(t, "c", "ann", "two")
    t.equal(t.broker.api("GET", USERS + "/ann"),
            (200, {"user_id": "ann", "is_superuser": False}))
    t.equal(t.broker.api("DELETE", USERS + "/ann"), (204, None))
    refused(t, "e", "ann", "two")
    client.ping()
    t.equal(t.broker.api("GET", USERS + "/ann")[0], 404)
    t.equal(t.broker.api("DELETE", USERS + "/ann")[0], 404)
    t.equal(t.broker.api("PUT", USERS + "/ann", {"password": "x"})[0], 404)


@only("sluiced")
@options(data=True, authentication=[QUICK])
@private(bystander=False)
def test_users_survive_a_crash(t):
    """What was answered is there after kill -9, before the first client is served."""
    add(t, "ann")
    add(t, "bob", is_superuser=True)
    add(t, "eve")
    t.equal(t.broker.api("DELETE", USERS + "/eve"), (204, None))
    t.broker.crash()
    accepted(t, "a", "ann")
    refused(t, "b", "eve")
    rows = t.broker.api("GET", USERS)[1]["data"]
    t.equal(sorted((row["user_id"], row["is_superuser"]) for row in rows),
            [("ann", False), ("bob", True)])
    t.equal(t.broker.api("DELETE", USERS + "/ann"), (204, None))
    t.broker.crash(stop=True)
    refused(t, "a", "ann")
    accepted(t, "b", "bob")


@only("sluiced")
@options(control=True, log_level="info", authentication=[QUICK])
@private(bystander=False)
def test_without_a_data_directory_users_are_in_memory(t):
    t.broker.says("bans and users that are changed at run time")
    add(t, "ann")
    accepted(t, "a", "ann")
    t.broker.restart(crash=True)
    refused(t, "a", "ann")


@only("sluiced")
@options(authentication=[QUICK])
@private(bystander=False)
def test_a_database_that_can_have_no_users_is_warned_of(t):
    """No data directory and no control socket: nobody can ever come in."""
    t.broker.says("built_in_database can have no users")
    refused(t, "a", "ann")
    file = os.path.join(t.broker.folder, f"{t.prefix}.yaml")
    for more, warns in (({"data_dir": "none"}, True),
                        ({"data_dir": "none", "admin": {"control": "none"}}, True),
                        ({"data_dir": "none", "admin": {"control": "/tmp/x"}}, False),
                        ({"data_dir": "/tmp/x", "admin": {"control": "none"}}, False),
                        ({"data_dir": "none", "authentication": []}, False)):
        with open(file, "w") as out:
            json.dump({"authentication": [STEP], **more}, out)
        done = subprocess.run([t.broker.command[0], "--config", file, "--check-config"],
                              capture_output=True, text=True)
        t.equal((done.returncode, "can have no users" in done.stderr), (0, warns))


@only("sluiced")
@options(data=True, authentication=[{**QUICK, "user_id_type": "clientid"}])
@private(bystander=False)
def test_the_user_can_be_the_client_id(t):
    add(t, t.id("device"))
    accepted(t, "device", "somebody")
    refused(t, "other", t.id("device"))


@only("sluiced")
@options(data=True, authentication=[
    {**QUICK, "database": "people"}, {**QUICK, "database": "things", "user_id_type": "clientid"}])
@private(bystander=False)
def test_databases_with_names(t):
    people, things = USERS.replace("/users", ":people/users"), USERS.replace("/users",
                                                                             "%3Athings/users")
    t.equal(t.broker.api("GET", USERS)[0], 404)
    body = {"user_id": "ann", "password_hash": form("pw")}
    t.equal(t.broker.api("POST", people, body)[0], 201)
    t.equal(t.broker.api("GET", things)[1]["meta"]["count"], 0)
    t.equal(t.broker.api("POST", things, {**body, "user_id": "thing"})[0], 201)
    t.broker.crash()
    accepted(t, "a", "ann")
    accepted(t, "b", "x", client_id="thing")
    refused(t, "c", "thing")


@only("sluiced")
@options(admin=True, data=True, authentication=[QUICK])
@private(bystander=False)
def test_users_stay_over_reloads(t):
    """Also when their step is taken away and comes back."""
    add(t, "ann")
    t.equal(t.broker.reload(authentication=[QUICK, {"type": "certificate"}]), "applied")
    accepted(t, "a", "ann")
    add(t, "bob")
    t.equal(t.broker.reload(authentication=[{"type": "certificate"}]), "applied")
    refused(t, "a", "ann")
    t.equal(t.broker.api("GET", USERS)[0], 404)
    t.equal(t.broker.reload(authentication=[QUICK]), "applied")
    accepted(t, "a", "ann")
    accepted(t, "b", "bob")


@only("sluiced")
@options(data=True, authentication=[QUICK])
@private(bystander=False)
def test_changes_while_clients_connect(t):
    """A user who is there all the time gets in all the time, whatever happens to others."""
    add(t, "steady")
    wrong, over, rounds = [], threading.Event(), 0

    def change():
        number, deadline = 0, time.monotonic() + 60
        try:
            while (number < 60 or rounds <= 5) and time.monotonic() < deadline:
                name, number = f"user-{number % 5}", number + 1
                done = t.broker.api("POST", USERS, {"user_id": name, "password_hash": form("x")})
                gone = t.broker.api("DELETE", USERS + "/" + name)
                if (done[0], gone[0]) != (201, 204):
                    wrong.append((done, gone))
        finally:
            over.set()

    changer = threading.Thread(target=change)
    changer.start()
    while not over.is_set():
        client = accepted(t, f"a{rounds % 7}", "steady")
        client.disconnect()
        rounds += 1
    changer.join()
    t.equal(wrong, [])
    t.true(rounds > 5, f"only {rounds} connections")


@only("sluiced")
@options(data=True, authentication=[STEP])
@private(bystander=False)
def test_two_changes_at_once(t):
    """Of many who make the same user one succeeds, and its password is the one that holds."""
    answers = {}

    def make(number):
        answers[number] = t.broker.api("POST", USERS, {"user_id": "ann",
                                                       "password": f"pw{number}"})[0]

    makers = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    t.equal(sorted(answers.values()), [201] + 7 * [409])
    winner = next(number for number, status in answers.items() if status == 201)
    accepted(t, "a", "ann", f"pw{winner}")
    t.broker.crash()
    accepted(t, "a", "ann", f"pw{winner}")


@only("sluiced")
@options(admin=True, data=True, authentication=[QUICK])
@private(bystander=False)
@slow
@versions(5)
def test_thousands_of_users(t):
    """Over a few connections at once; afterwards pages, a crash, and all of them are there."""
    count, workers = 10000 if t.long else 2000, 8

    def make(first):
        connection = http.client.HTTPConnection("localhost", timeout=20)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(t.broker.control)
        for number in range(first, count, workers):
            body = json.dumps({"user_id": f"user-{number}", "password_hash": stored})
            connection.request("POST", "/api/v5" + USERS, body)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 201:
                wrong.append((number, answer.status))
        connection.close()

    wrong, stored = [], form("pw")
    makers = [threading.Thread(target=make, args=(number,)) for number in range(workers)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    t.equal(wrong, [])
    t.broker.crash()
    names, page = set(), 1
    while True:
        status, answer = t.broker.api("GET", f"{USERS}?page={page}&limit={count * 3 // 10}")
        t.equal((status, answer["meta"]["count"]), (200, count))
        names |= {row["user_id"] for row in answer["data"]}
        if not answer["meta"]["hasnext"]:
            break
        page += 1
    t.equal((page, len(names)), (4, count))
    accepted(t, "a", "user-0")
    accepted(t, "b", f"user-{count - 1}")
    refused(t, "c", f"user-{count}")
    t.equal(scrape(t)["sluice_builtin_users"], count)


@only("sluiced")
@options(data=True, authentication=[{**STEP}])
@private(bystander=False)
@slow
@versions(5)
@timed
def test_time_does_not_tell_unknown_users_from_known_ones(t):
    """The password of another is verified in vain."""
    for name in ("ann", "bob"):
        t.equal(t.broker.api("POST", USERS, {"user_id": name, "password": "right"})[0], 201)

    known, unknown = t.quickest(lambda: refused(t, "a", "ann", "wrong"),
                                lambda: refused(t, "a", "nobody", "wrong"))
    t.true(0.5 < known / unknown < 2, f"known {known:.4f} s, unknown {unknown:.4f} s")


# ---- bans ----


@only("sluiced")
@options(data=True)
@private(bystander=False)
@versions(4, 5)
@cases([("clientid", "clientid", "ID"), ("clientid_re", "clientid_re", "^w[0-9]+s.*bad$"),
        ("username", "username", "mallory"), ("peerhost", "peerhost", "127.0.0.9"),
        ("peerhost_net", "peerhost_net", "127.0.0.8/30")])
def test_bans_at_run_time(t, kind, who):
    """Who is connected is disconnected, who comes is refused, at once and after a crash."""
    who = who.replace("ID", t.id("bad"))
    bad = t.socket(source="127.0.0.9")
    bad.connect(t.id("bad"), version=t.version, username="mallory", password=b"x")
    good = t.connect("good")
    status, made = t.broker.api("POST", "/banned", {"as": kind, "who": who, "reason": "too loud"})
    t.equal((status, made["as"], made["who"], made["until"], made["by"], made["reason"]),
            (200, kind, who, "infinity", "mgmt_api", "too loud"))
    bad.expect_error(0x98)

    def comes(reason, code):
        client = t.socket(source="127.0.0.9")
        client.send(connect(t.id("bad"), version=t.version, username="mallory", password=b"x"))
        if reason:
            client.expect_refused(reason, code)
        else:
            client.expect(CONNACK, reason=0)

    comes(0x8A, 5)
    good.ping()
    t.broker.crash()
    comes(0x8A, 5)
    path = "/banned/" + kind + "/" + who.replace("%", "%25").replace("/", "%2F").replace(
        "^", "%5E").replace("[", "%5B").replace("]", "%5D").replace("+", "%2B").replace("$", "%24")
    t.equal(t.broker.api("GET", "/banned")[1]["data"], [made])
    t.equal(t.broker.api("DELETE", path), (204, None))
    comes(0, 0)
    t.equal(t.broker.api("DELETE", path)[0], 404)
    t.broker.crash()
    comes(0, 0)


@only("sluiced")
@options(data=True)
@private(bystander=False)
@slow
def test_bans_end_by_the_wall_clock(t):
    """Also those that end while no broker runs."""
    for suffix, seconds in (("short", 2), ("long", 3600)):
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds + 1))
        t.equal(t.broker.api("POST", "/banned", {"as": "clientid", "who": t.id(suffix),
                                                 "until": until})[0], 200)
    t.equal(t.broker.api("POST", "/banned", {"as": "clientid", "who": t.id("now"),
                                             "until": int(time.time()) + 2})[0], 200)
    t.broker.kill()
    time.sleep(3.5)
    t.broker.crash()
    t.connect("short").ping()
    t.connect("now").ping()
    client = t.socket()
    client.send(connect(t.id("long"), version=t.version))
    client.expect_refused(0x8A, 5)
    rows = t.broker.api("GET", "/banned")[1]["data"]
    t.equal([row["who"] for row in rows], [t.id("long")])


# ---- the socket ----


@only("sluiced")
@options(data=True, authentication=[QUICK])
@private(bystander=False)
def test_requests_that_are_wrong(t):
    """Each is refused with a reason, and nothing changes."""
    good = {"user_id": "x", "password": "y"}
    for method, path, body, status, code in [
            ("POST", USERS, b"{", 400, "BAD_REQUEST"),
            ("POST", USERS, b"", 400, "BAD_REQUEST"),
            ("POST", USERS, b"[1]", 400, "BAD_REQUEST"),
            ("POST", USERS, b"[" * 100000, 400, "BAD_REQUEST"),
            ("POST", USERS, b'{"user_id": "a", "user_id": "b"}', 400, "BAD_REQUEST"),
            ("POST", USERS, b'{"user_id": "\xff", "password": "x"}', 400, "BAD_REQUEST"),
            ("POST", USERS, b'{"user_id": "a\\u0000b", "password": "x"}', 400, "BAD_REQUEST"),
            ("POST", USERS, {"password": "y"}, 400, "BAD_REQUEST"),
            ("POST", USERS, {"user_id": "x"}, 400, "BAD_REQUEST"),
            ("POST", USERS, {**good, "user_id": ""}, 400, "BAD_REQUEST"),
            ("POST", USERS, {**good, "user_id": 7}, 400, "BAD_REQUEST"),
            ("POST", USERS, {**good, "user_id": "x" * 1025}, 400, "BAD_REQUEST"),
            ("POST", USERS, {**good, "password": 7}, 400, "BAD_REQUEST"),
            ("POST", USERS, {**good, "password": "y" * 65536}, 400, "BAD_REQUEST"),
            ("POST", USERS, {**good, "is_superuser": "yes"}, 400, "BAD_REQUEST"),
            ("POST", USERS, {**good, "password_hash": form("y")}, 400, "BAD_REQUEST"),
            ("POST", USERS, {"user_id": "x", "password_hash": "plain"}, 400, "BAD_REQUEST"),
            ("POST", USERS, b"x" * 600000, 413, "REQUEST_TOO_LARGE"),
            ("GET", USERS + "?page=0", None, 400, "BAD_REQUEST"),
            ("GET", USERS + "?limit=10001", None, 400, "BAD_REQUEST"),
            ("GET", USERS + "?limit=7x", None, 400, "BAD_REQUEST"),
            ("GET", USERS + "?like_user_id=%ff", None, 400, "BAD_REQUEST"),
            ("GET", USERS + "?is_superuser=maybe", None, 400, "BAD_REQUEST"),
            ("GET", USERS + "/%00", None, 400, "BAD_REQUEST"),
            ("GET", USERS + "/%4", None, 400, "BAD_REQUEST"),
            ("GET", USERS + "/x", None, 404, "NOT_FOUND"),
            ("PATCH", USERS, good, 405, "METHOD_NOT_ALLOWED"),
            ("GET", "/authentication/password_based:mysql/users", None, 404, "NOT_FOUND"),
            ("GET", "/nothing", None, 404, "NOT_FOUND"),
            ("POST", "/banned", {"as": "shoesize", "who": "x"}, 400, "BAD_REQUEST"),
            ("POST", "/banned", {"as": "clientid"}, 400, "BAD_REQUEST"),
            ("POST", "/banned", {"as": "peerhost", "who": "x"}, 400, "BAD_REQUEST"),
            ("POST", "/banned", {"as": "clientid_re", "who": "("}, 400, "BAD_REQUEST"),
            ("POST", "/banned", {"as": "clientid", "who": "x", "until": 1}, 400, "BAD_REQUEST"),
            ("POST", "/banned", {"as": "clientid", "who": "x", "at": "soon"}, 400, "BAD_REQUEST"),
            ("POST", "/banned", {"as": "clientid", "who": "x", "reason": "y" * 300}, 400,
             "BAD_REQUEST"),
            ("DELETE", "/banned/shoesize/x", None, 400, "BAD_REQUEST"),
            ("DELETE", "/banned/clientid/x", None, 404, "NOT_FOUND")]:
        have, answer = t.broker.api(method, path, body)
        t.equal((method, path, have, answer["code"]), (method, path, status, code))
        t.true(answer["message"], "no message")
    t.equal(t.broker.api("GET", USERS)[1]["meta"]["count"], 0)
    t.equal(t.broker.api("GET", "/banned")[1]["meta"]["count"], 0)
    body = {"as": "clientid", "who": "x"}
    t.equal(t.broker.api("POST", "/banned", body)[0], 200)
    t.equal(t.broker.api("POST", "/banned", body)[1]["code"], "ALREADY_EXISTS")


@only("sluiced")
@options(data=True, authentication=[QUICK])
@private(bystander=False)
def test_ids_of_any_letters(t):
    """In the path they are percent-encoded, slashes too."""
    for name, path in (("a/b", "a%2Fb"), ("ü ?#", "%C3%BC%20%3F%23"), ("%41", "%2541"),
                       ("+", "+")):
        add(t, name)
        t.equal(t.broker.api("GET", USERS + "/" + path)[1]["user_id"], name)
        accepted(t, "a", name)
        t.equal(t.broker.api("DELETE", USERS + "/" + path)[0], 204)
    add(t, "needle-1")
    add(t, "hay")
    t.equal([row["user_id"] for row in t.broker.api("GET", USERS + "?like_user_id=eedle%2D")[1]
             ["data"]], ["needle-1"])


@only("sluiced")
@options(data=True, authentication=[QUICK])
@private(bystander=False)
def test_only_the_brokers_user_reaches_the_socket(t):
    mode = os.stat(t.broker.control).st_mode
    t.equal((stat.S_ISSOCK(mode), stat.S_IMODE(mode)), (True, 0o600))
    # A dead broker's socket is replaced; a file that is none is not.
    t.broker.crash()
    t.equal(t.broker.api("GET", USERS)[0], 200)
    t.broker.terminate()
    t.true(not os.path.exists(t.broker.control), "the socket is still there")
    with open(t.broker.control, "w") as out:
        out.write("mine")
    words = t.broker.refusal()
    t.true("admin.control: cannot listen" in words, words)
    with open(t.broker.control) as text:
        t.equal(text.read(), "mine")
    os.unlink(t.broker.control)
    t.broker.crash()


@only("sluiced")
@options(data=True, authentication=[QUICK])
@private(bystander=False)
def test_hostile_clients_of_the_socket(t):
    """More connections than there are places, requests that stop half way, bytes that are none."""
    early = t.socket()
    early.send(connect(t.id("up"), version=t.version)).recv()  # by then everything is open
    idle = []
    for number in range(40):
        raw = socket.socket(socket.AF_UNIX)
        raw.connect(t.broker.control)
        raw.send([b"", b"POST /api/v5/banned HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
                  b"\x00\xff\r\n\r\n", b"GET " + b"x" * 30000][number % 4])
        idle.append(raw)
    for raw in idle:
        raw.close()
    deadline = time.monotonic() + t.timeout
    while True:
        try:
            t.equal(t.broker.api("GET", USERS)[0], 200)
            break
        except (OSError, http.client.HTTPException):
            t.true(time.monotonic() < deadline, "the socket does not answer any more")
            time.sleep(0.05)
    # One that goes away while its change is under way.
    for _ in range(20):
        raw = socket.socket(socket.AF_UNIX)
        raw.connect(t.broker.control)
        body = json.dumps({"user_id": "gone", "password": "x"}).encode()
        raw.send(f"POST /api/v5{USERS} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
                 .encode() + body)
        raw.close()
    t.true(t.broker.api("POST", USERS, {"user_id": "gone", "password": "x"})[0] in (201, 409),
           "neither made nor there")


@only("sluiced")
@options(data=12, authentication=[QUICK], log_level="error")
@private(bystander=False)
@slow
@versions(5)
def test_a_full_disk_refuses_changes_with_a_reason(t):
    """Nothing changes; when there is room again everything goes on."""
    add(t, "ann")
    filler = os.path.join(t.broker.data, "filler")
    with open(filler, "wb", buffering=0) as out:
        try:
            while True:
                out.write(b"x" * 65536)
        except OSError:
            pass
    for number in range(2000):
        status, answer = t.broker.api("POST", "/banned", {
            "as": "clientid", "who": f"c{number}" + "x" * 60000})
        if status != 200:
            break
    t.equal((status, answer.get("code")), (503, "SERVICE_UNAVAILABLE"), f"ban {number}, {answer}")
    t.true(answer["message"].startswith(("nothing has changed", "not done after")),
           answer["message"])
    for number in range(2000):  # there may be room for a few that are smaller
        status, answer = t.broker.api("POST", USERS, {"user_id": f"more-{number}",
                                                      "password_hash": form("pw")})
        if status != 201:
            break
    t.equal((status, answer.get("code")), (503, "SERVICE_UNAVAILABLE"), f"user {number}, {answer}")
    t.true(answer["message"].startswith("nothing has changed"), answer["message"])
    refused(t, "b", f"more-{number}")
    accepted(t, "a", "ann")
    os.unlink(filler)
    # That may not have been enough for a new segment of the log, by how far it had come before.
    room = os.statvfs(t.broker.data)
    t.true(resize(t, room.f_blocks * room.f_frsize + 16 * MIB), "a larger disk")
    deadline = time.monotonic() + 60
    while True:
        made = t.broker.api("POST", USERS, {"user_id": "bob", "password_hash": form("pw")})
        if made[0] == 201:
            break
        t.true(time.monotonic() < deadline, f"no change although there is room: {made}")
        time.sleep(0.1)
    accepted(t, "b", "bob")
    t.broker.crash()
    accepted(t, "a", "ann")
    accepted(t, "b", "bob")


# ---- sluicectl ----


def sluicectl(t, *words, password=None, socket_path=None):
    """(exit code, standard output, standard error)"""
    command = [os.path.join(os.path.dirname(t.broker.command[0]), "sluicectl"), *words,
               "--socket", socket_path or t.broker.control]
    done = subprocess.run(command, input=password, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@only("sluiced")
@options(data=True, authentication=[QUICK])
@private(bystander=False)
def test_sluicectl_user(t):
    t.equal(sluicectl(t, "user", "add", "ann", password="one\n"), (0, "", ""))
    t.equal(sluicectl(t, "user", "add", "-s", "a/b ü", password="two\n"), (0, "", ""))
    accepted(t, "a", "ann", "one")
    accepted(t, "b", "a/b ü", "two")
    t.equal(sorted(sluicectl(t, "user", "list")[1].splitlines()), ["a/b ü:superuser", "ann"])
    t.equal(sluicectl(t, "user", "passwd", "ann", password="three\n"), (0, "", ""))
    accepted(t, "a", "ann", "three")
    t.equal(sluicectl(t, "user", "delete", "a/b ü"), (0, "", ""))
    refused(t, "b", "a/b ü", "two")
    code, _, words = sluicectl(t, "user", "add", "ann", password="x\n")
    t.equal((code, words), (1, "sluicectl user: there is a user of this id\n"))
    code, _, words = sluicectl(t, "user", "delete", "eve")
    t.equal((code, words), (1, "sluicectl user: there is no such user\n"))
    t.equal(sluicectl(t, "user", "add", "eve", "secret")[0], 2)
    t.equal(sluicectl(t, "user", "add")[0], 2)
    code, _, words = sluicectl(t, "user", "list", socket_path="/nowhere")
    t.true(code == 1 and "no broker at /nowhere" in words, words)


@only("sluiced")
@options(data=True)
@private(bystander=False)
def test_sluicectl_ban(t):
    t.equal(sluicectl(t, "ban", "add", "clientid", t.id("bad"), "--reason", "too loud, \"really\"",
                      "--by", "anna", "--for", "1h"), (0, "", ""))
    client = t.socket()
    client.send(connect(t.id("bad"), version=t.version))
    client.expect_refused(0x8A, 5)
    code, text, _ = sluicectl(t, "ban", "list")
    lines = text.splitlines()
    t.equal((code, len(lines), lines[0]), (0, 2, "as,who,reason,at,until,by"))
    t.true(lines[1].startswith(f'clientid,{t.id("bad")},"too loud, ""really""",20'), text)
    t.equal(sluicectl(t, "ban", "add", "peerhost_net", "198.51.100.0/24"), (0, "", ""))
    t.equal(sluicectl(t, "ban", "delete", "peerhost_net", "198.51.100.0/24"), (0, "", ""))
    code, _, words = sluicectl(t, "ban", "add", "peerhost", "nobody")
    t.true(code == 1 and "it is not an address" in words, words)
    t.equal(sluicectl(t, "ban", "delete", "clientid", t.id("bad")), (0, "", ""))
    t.connect("bad").ping()
    t.equal(sluicectl(t, "ban", "add", "clientid")[0], 2)
    t.equal(sluicectl(t, "ban", "add", "clientid", "x", "--for", "soon")[0], 2)
