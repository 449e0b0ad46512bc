"""Shared subscriptions: section 4.8.2 of MQTT 5; in use with 3.1.1 as well; $queue; strategies."""

from collections import Counter

from harness import cases, covers, only, options, versions
from mqtt_wire import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, ack, publish


def group(t, count, name="g", topic="x", qos=1, version=None, **values):
    """So many members of one group, each a client of its own."""
    text = f"$share/{name}/{t.topic(topic)}"
    return [t.subscriber(text, suffix=f"{name}{n}", qos=qos, version=version, **values)
            for n in range(count)]


def send(t, publisher, count, qos=1, topic="x", start=0):
    for number in range(start, start + count):
        publisher.publish(t.topic(topic), f"{number}", qos=qos)


def numbers(got):
    return sorted(int(packet.payload) for _, packet in got)


@versions(4, 5)
@cases([("0", 0), ("1", 1), ("2", 2)])
@covers("MQTT5-4.8.2-3")
def test_MQTT5_4_8_2_1_each_message_goes_to_one_member(t, qos):
    members, publisher = group(t, 4, qos=qos), t.connect("pub")
    send(t, publisher, 40, qos)
    got = t.gather(members, 40)
    t.equal(numbers(got), list(range(40)))
    t.true(all(p.qos == qos and not p.retain and not p.dup for _, p in got), "flags")
    t.quiet(*members)


def test_queue_is_a_group_without_a_name(t):
    members = [t.subscriber(f"$queue/{t.topic('x')}", suffix=f"q{n}", qos=1) for n in range(3)]
    publisher = t.connect("pub")
    send(t, publisher, 12)
    t.equal(numbers(t.gather(members, 12)), list(range(12)))
    t.quiet(*members)
    members[0].unsubscribe(f"$queue/{t.topic('x')}", reasons=[0])


def test_members_of_different_versions(t):
    members = [t.subscriber(f"$share/g/{t.topic('+')}", suffix=f"m{v}", version=v, qos=2)
               for v in (3, 4, 5)]
    publisher = t.connect("pub")
    for qos in range(3):
        send(t, publisher, 9, qos, start=9 * qos)
    t.equal(numbers(t.gather(members, 27)), list(range(27)))
    t.quiet(*members)


@covers("MQTT5-4.8.2-1")
def test_groups_and_ordinary_subscribers_do_not_disturb_one_another(t):
    first, second = group(t, 2, "one"), group(t, 2, "two")
    plain = t.subscriber(t.topic("x"), suffix="plain", qos=1)
    publisher = t.connect("pub")
    send(t, publisher, 10)
    for clients in (first, second, [plain]):
        t.equal(numbers(t.gather(clients, 10)), list(range(10)))
    t.quiet(plain, *first, *second)


def test_groups_of_one_name_over_different_filters_are_different(t):
    """The filter belongs to the group: two filters that match give two deliveries."""
    one = t.subscriber(f"$share/g/{t.topic('x')}", suffix="one")
    two = t.subscriber(f"$share/g/{t.topic('+')}", suffix="two")
    t.connect("pub").publish(t.topic("x"), "m")
    one.take(payload="m")
    two.take(payload="m")
    t.quiet(one, two)


def test_shared_and_ordinary_subscription_of_one_client(t):
    client = t.connect("a")
    client.subscribe(f"$share/g/{t.topic('x')}", qos=1, props={"subscription_id": 1})
    client.subscribe(t.topic("x"), qos=1, props={"subscription_id": 2})
    t.connect("pub").publish(t.topic("x"), "m", qos=1)
    got = client.take_all(2)
    t.equal(sorted(p.all("subscription_id") for p in got), [[1], [2]])
    t.quiet(client)


@cases([(f"{sent}-{granted}", sent, granted) for sent in range(3) for granted in range(3)])
def test_MQTT5_4_8_2_3_granted_qos_is_respected(t, sent, granted):
    members = group(t, 2, qos=granted)
    t.connect("pub").publish(t.topic("x"), "m", qos=sent)
    t.equal(t.gather(members, 1)[0][1].qos, min(sent, granted))


def test_each_member_has_its_own_qos(t):
    members = [t.subscriber(f"$share/g/{t.topic('x')}", suffix=f"m{q}", qos=q) for q in range(3)]
    publisher = t.connect("pub")
    send(t, publisher, 30, qos=2)
    got = t.gather(members, 30)
    t.true(all(p.qos == index for index, p in got), "QoS of the member")


