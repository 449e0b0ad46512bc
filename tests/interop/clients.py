"""The interoperability tests: one function per client and behaviour, run by run.py.

A test gets Tools and raises AssertionError when the client does not see what it should. It uses
only identifiers and topics that begin with tools.prefix().
"""

import os
import queue
import signal
import subprocess

import browser
import certificates
from run import HERE, Skip

VERSIONS = {3: "mqttv31", 4: "mqttv311", 5: "mqttv5"}


# ----------------------------------------------------------------- mosquitto_pub, mosquitto_sub


class Subscriber:
    """A mosquitto_sub that has its subscription; lines() waits until it ends by itself."""

    def __init__(self, tools, *arguments, version=4):
        command = ["stdbuf", "-oL", tools.need("mosquitto_sub"), "-h", tools.host, "-p",
                   str(tools.port), "-V", VERSIONS[version], "-d", "-W", "15", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.STDOUT)
        self.said = []
        for line in self.process.stdout:
            self.said.append(line)
            if line.startswith("Subscribed"):
                return
        raise AssertionError(f"mosquitto_sub did not subscribe: {' | '.join(self.said)}")

    def lines(self):
        """What it received, without its own notes; a message may come before SUBACK."""
        rest = self.process.stdout.read()  # ends with the process, which -W bounds
        self.process.wait()
        return [line for line in [one.rstrip("\n") for one in self.said] + rest.splitlines()
                if not line.startswith(("Client ", "Subscribed", "Timed out"))]

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        self.process.wait()


def mosquitto_pub(tools, *arguments, version=4, **values):
    tools.run([tools.need("mosquitto_pub"), "-h", tools.host, "-p", str(tools.port), "-V",
               VERSIONS[version], *arguments], **values)


def check(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what}: expected {want}, got {got}")


def mosquitto_qos(tools, version, qos):
    topic = tools.prefix()
    subscriber = Subscriber(tools, "-t", topic, "-q", str(qos), "-C", "20", "-F", "%q %p",
                            version=version)
    mosquitto_pub(tools, "-t", topic, "-q", str(qos), "-l", version=version,
                  input="".join(f"{n}\n" for n in range(20)))
    check(subscriber.lines(), [f"{qos} {n}" for n in range(20)])


def mosquitto_retained(tools, version):
    topic = tools.prefix()
    mosquitto_pub(tools, "-t", f"{topic}/a", "-m", "kept", "-r", "-q", "1", version=version)
    subscriber = Subscriber(tools, "-t", f"{topic}/#", "-C", "1", "-F", "%r %t %p", version=version)
    check(subscriber.lines(), [f"1 {topic}/a kept"])
    mosquitto_pub(tools, "-t", f"{topic}/a", "-n", "-r", version=version)


def mosquitto_will(tools, version):
    topic = tools.prefix()
    watcher = Subscriber(tools, "-t", f"{topic}/will", "-C", "1", "-q", "1", version=version)
    dying = Subscriber(tools, "-t", f"{topic}/x", "--will-topic", f"{topic}/will",
                       "--will-payload", "gone", "--will-qos", "1", version=version)
    dying.kill()
    check(watcher.lines(), ["gone"])


def mosquitto_persistent(tools, version):
    topic = tools.prefix()
    options = ["-t", topic, "-q", "1", "-i", f"{topic}id", "-c"]
    if version == 5:
        options += ["-x", "60"]
    Subscriber(tools, *options, "-E", version=version).lines()
    for number in range(5):
        mosquitto_pub(tools, "-t", topic, "-q", "1", "-m", f"{number}", version=version)
    said = tools.run([tools.need("mosquitto_sub"), "-h", tools.host, "-p", str(tools.port), "-V",
                      VERSIONS[version], *options, "-C", "5", "-W", "15"])
    check(said.split(), [f"{n}" for n in range(5)])


def mosquitto_properties(tools):
    topic = tools.prefix()
    subscriber = Subscriber(tools, "-t", topic, "-C", "1", "-F", "%p|%C|%R|%D|%P|%F", version=5)
    mosquitto_pub(tools, "-t", topic, "-m", "m", "-D", "publish", "content-type", "text",
                  "-D", "publish", "response-topic", "r", "-D", "publish", "correlation-data", "c",
                  "-D", "publish", "user-property", "a", "1", "-D", "publish",
                  "user-property", "b", "2", "-D", "publish", "payload-format-indicator", "1",
                  version=5)
    check(subscriber.lines(), ["m|text|r|c|a:1 b:2|1"])


