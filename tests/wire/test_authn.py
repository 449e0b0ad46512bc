"""Authentication: who comes in, and what the others are told (MQTT 5.0 sections 3.1.3.5, 3.1.4,
4.12; 3.1.1 section 3.2.2.3).

Passwords are stored in quick forms, so that the tests do not wait for hashing: those of mosquitto,
and argon2id with one pass over 1 MiB.
"""

import base64
import hashlib
import os
import tempfile
import time

from harness import cases, covers, only, options, private, slow, timed, versions
from mqtt_wire import CONNACK, PINGRESP, connect, pingreq, publish, readiness

FOLDER = tempfile.mkdtemp(prefix="wire-authn-")
ARGON2 = ("$argon2id$v=19$m=1024,t=1,p=1$QAPW+VcAl92503sK5Oy+mQ$"
          "89yDMuYcKQss0JJ71mIrBasVTFE22kAyfSE2f1Ft8Lc")  # of "pw"
SLOW = ("$argon2id$v=19$m=19456,t=2,p=1$z+P2DrZRfgXKg4hiEmPAmA$"
        "E05H09v7+LKUYPS4OJGfoAF6sQheYlvqQ/G+87q6TPc")  # of "pw", 19 MiB


def write(name, *lines):
    path = os.path.join(FOLDER, name)
    with open(path, "w") as out:
        out.write("".join(line + "\n" for line in lines))
    return path


def salted(password, salt=b"saltsalt"):
    text = base64.b64encode(hashlib.sha512(password.encode() + salt).digest()).decode()
    return f"$6${base64.b64encode(salt).decode()}${text}"


def pbkdf2(password, rounds=101, salt=b"0123456789ab"):
    made = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return (f"$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(made).decode()}")


USERS = write("users", "# users", "", "salted:" + salted("one"), "pbkdf2:" + pbkdf2("two"),
              "argon:" + ARGON2, "slow:" + SLOW,
              "root:" + salted("root") + ":superuser")
STEP = {"type": "password_file", "path": USERS}
OPTIONS = {"authentication": [STEP], "access": {"allow_anonymous": True}}


def refused(t, client, reason, code):
    if t.version == 5:
        client.expect(CONNACK, reason=reason)
    else:
        client.expect(CONNACK, reason=code)
    client.expect_close()


@only("sluiced")
@versions(3, 4, 5)
@cases([("salted", "salted", "one"), ("pbkdf2", "pbkdf2", "two"), ("argon2id", "argon", "pw")])
def test_a_user_with_the_right_password_comes_in(t, user, password):
    client = t.connect("a", username=user, password=password)
    client.ping()


@only("sluiced")
@versions(3, 4, 5)
@cases([("wrong", "salted", "two"), ("empty", "salted", ""), ("argon2id", "argon", "no"),
        ("unknown-user", "nobody", "one")])
@covers("MQTT5-3.1.4-2")
def test_a_wrong_password_and_an_unknown_user_are_told_the_same(t, user, password):
    client = t.socket()
    client.send(connect(t.id("a"), version=t.version, username=user, password=password))
    refused(t, client, 0x86, 4)


@only("sluiced")
@versions(4, 5)
@private(bystander=False)
@options(access={"allow_anonymous": False})
def test_without_a_user_name_nobody_comes_in(t):
    client = t.socket()
    client.send(connect(t.id("a"), version=t.version))
    refused(t, client, 0x87, 5)


@only("sluiced")
def test_without_a_user_name_comes_in_whom_the_configuration_allows(t):
    t.connect("a").ping()


@only("sluiced")
@versions(4, 5)
@options(authentication=[{**STEP, "user_id_type": "clientid"}])
def test_the_user_may_be_the_client_id(t):
    client = t.socket()
    client.connect("salted", username="x", password="one")
    client = t.socket()
    client.send(connect("pbkdf2", version=t.version, username="salted", password="one"))
    refused(t, client, 0x86, 4)


@only("sluiced")
@options(authentication=[{"type": "password_file", "path": write("second", "late:" + salted("x"))},
                         STEP])
def test_a_step_that_does_not_know_the_user_asks_the_next(t):
    t.connect("a", username="late", password="x").ping()
    t.connect("b", username="salted", password="one").ping()


@only("sluiced")
@options(authentication=[STEP, {"type": "password_file",
                                "path": write("other", "salted:" + salted("other"))}])
def test_a_step_that_knows_the_user_decides(t):
    client = t.socket()
    client.send(connect(t.id("a"), username="salted", password="other"))
    refused(t, client, 0x86, 4)


@only("sluiced")
@private(bystander=False)
@options(access={"allow_anonymous": True, "auth_workers": 1})
@timed
def test_who_has_no_password_does_not_wait_for_those_of_others(t):
    waiting = [t.socket(timeout=30) for _ in range(60)]
    for number, client in enumerate(waiting):
        client.send(connect(t.id(f"h{number}"), username="slow", password="pw"))
    t.connect("anonymous").ping()
    answered = len(readiness([client.sock for client in waiting], (), 0)[0])
    t.true(answered < len(waiting) / 2, f"it came in behind {answered} of {len(waiting)}")
    for client in waiting:
        client.expect(CONNACK, reason=0)