@versions(4, 5)
def test_leaving_by_unsubscribe(t):
    members, publisher = group(t, 3), t.connect("pub")
    for remaining in (2, 1):
        members.pop().unsubscribe(f"$share/g/{t.topic('x')}", reasons=[0])
        send(t, publisher, 6)
        t.equal(len(t.gather(members, 6)), 6)
    members.pop().unsubscribe(f"$share/g/{t.topic('x')}", reasons=[0])
    send(t, publisher, 2)


def test_unsubscribe_needs_the_whole_text(t):
    member = group(t, 1)[0]
    for text in (t.topic("x"), f"$share/h/{t.topic('x')}", f"$share/g/{t.topic('y')}"):
        member.unsubscribe(text, reasons=[0x11])
    t.connect("pub").publish(t.topic("x"), "m", qos=1)
    member.take(payload="m")


@versions(4, 5)
def test_leaving_by_disconnect(t):
    members, publisher = group(t, 3), t.connect("pub")
    members.pop().disconnect()
    members.pop(0).close()
    publisher.publish(t.topic("none"), qos=1)
    members[0].ping()
    send(t, publisher, 6)
    t.equal(numbers(t.gather(members, 6)), list(range(6)))


@versions(4, 5)
def test_unacknowledged_qos_1_goes_to_another_member_when_the_connection_is_lost(t):
    members, publisher = group(t, 2), t.connect("pub")
    send(t, publisher, 10)
    held = 0
    try:
        while True:
            members[0].expect(PUBLISH, timeout=0.2)
            held += 1
    except AssertionError:
        pass
    t.true(held > 0, "the first member got nothing")
    rest = t.gather(members[1:], 10 - held)
    members[0].close()
    again = t.gather(members[1:], held)
    t.equal(numbers(rest + again), list(range(10)))
    t.quiet(members[1])


@versions(4, 5)
def test_unsent_messages_go_to_another_member_when_the_connection_is_lost(t):
    """Window of one: what waited behind it in the queue of the member is passed on."""
    if t.version == 5:
        slow = group(t, 1, "g", props={"receive_maximum": 1})[0]
    else:
        slow = group(t, 1)[0]
    publisher = t.connect("pub")
    send(t, publisher, 60)
    first = slow.expect(PUBLISH, payload="0")
    other = t.subscriber(f"$share/g/{t.topic('x')}", suffix="other", qos=1)
    slow.close()
    got = t.gather([other], 60)
    t.equal(numbers(got), list(range(60)))
    t.true(first.packet_id > 0, "packet identifier")
    t.quiet(other)


@only("sluiced")
def test_persistent_member_that_loses_its_connection_passes_qos_1_on(t):
    """The standard leaves it open (4.8.2: the server may send it to another member)."""
    member = t.persistent("m")
    member.subscribe(f"$share/g/{t.topic('x')}", qos=1)
    publisher = t.connect("pub")
    send(t, publisher, 5)
    for number in range(5):
        member.expect(PUBLISH, payload=f"{number}")
    other = t.subscriber(f"$share/g/{t.topic('x')}", suffix="other", qos=1)
    member.close()
    t.equal(numbers(t.gather([other], 5)), list(range(5)))
    t.quiet(other, t.persistent("m"))


@covers("MQTT5-4.8.2-5", "MQTT5-4.8.2-4")
def test_MQTT5_4_8_2_4_qos_2_sent_stays_with_the_session(t):
    """Sent but not complete: it is completed when that client is back and goes to no other."""
    member = t.persistent("m")
    member.subscribe(f"$share/g/{t.topic('x')}", qos=2)
    publisher = t.connect("pub")
    publisher.publish(t.topic("x"), "two", qos=2)
    first = member.expect(PUBLISH, payload="two")
    other = t.subscriber(f"$share/g/{t.topic('x')}", suffix="other", qos=2)
    member.close()
    t.quiet(other)
    member = t.persistent("m")
    member.take(payload="two", dup=True, packet_id=first.packet_id)
    t.quiet(member, other)


def test_qos_2_after_pubrec_is_completed_on_reconnection(t):
    member = t.persistent("m")
    member.subscribe(f"$share/g/{t.topic('x')}", qos=2)
    t.connect("pub").publish(t.topic("x"), "two", qos=2)
    first = member.expect(PUBLISH, payload="two")
    member.send(ack(PUBREC, first.packet_id))
    member.expect(PUBREL)
    other = t.subscriber(f"$share/g/{t.topic('x')}", suffix="other", qos=2)
    member.close()
    member = t.persistent("m")
    member.expect(PUBREL, packet_id=first.packet_id)
    member.send(ack(PUBCOMP, first.packet_id))
    t.quiet(other, member)