def mosquitto_shared(tools, version):
    topic = tools.prefix()
    members = [Subscriber(tools, "-t", f"$share/g/{topic}", "-q", "1", version=version)
               for _ in range(3)]
    mosquitto_pub(tools, "-t", topic, "-q", "1", "-l", version=version,
                  input="".join(f"{n}\n" for n in range(30)))
    mosquitto_pub(tools, "-t", f"{topic}/end", "-m", "x", "-q", "1", version=version)
    got = []
    for member in members:
        member.process.send_signal(signal.SIGTERM)
        got += [int(line) for line in member.lines() if line.isdigit()]
    check(sorted(got), list(range(30)))


def mosquitto_large(tools):
    topic, path = tools.prefix(), os.path.join(tools.folder, "large")
    with open(path, "w") as out:
        out.write("0123456789" * 90000)
    subscriber = Subscriber(tools, "-t", topic, "-C", "1", "-F", "%l", version=5)
    mosquitto_pub(tools, "-t", topic, "-f", path, "-q", "2", version=5)
    check(subscriber.lines(), ["900000"])


def mosquitto_request_response(tools):
    """mosquitto_rr sends with a response topic and waits for the answer."""
    topic = tools.prefix()
    responder = Subscriber(tools, "-t", f"{topic}/q", "-C", "1", "-F", "%R %p", version=5)
    asking = subprocess.Popen([tools.need("mosquitto_rr"), "-h", tools.host, "-p", str(tools.port),
                               "-V", "mqttv5", "-t", f"{topic}/q", "-e", f"{topic}/a", "-m", "2+2",
                               "-W", "10"], stdout=subprocess.PIPE, text=True)
    check(responder.lines(), [f"{topic}/a 2+2"])
    mosquitto_pub(tools, "-t", f"{topic}/a", "-m", "4", version=5)
    check(asking.communicate(timeout=20)[0].strip(), "4")


# ------------------------------------------------------------------------------ Paho for Python


def paho(tools, name, version, clean=True, **values):
    """A connected client with a queue of messages in `inbox`."""
    try:
        import paho.mqtt.client as library
        from paho.mqtt.properties import Properties
        from paho.mqtt.packettypes import PacketTypes
    except ImportError:
        raise Skip("python3-paho-mqtt is not installed") from None
    if not hasattr(library, "CallbackAPIVersion"):
        make = library.Client
    else:
        def make(*given, **named):
            return library.Client(library.CallbackAPIVersion.VERSION1, *given, **named)
    if version == 5:
        client = make(name, protocol=version)
        props = Properties(PacketTypes.CONNECT)
        props.SessionExpiryInterval = 0 if clean else 60
        more = {"clean_start": clean, "properties": props}
    else:
        client, more = make(name, protocol=version, clean_session=clean), {}
    client.inbox, client.events = queue.Queue(), queue.Queue()
    client.on_message = lambda _c, _u, message: client.inbox.put(message)
    client.on_connect = lambda *given: client.events.put(("connect", given[3]))
    client.on_subscribe = lambda *given: client.events.put(("subscribe", given[2]))
    if values.get("will"):
        client.will_set(*values["will"])
    client.max_inflight_messages_set(20)
    client.connect(tools.host, tools.port, **more)
    client.loop_start()
    check(client.events.get(timeout=5)[0], "connect")
    return client


def paho_subscribe(client, topic, qos):
    client.subscribe(topic, qos)
    check(client.events.get(timeout=5)[0], "subscribe")


def paho_close(*clients):
    for client in clients:
        client.disconnect()
        client.loop_stop()


def paho_python_messages(tools, version):
    prefix = tools.prefix()
    subscriber, publisher = (paho(tools, f"{prefix}{n}", version) for n in "sp")
    paho_subscribe(subscriber, f"{prefix}/#", 2)
    for qos in range(3):
        sent = [publisher.publish(f"{prefix}/{qos}", f"{n}", qos) for n in range(100)]
        for info in sent:
            info.wait_for_publish(10)
        got = [subscriber.inbox.get(timeout=10) for _ in range(100)]
        check([int(m.payload) for m in got], list(range(100)), f"order at QoS {qos}")
        check({(m.topic, m.qos) for m in got}, {(f"{prefix}/{qos}", qos)}, "topic and QoS")
    paho_close(subscriber, publisher)


def paho_python_session(tools, version):
    prefix = tools.prefix()
    first = paho(tools, f"{prefix}s", version, clean=False)
    paho_subscribe(first, prefix, 1)
    paho_close(first)
    publisher = paho(tools, f"{prefix}p", version)
    for number in range(10):
        publisher.publish(prefix, f"{number}", 1).wait_for_publish(5)
    again = paho(tools, f"{prefix}s", version, clean=False)
    got = [again.inbox.get(timeout=5) for _ in range(10)]
    check([int(m.payload) for m in got], list(range(10)))
    paho_close(again, publisher)


