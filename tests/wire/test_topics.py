"""Topic names and filters: section 4.7."""

from harness import cases, covers, private, versions
from mqtt_wire import publish

# filter, topics that match, topics that do not; B stands for the test's own first level
MATCHES = [
    ("B/#", ["B", "B/", "B/a", "B/a/b/c", "B//", "B/$x"], ["Bx", "bB/a"]),
    ("B/a/#", ["B/a", "B/a/", "B/a/b"], ["B", "B/ab", "B/A"]),
    ("B/+", ["B/a", "B/", "B/$a", "B/ "], ["B", "B/a/b", "B/a/"]),
    ("B/+/", ["B/a/", "B//"], ["B/a", "B/", "B/a/b"]),
    ("B/+/c", ["B/b/c", "B//c"], ["B/c", "B/b/b/c", "B/b/C"]),
    ("B/+/+", ["B/a/b", "B//", "B/a/"], ["B/a", "B/a/b/c"]),
    ("B/+/#", ["B/a", "B/a/b", "B/", "B//x/y"], ["B"]),
    ("B//c", ["B//c"], ["B/c", "B/x/c", "B///c"]),
    ("B/a", ["B/a"], ["B/a/", "/B/a", "B/A", "B//a", "B/a ", " B/a"]),
    ("B/a/", ["B/a/"], ["B/a", "B/a//"]),
    ("B/é", ["B/é"], ["B/e\u0301", "B/É"]),
    ("+/B/a", ["x/B/a", "/B/a"], ["B/a", "$x/B/a", "x/y/B/a"]),
    ("/B/#", ["/B", "/B/a"], ["B", "B/a", "//B"]),
    ("+/+/B", ["a/b/B", "//B"], ["B", "a/B", "$a/b/B", "$SYS/b/B"]),
    ("$B/#", ["$B", "$B/a"], ["B", "B/a"]),
    ("$B/+", ["$B/a", "$B/$c"], ["$B", "$B/a/b"]),
]


@versions(4, 5)
@cases([(row[0], *row) for row in MATCHES])
@covers("MQTT311-3.3.2-3", "MQTT311-4.7.3-4", "MQTT311-4.7.2-1", "MQTT5-4.7.2-1", "MQTT5-4.7.1-1",
        "MQTT5-4.7.1-2", "MQTT311-4.7.1-2", "MQTT311-4.7.1-3", "MQTT5-3.3.2-3")
def test_MQTT5_4_7_3_4_matching(t, text, inside, outside):
    base = t.topic()
    client = t.subscriber(text.replace("B", base))
    publisher = t.connect("pub")
    for topic in inside:
        topic = topic.replace("B", base)
        publisher.publish(topic, "in")
        client.take(topic, "in")
    for topic in outside:
        publisher.publish(topic.replace("B", base), "out")
    t.quiet(client)


@versions(4, 5)
@cases([(row[0], *row) for row in MATCHES])
@covers("MQTT311-4.7.3-4", "MQTT311-4.7.2-1", "MQTT5-4.7.2-1", "MQTT5-4.7.3-4")
def test_MQTT5_4_7_3_4_matching_of_retained_messages(t, text, inside, outside):
    base = t.topic()
    publisher, client = t.connect("pub"), t.connect("sub")
    topics = [topic.replace("B", base) for topic in inside + outside]
    for topic in topics:
        publisher.publish(topic, topic, retain=True)
    publisher.ping()
    client.subscribe(text.replace("B", base))
    got = {client.take(retain=True).topic for _ in inside}
    t.equal(got, {topic.replace("B", base) for topic in inside})
    t.quiet(client)
    for topic in topics:
        publisher.publish(topic, b"", retain=True)