def test_MQTT5_4_8_2_5_qos_2_sent_is_not_given_to_others_when_the_session_ends(t):
    members = group(t, 1, qos=2)
    t.connect("pub").publish(t.topic("x"), "two", qos=2)
    members[0].expect(PUBLISH, payload="two")
    other = t.subscriber(f"$share/g/{t.topic('x')}", suffix="other", qos=2)
    members[0].close()  # without a session expiry the session ends here
    t.quiet(other)


@cases([("puback", 1, PUBACK), ("pubrec", 2, PUBREC)])
def test_MQTT5_4_8_2_6_negative_acknowledgement_discards(t, qos, kind):
    members, publisher = group(t, 2, qos=qos), t.connect("pub")
    publisher.publish(t.topic("x"), "no", qos=qos)
    for member in members:
        try:
            got = member.expect(PUBLISH, timeout=0.2, payload="no")
        except AssertionError:
            continue
        member.send(ack(kind, got.packet_id, 0x80))
    t.quiet(*members)
    members[0].close()
    t.quiet(members[1])


def test_connected_members_come_first(t):
    offline = t.persistent("off")
    offline.subscribe(f"$share/g/{t.topic('x')}", qos=1)
    offline.disconnect()
    online, publisher = t.subscriber(f"$share/g/{t.topic('x')}", suffix="on", qos=1), t.connect("p")
    send(t, publisher, 10)
    t.equal(numbers(t.gather([online], 10)), list(range(10)))
    t.quiet(t.persistent("off"))


@versions(4, 5)
def test_all_members_offline_one_of_them_gets_it_later(t):
    text = f"$share/g/{t.topic('x')}"
    for number in range(3):
        client = t.persistent(f"m{number}")
        client.subscribe(text, qos=1)
        client.disconnect()
    publisher = t.connect("pub")
    send(t, publisher, 12)
    members = [t.persistent(f"m{number}") for number in range(3)]
    t.equal(numbers(t.gather(members, 12)), list(range(12)))
    t.quiet(*members)


def test_session_that_ends_passes_on_what_it_kept(t):
    """An offline member keeps messages for the group; its session ends; others get them."""
    first = t.persistent("m0")
    first.subscribe(f"$share/g/{t.topic('x')}", qos=1)
    first.disconnect()
    publisher = t.connect("pub")
    send(t, publisher, 5)
    other = t.subscriber(f"$share/g/{t.topic('x')}", suffix="other", qos=1)
    t.connect("m0", clean=True)
    got = t.gather([other], 5)
    t.equal(numbers(got), list(range(5)))


def test_subscribing_again_to_the_group_is_one_membership(t):
    member, publisher = group(t, 1)[0], t.connect("pub")
    for qos in (0, 1, 2):
        member.subscribe(f"$share/g/{t.topic('x')}", qos=qos)
        publisher.publish(t.topic("x"), "m", qos=2)
        member.take(payload="m", qos=qos)
    t.quiet(member)


def test_share_names_may_contain_anything_but_separators(t):
    for name in ("a b", "ünï", "$x", "a.b-c", "x" * 300):
        client = t.subscriber(f"$share/{name}/{t.topic('x')}", suffix=name[:3])
        t.connect("pub").publish(t.topic("x"), "m")
        client.take(t.topic("x"), "m")
        client.close()


def test_shared_filters_with_wildcards(t):
    members = group(t, 2, topic="a/+/#")
    publisher = t.connect("pub")
    for topic in ("a/b", "a/b/c", "a//x"):
        publisher.publish(t.topic(topic), "in", qos=1)
    publisher.publish(t.topic("a"), "out", qos=1)
    t.equal(len(t.gather(members, 3)), 3)
    t.quiet(*members)


def test_publishing_to_the_text_of_a_shared_filter(t):
    """$share/... as the topic of a PUBLISH is not a way into the group."""
    member, publisher = group(t, 1)[0], t.connect("pub")
    publisher.publish(f"$share/g/{t.topic('x')}", "m", qos=0)
    publisher.publish(t.topic("x"), "real", qos=1)
    member.take(t.topic("x"), "real")


def test_messages_of_one_publisher_stay_in_order_for_a_member(t):
    members, publisher = group(t, 3, qos=1), t.connect("pub")
    send(t, publisher, 60)
    last = [-1, -1, -1]
    for index, packet in t.gather(members, 60):
        number = int(packet.payload)
        t.true(number > last[index], f"{number} after {last[index]}")
        last[index] = number