def paho_python_will_and_retain(tools, version):
    prefix = tools.prefix()
    watcher = paho(tools, f"{prefix}w", version)
    paho_subscribe(watcher, f"{prefix}/will", 1)
    dying = paho(tools, f"{prefix}d", version, will=(f"{prefix}/will", "gone", 1, True))
    dying.loop_stop()
    dying._sock_close()  # the library has no public way of dying without DISCONNECT
    check(watcher.inbox.get(timeout=5).payload, b"gone")
    late = paho(tools, f"{prefix}l", version)
    paho_subscribe(late, f"{prefix}/will", 1)
    message = late.inbox.get(timeout=5)
    check((message.payload, bool(message.retain)), (b"gone", True))
    watcher.publish(f"{prefix}/will", b"", 1, True).wait_for_publish(5)
    paho_close(watcher, late)


def paho_python_properties(tools):
    prefix = tools.prefix()
    client = paho(tools, f"{prefix}s", 5)
    from paho.mqtt.properties import Properties
    from paho.mqtt.packettypes import PacketTypes
    paho_subscribe(client, prefix, 1)
    props = Properties(PacketTypes.PUBLISH)
    props.UserProperty = [("b", "1"), ("a", "2"), ("b", "1")]
    props.ContentType, props.ResponseTopic, props.CorrelationData = "text", "r", b"\0c"
    props.MessageExpiryInterval = 100
    client.publish(prefix, "m", 1, properties=props).wait_for_publish(5)
    got = client.inbox.get(timeout=5).properties
    check(got.UserProperty, [("b", "1"), ("a", "2"), ("b", "1")])
    check((got.ContentType, got.ResponseTopic, got.CorrelationData), ("text", "r", b"\0c"))
    paho_close(client)


# ----------------------------------------------------------------------------- Paho for C, mqtt.js


def paho_c(tools, source, library, version):
    program = tools.build(source, library)
    said = tools.run([program, tools.host, str(tools.port), str(version), tools.prefix()])
    check(said.strip(), "ok")


def mqttjs(tools, version):
    folder = tools.node_folder()
    environment = {**os.environ, "NODE_PATH": os.path.join(folder, "node_modules")}
    said = tools.run(["node", os.path.join(HERE, "mqttjs.js"), tools.host, str(tools.port),
                      str(version), tools.prefix()], env=environment)
    check(said.strip(), "ok")


def mqttjs_at(tools, scheme, protocol):
    folder = tools.node_folder()
    environment = {**os.environ, "NODE_PATH": os.path.join(folder, "node_modules")}
    broker = tools.broker_at(scheme)
    try:
        said = tools.run(["node", os.path.join(HERE, "mqttjs.js"), broker.host, str(broker.port),
                          "5", tools.prefix(), protocol, certificates.path("ca.pem")],
                         env=environment)
        check(said.strip(), "ok")
    finally:
        wrong = broker.stop()
    check(wrong, None)


def tests():
    """(name, function of Tools) for every test."""
    def bind(function, *arguments):
        return lambda tools: function(tools, *arguments)
    rows = [(f"mosquitto_qos_{qos}_v{version}", bind(mosquitto_qos, version, qos))
            for version in VERSIONS for qos in range(3)]
    for name, function in (("retained", mosquitto_retained), ("will", mosquitto_will),
                           ("persistent", mosquitto_persistent), ("shared", mosquitto_shared)):
        rows += [(f"mosquitto_{name}_v{version}", bind(function, version)) for version in VERSIONS]
    rows += [("mosquitto_properties", mosquitto_properties), ("mosquitto_large", mosquitto_large),
             ("mosquitto_request_response", mosquitto_request_response)]
    for name, function in (("messages", paho_python_messages), ("session", paho_python_session),
                           ("will_and_retain", paho_python_will_and_retain)):
        rows += [(f"paho_python_{name}_v{version}", bind(function, version))
                 for version in VERSIONS]
    rows.append(("paho_python_properties", paho_python_properties))
    for version in VERSIONS:
        rows.append((f"paho_c_sync_v{version}",
                     bind(paho_c, "paho_sync.c", "paho-mqtt3c", version)))
        rows.append((f"paho_c_async_v{version}",
                     bind(paho_c, "paho_async.c", "paho-mqtt3a", version)))
        rows.append((f"mqttjs_v{version}", bind(mqttjs, version)))
    for scheme, protocol in (("tls", "mqtts"), ("ws", "ws"), ("wss", "wss")):
        rows.append((f"mqttjs_{scheme}", bind(mqttjs_at, scheme, protocol)))
    rows.append(("mqttjs_in_browser", browser.mqttjs_in_browser))
    return rows