@only("sluiced")
@private(bystander=False)
@options(access={"allow_anonymous": True, "auth_workers": 3})
def test_hashing_takes_only_what_everybody_else_leaves(t):
    def yielding():
        tasks = [int(task) for task in os.listdir(f"/proc/{t.broker.pid}/task")]
        return sum(os.sched_getscheduler(task) in (os.SCHED_IDLE, os.SCHED_BATCH) for task in tasks)

    deadline = time.monotonic() + t.timeout
    while yielding() != 3:
        t.true(time.monotonic() < deadline, f"{yielding()} threads yield instead of 3")
        time.sleep(0.01)


@only("sluiced")
def test_packets_behind_connect_wait_for_the_answer(t):
    """They stand in the stash while the password is with a worker."""
    client = t.socket()
    topic = t.topic("early")
    watcher = t.subscriber(topic)
    client.send(connect(t.id("a"), username="argon", password="pw") +
                publish(topic, b"early", version=5) + pingreq())
    client.expect(CONNACK, reason=0)
    client.expect(PINGRESP)
    watcher.take(topic, "early")


@only("sluiced")
def test_a_client_may_go_while_its_password_is_hashed(t):
    for number in range(20):
        client = t.socket()
        client.send(connect(t.id(f"a{number}"), username="argon", password="pw"))
        client.abandon()
    t.connect("b", username="argon", password="pw").ping()


@only("sluiced")
@covers("MQTT5-3.1.4-2")
def test_a_session_is_not_touched_by_who_is_refused(t):
    owner = t.connect("a", username="salted", password="one")
    thief = t.socket()
    thief.send(connect(t.id("a"), username="salted", password="wrong"))
    refused(t, thief, 0x86, 4)
    owner.ping()


@only("sluiced")
@private(bystander=False)
@options(authentication=[], access={"allow_anonymous": False})
def test_without_a_chain_only_this_machine_comes_in(t):
    t.connect("a", username="whoever", password="whatever").ping()


@only("sluiced")
@private(bystander=False)
@options(authentication=[STEP], access={"auth_timeout": "200ms", "allow_anonymous": False},
         admin=True)
def test_who_waits_too_long_is_told_so(t):
    """The worker has a queue of hashes in front of this one."""
    clients = [t.socket() for _ in range(60)]
    for number, client in enumerate(clients):
        client.send(connect(t.id(str(number)), username="slow", password="pw"))
    busy = sum(client.expect(CONNACK).reason == 0x89 for client in clients)
    t.true(busy > 0, "everybody came in, in no time")


@only("sluiced")
@private(bystander=False)
@options(authentication=[STEP], access={"auth_queue": 2, "allow_anonymous": False})
@versions(4, 5)
def test_over_the_queue_a_client_is_told_to_come_later(t):
    clients = [t.socket() for _ in range(30)]
    for number, client in enumerate(clients):
        client.send(connect(t.id(str(number)), version=t.version, username="slow",
                            password="pw"))
    reasons = [client.expect(CONNACK).reason for client in clients]
    busy = 0x89 if t.version == 5 else 3
    t.true(set(reasons) == {0, busy}, f"got {sorted(set(reasons))}")


@only("sluiced")
@private(bystander=False)
@options(admin=True, authentication=[{"type": "password_file", "path": write("changes")}],
         access={"allow_anonymous": False})
def test_a_reload_brings_new_users_and_a_bad_file_changes_nothing(t):
    path = write("changes", "old:" + salted("x"))
    t.equal(t.broker.hang_up(), "applied")
    t.connect("a", username="old", password="x")
    path = write("changes", "new:" + salted("y"))
    t.equal(t.broker.hang_up(), "applied")
    t.connect("b", username="new", password="y")
    client = t.socket()
    client.send(connect(t.id("c"), username="old", password="x"))
    refused(t, client, 0x86, 4)
    write("changes", "new:" + salted("z"), "broken")
    t.equal(t.broker.hang_up(), "refused")
    t.connect("d", username="new", password="y")
    t.broker.says(f"{path}:2:")
    write("changes")


@only("sluiced")
@slow
@timed
@options(authentication=[{"type": "password_file", "path": write("slow", "argon:" + SLOW)}])
def test_time_does_not_tell_who_exists(t):
    """Both hash: of tries in turn the quickest are near each other, and far from no hash at all."""
    def fails(user):
        client = t.socket()
        client.send(connect(t.id(user), username=user, password="wrong"))
        client.expect(CONNACK, reason=0x86)
        client.close()

    known, unknown = t.quickest(lambda: fails("argon"), lambda: fails("nobody"))
    t.true(known > 0.001 and 0.5 < unknown / known < 2,
           f"a known user is refused after {known * 1000:.2f} ms, an unknown one after "
           f"{unknown * 1000:.2f} ms")