# ------------------------------------------------------------------------------------ strategies


@options(shared_subscription_strategy="round_robin")
@cases([("2", 2), ("3", 3), ("7", 7)])
@only("sluiced")
def test_strategy_round_robin_is_even_for_each_publisher(t, count):
    members = group(t, count)
    for name in ("p1", "p2", "p3"):
        send(t, t.connect(name), count * 6)
        shares = Counter(index for index, _ in t.gather(members, count * 6))
        t.equal([shares[n] for n in range(count)], [6] * count, "messages of each member")


@options(shared_subscription_strategy="round_robin_per_group")
@only("sluiced")
def test_strategy_round_robin_per_group(t):
    """One counter of the group in each shard: even over publishers, up to one per shard."""
    members = group(t, 3)
    for number in range(30):
        t.connect(f"p{number}").publish(t.topic("x"), f"{number}", qos=1)
    shares = Counter(index for index, _ in t.gather(members, 30))
    spread = max(shares[n] for n in range(3)) - min(shares[n] for n in range(3))
    t.true(spread <= t.broker.shards * 2, f"uneven: {shares}")


@options(shared_subscription_strategy="random")
@only("sluiced")
def test_strategy_random(t):
    """300 messages over 3 members: fewer than 50 for one is below one in 10^9."""
    members, publisher = group(t, 3), t.connect("pub")
    for start in range(0, 300, 30):
        send(t, publisher, 30, start=start)
    shares = Counter(index for index, _ in t.gather(members, 300))
    t.true(min(shares[n] for n in range(3)) >= 50, f"not random: {shares}")


@options(shared_subscription_strategy="sticky")
@only("sluiced")
def test_strategy_sticky(t):
    members, publisher = group(t, 3), t.connect("pub")
    send(t, publisher, 20)
    chosen = {index for index, _ in t.gather(members, 20)}
    t.equal(len(chosen), 1, "members chosen")
    gone = members.pop(chosen.pop())
    gone.close()
    send(t, publisher, 20)
    chosen = {index for index, _ in t.gather(members, 20)}
    t.equal(len(chosen), 1, "members chosen after the first has gone")


def strategy_hash(t):
    members = group(t, 4)
    chosen = {}
    for _ in range(3):
        for name in range(12):
            client = t.connect(f"p{name}")
            send(t, client, 2)
            got = {index for index, _ in t.gather(members, 2)}
            t.equal(len(got), 1, "members for one publisher")
            chosen.setdefault(name, got.pop())
            client.disconnect()
    t.true(len(set(chosen.values())) > 1, "all publishers have the same member")


@options(shared_subscription_strategy="hash_clientid")
@only("sluiced")
def test_strategy_hash_clientid(t):
    strategy_hash(t)


@options(shared_subscription_strategy="hash")
@only("sluiced")
def test_strategy_hash_is_another_name(t):
    strategy_hash(t)


@options(shared_subscription_strategy="hash_topic")
@only("sluiced")
def test_strategy_hash_topic(t):
    members = group(t, 4, topic="+")
    publishers = [t.connect(f"p{n}") for n in range(3)]
    chosen = {}
    for publisher in publishers:
        for name in range(12):
            publisher.publish(t.topic(f"{name}"), "m", qos=1)
            index = t.gather(members, 1)[0][0]
            t.equal(index, chosen.setdefault(name, index), "member for one topic")
    t.true(len(set(chosen.values())) > 1, "all topics have the same member")


@options(shared_subscription_strategy="local")
@only("sluiced")
def test_strategy_local(t):
    """Members of the publisher's shard come first; whichever that is, each message goes once."""
    members = group(t, 8)
    for name in range(8):
        send(t, t.connect(f"p{name}"), 6)
        t.equal(numbers(t.gather(members, 6)), list(range(6)))
    t.quiet(*members)


@cases([("0", 0), ("1", 1), ("2", 2)])
def test_many_publishers_and_members(t, qos):
    members = group(t, 8, qos=qos)
    publishers = [t.connect(f"p{n}") for n in range(8)]
    for start in range(0, 160, 16):
        for number in range(start, start + 16):
            publishers[number % 8].send(publish(t.topic("x"), f"{number}", qos=qos,
                                                packet_id=number + 1 if qos else None))
    if qos == 2:
        for number in range(160):
            publishers[number % 8].wait(PUBREC, packet_id=number + 1)
            publishers[number % 8].send(ack(PUBREL, number + 1))
    t.equal(numbers(t.gather(members, 160)), list(range(160)))
    t.quiet(*members)