@versions(4, 5)
@private()
@covers("MQTT311-4.7.2-1")
def test_MQTT5_4_7_2_1_hash_alone_matches_all_but_dollar_topics(t):
    """On a broker of its own, since # receives what every other test publishes."""
    client, publisher = t.subscriber("#"), t.connect("pub")
    for topic in ("a", "/", "a/b/c", "x" * 100, "a/$b"):
        publisher.publish(topic, "in")
        while client.take().topic != topic:
            pass
    for topic in ("$SYS/x", "$x", "$", "$/a"):
        publisher.publish(topic, "out")
    publisher.publish("end", "end", qos=1)
    while True:
        got = client.take()
        t.true(not got.topic.startswith("$"), f"# matched {got.topic}")
        if got.topic == "end":
            break


@versions(4, 5)
@private()
@covers("MQTT311-4.7.2-1")
def test_MQTT5_4_7_2_1_plus_at_first_does_not_match_dollar_topics(t):
    client, publisher = t.subscriber("+/monitor/#", "+"), t.connect("pub")
    for topic in ("$SYS/monitor/Clients", "$x", "$x/monitor"):
        publisher.publish(topic, "out")
    t.quiet(client)
    publisher.publish("x/monitor/a", "in")
    client.take("x/monitor/a", "in")


@versions(4, 5)
@covers("MQTT311-1.5.3-3", "MQTT5-1.5.4-3")
def test_MQTT5_1_5_4_3_bom_is_a_character(t):
    client = t.subscriber(t.topic("\ufeffa"), t.topic("b"))
    client.publish(t.topic("a"), "without")
    client.publish(t.topic("\ufeffb"), "without")
    client.publish(t.topic("\ufeffa"), "with")
    client.take(t.topic("\ufeffa"), "with")
    t.quiet(client)


@versions(4, 5)
@covers("MQTT311-4.7.3-3")
def test_MQTT5_4_7_3_3_the_longest_topic(t):
    base = t.topic()
    longest = base + "/" + "x" * (65535 - len(base) - 1)
    client, publisher = t.subscriber(longest, qos=1), t.connect("pub")
    publisher.publish(longest[:-1], "shorter", qos=1)
    publisher.publish(longest, "longest", qos=1)
    client.take(longest, "longest")
    client.unsubscribe(longest, reasons=[0])


@versions(4, 5)
def test_topics_of_100_levels(t):
    base = t.topic()
    deep = base + "/l" * 100
    client, publisher = t.subscriber(base + "/+" * 100, base + "/l" * 99 + "/#"), t.connect("pub")
    publisher.publish(deep, "deep", qos=1)
    client.take(deep, "deep")
    publisher.publish(deep + "/l" * 5, "deeper", qos=1)
    client.take(deep + "/l" * 5, "deeper")
    t.quiet(client)


@versions(4, 5)
def test_topic_of_too_many_levels(t):
    """More levels than the server allows (128 unless configured): refused in order, or taken."""
    client = t.connect("a")
    client.send(publish("x" + "/x" * 30000, b"m", qos=1, packet_id=1, version=t.version))
    try:
        got = client.recv()
    except AssertionError:
        return
    t.true(got.type == 4 and got.reason in (0x00, 0x10, 0x90)
           or got.type == 14 and got.reason in (0x81, 0x90, 0x97), f"unexpected {got}")


@versions(4, 5)
def test_filters_of_many_wildcards_do_not_explode(t):
    """All 2^10 filters of + and a literal over 10 levels match one topic: one copy of it."""
    base = t.topic()
    client, publisher = t.connect("sub"), t.connect("pub")
    for high in range(16):
        client.subscribe(*[base + "".join("/+" if number >> bit & 1 else "/x" for bit in range(10))
                           for number in range(high * 64, high * 64 + 64)])
    publisher.publish(base + "/x" * 10, "once", qos=1)
    client.take(base + "/x" * 10, "once")
    t.quiet(client)


@versions(4, 5)
def test_case_and_spaces_matter(t):
    client = t.subscriber(t.topic("ACCOUNTS"), t.topic("Accounts payable"))
    publisher = t.connect("pub")
    publisher.publish(t.topic("Accounts"), "no")
    publisher.publish(t.topic("Accounts  payable"), "no")
    publisher.publish(t.topic("Accounts payable"), "yes")
    client.take(t.topic("Accounts payable"), "yes")
    t.quiet(client)
