"""MQTT packets as bytes: building (anything, also what is forbidden) and strict parsing.

Building: one function per packet type returns bytes. Nothing is validated, so that a test can say
what a well-behaved client never would; every part may be overridden (`flags=`, `remaining=`, ...).
The argument `version` is 3 (MQTT 3.1), 4 (3.1.1) or 5; only version 5 packets carry properties.

Properties are a list of (name, value) pairs or a dict; names are those of the table PROPERTIES.
A user property is ("user", ("key", "value")); it may repeat, as may any other in a list.

Parsing is for what a server sends, and is strict: reserved bits, lengths, trailing bytes, reason
codes and properties that the standard does not allow in that packet raise Malformed. Each test
thus checks the form of every packet that it receives.
"""

import struct

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 2, 3, 4, 5, 6, 7
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP = 8, 9, 10, 11, 12, 13
DISCONNECT, AUTH = 14, 15

TYPE_NAMES = (
    "RESERVED0 CONNECT CONNACK PUBLISH PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE "
    "UNSUBACK PINGREQ PINGRESP DISCONNECT AUTH").split()

# name -> (identifier, kind, packets from a server in which it may stand) [MQTT 5, table 2-4]
PROPERTIES = {
    "payload_format": (0x01, "byte", {PUBLISH}),
    "message_expiry": (0x02, "u32", {PUBLISH}),
    "content_type": (0x03, "text", {PUBLISH}),
    "response_topic": (0x08, "text", {PUBLISH}),
    "correlation_data": (0x09, "binary", {PUBLISH}),
    "subscription_id": (0x0B, "varint", {PUBLISH}),
    "session_expiry": (0x11, "u32", {CONNACK}),
    "assigned_client_id": (0x12, "text", {CONNACK}),
    "server_keepalive": (0x13, "u16", {CONNACK}),
    "auth_method": (0x15, "text", {CONNACK, AUTH}),
    "auth_data": (0x16, "binary", {CONNACK, AUTH}),
    "request_problem_info": (0x17, "byte", set()),
    "will_delay": (0x18, "u32", set()),
    "request_response_info": (0x19, "byte", set()),
    "response_info": (0x1A, "text", {CONNACK}),
    "server_reference": (0x1C, "text", {CONNACK, DISCONNECT}),
    "reason_string": (0x1F, "text", {CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK,
                                     DISCONNECT, AUTH}),
    "receive_maximum": (0x21, "u16", {CONNACK}),
    "topic_alias_max": (0x22, "u16", {CONNACK}),
    "topic_alias": (0x23, "u16", {PUBLISH}),
    "max_qos": (0x24, "byte", {CONNACK}),
    "retain_available": (0x25, "byte", {CONNACK}),
    "user": (0x26, "pair", {CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK,
                            DISCONNECT, AUTH}),
    "max_packet_size": (0x27, "u32", {CONNACK}),
    "wildcard_available": (0x28, "byte", {CONNACK}),
    "subscription_id_available": (0x29, "byte", {CONNACK}),
    "shared_available": (0x2A, "byte", {CONNACK}),
}
PROPERTY_BY_ID = {row[0]: (name, row[1], row[2]) for name, row in PROPERTIES.items()}
ZERO_OR_ONE = {"max_qos", "retain_available", "wildcard_available", "subscription_id_available",
               "shared_available", "payload_format"}

# Reason codes that a server may put into each packet [MQTT 5, table 2-6]
REASONS = {
    CONNACK: {0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90,
              0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F},
    PUBACK: {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    PUBREC: {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    PUBREL: {0x00, 0x92},
    PUBCOMP: {0x00, 0x92},
    SUBACK: {0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2},
    UNSUBACK: {0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91},
    DISCONNECT: {0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90,
                 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0,
                 0xA1, 0xA2},
    AUTH: {0x00, 0x18},
}


class Malformed(AssertionError):
    """The server sent bytes that the standard does not allow."""


# ---------------------------------------------------------------------------------------- building


def varint(number):
    """The variable byte integer of MQTT 5 section 1.5.5, in as few bytes as possible."""
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def u16(number):
    return struct.pack(">H", number)


def u32(number):
    return struct.pack(">I", number)


def binary(data):
    """Two bytes of length, then the data; a str is encoded as UTF-8."""
    data = data.encode() if isinstance(data, str) else bytes(data)
    return u16(len(data)) + data


def one_property(name, value):
    if isinstance(name, int):
        return varint(name) + bytes(value)
    number, kind, _ = PROPERTIES[name]
    if kind == "pair":
        return varint(number) + binary(value[0]) + binary(value[1])
    encode = {"byte": lambda v: bytes([v]), "u16": u16, "u32": u32, "varint": varint,
              "text": binary, "binary": binary}[kind]
    return varint(number) + encode(value)


def properties(props):
    """The property block with its length. A bytes value is taken as the whole block."""
    if isinstance(props, (bytes, bytearray)):
        return bytes(props)
    pairs = props.items() if isinstance(props, dict) else props or ()
    block = b"".join(one_property(name, value) for name, value in pairs)
    return varint(len(block)) + block


def packet(kind, flags, body, remaining=None):
    length = varint(len(body)) if remaining is None else remaining
    return bytes([kind << 4 | flags]) + length + body


def connect(client_id, version=5, clean=True, keepalive=60, will=None, username=None,
            password=None, props=None, name=None, level=None, connect_flags=None, flags=0):
    """will is a dict: topic, payload, qos, retain, props (all but topic optional)."""
    bits = 0x02 if clean else 0
    payload = binary(client_id)
    if will is not None:
        bits |= 0x04 | will.get("qos", 0) << 3 | (0x20 if will.get("retain") else 0)
        if version == 5:
            payload += properties(will.get("props"))
        payload += binary(will["topic"]) + binary(will.get("payload", b""))
    if username is not None:
        bits |= 0x80
        payload += binary(username)
    if password is not None:
        bits |= 0x40
        payload += binary(password)
    name = ("MQIsdp" if version == 3 else "MQTT") if name is None else name
    head = binary(name) + bytes([version if level is None else level,
                                 bits if connect_flags is None else connect_flags])
    head += u16(keepalive)
    if version == 5:
        head += properties(props)
    return packet(CONNECT, flags, head + payload)


def publish(topic, payload=b"", qos=0, packet_id=None, retain=False, dup=False, version=5,
            props=None, flags=None):
    payload = payload.encode() if isinstance(payload, str) else bytes(payload)
    body = binary(topic)
    if packet_id is not None:
        body += u16(packet_id)
    if version == 5:
        body += properties(props)
    if flags is None:
        flags = (8 if dup else 0) | qos << 1 | (1 if retain else 0)
    return packet(PUBLISH, flags, body + payload)


def ack(kind, packet_id, reason=None, props=None, flags=None):
    """PUBACK, PUBREC, PUBREL, PUBCOMP; reason None gives the short form."""
    body = u16(packet_id)
    if reason is not None:
        body += bytes([reason])
    if props is not None:
        body += properties(props)
    if flags is None:
        flags = 2 if kind == PUBREL else 0
    return packet(kind, flags, body)


def subscribe(packet_id, filters, version=5, props=None, flags=2):
    """filters: a list of (filter, options byte)."""
    body = u16(packet_id)
    if version == 5:
        body += properties(props)
    for text, options in filters:
        body += binary(text) + bytes([options])
    return packet(SUBSCRIBE, flags, body)


def unsubscribe(packet_id, filters, version=5, props=None, flags=2):
    body = u16(packet_id)
    if version == 5:
        body += properties(props)
    return packet(UNSUBSCRIBE, flags, body + b"".join(binary(text) for text in filters))


def pingreq(flags=0, body=b""):
    return packet(PINGREQ, flags, body)


def disconnect(reason=None, props=None, flags=0):
    body = b"" if reason is None else bytes([reason])
    if props is not None:
        body += properties(props)
    return packet(DISCONNECT, flags, body)


def auth(reason=None, props=None, flags=0):
    body = b"" if reason is None else bytes([reason])
    if props is not None:
        body += properties(props)
    return packet(AUTH, flags, body)


# ----------------------------------------------------------------------------------------- parsing


class Packet:
    """One packet from the server: `type`, `flags`, `raw` and the fields of its type.

    Fields: CONNACK session_present, reason; PUBLISH topic, payload, qos, dup, retain, packet_id;
    acknowledgements packet_id, reason; SUBACK and UNSUBACK packet_id, reasons; DISCONNECT and AUTH
    reason. `props` is a list of (name, value) in their order (empty below version 5).
    """

    def __init__(self, kind, flags, raw):
        self.type, self.flags, self.raw, self.props = kind, flags, raw, []

    def prop(self, name, default=None):
        """The first property of that name."""
        return next((value for key, value in self.props if key == name), default)

    def all(self, name):
        return [value for key, value in self.props if key == name]

    def __repr__(self):
        shown = {k: v for k, v in vars(self).items() if k not in ("type", "flags", "raw")}
        parts = []
        for key, value in shown.items():
            if key == "props" and not value:
                continue
            if isinstance(value, (bytes, str)) and len(value) > 60:
                value = f"{value[:60]!r}..({len(value)})"
                parts.append(f"{key}={value}")
            else:
                parts.append(f"{key}={value!r}")
        return f"{TYPE_NAMES[self.type]}({', '.join(parts)}) <{shorten(self.raw)}>"


def shorten(raw, limit=48):
    return raw.hex(" ") if len(raw) <= limit else f"{raw[:limit].hex(' ')} .. {len(raw)} bytes"


class Reader:
    """A cursor over bytes that raises Malformed rather than reading beyond the end."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def take(self, count):
        if self.left() < count:
            raise Malformed("the packet ends too early")
        part = self.data[self.at:self.at + count]
        self.at += count
        return part

    def byte(self):
        return self.take(1)[0]

    def u16(self):
        return struct.unpack(">H", self.take(2))[0]

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    def binary(self):
        return self.take(self.u16())

    def text(self):
        raw = self.binary()
        try:
            decoded = raw.decode()
        except UnicodeDecodeError as error:
            raise Malformed(f"ill-formed UTF-8 {raw.hex(' ')}") from error
        if "\0" in decoded:
            raise Malformed("U+0000 in a string")
        return decoded

    def varint(self):
        number = 0
        for position in range(4):
            byte = self.byte()
            number |= (byte & 0x7F) << 7 * position
            if not byte & 0x80:
                if position and not byte:
                    raise Malformed("variable byte integer is not minimal")
                return number
        raise Malformed("variable byte integer of more than four bytes")


def read_properties(reader, kind):
    block = Reader(reader.take(reader.varint()))
    found, seen = [], set()
    while block.left():
        number = block.varint()
        if number not in PROPERTY_BY_ID:
            raise Malformed(f"unknown property 0x{number:02x}")
        name, form, packets = PROPERTY_BY_ID[number]
        if kind not in packets:
            raise Malformed(f"property {name} in {TYPE_NAMES[kind]}")
        if name in seen and name not in ("user", "subscription_id"):
            raise Malformed(f"property {name} twice")
        seen.add(name)
        value = (block.text(), block.text()) if form == "pair" else getattr(block, form)()
        if name in ZERO_OR_ONE and value > 1:
            raise Malformed(f"property {name} is {value}")
        if name in ("receive_maximum", "max_packet_size", "topic_alias") and value == 0:
            raise Malformed(f"property {name} is 0")
        if name == "subscription_id" and not 1 <= value <= 268435455:
            raise Malformed(f"subscription identifier {value}")
        found.append((name, value))
    return found


def check_reason(kind, reason):
    if reason not in REASONS[kind]:
        raise Malformed(f"reason 0x{reason:02x} in {TYPE_NAMES[kind]}")


def parse_connack(out, body, version):
    flags = body.byte()
    if flags > 1:
        raise Malformed(f"CONNACK flags 0x{flags:02x}")
    out.session_present, out.reason = flags == 1, body.byte()
    if version == 5:
        check_reason(CONNACK, out.reason)
        out.props = read_properties(body, CONNACK)
    elif out.reason > 5:
        raise Malformed(f"CONNACK return code {out.reason}")
    if out.reason and out.session_present:
        raise Malformed("session present with a refused CONNECT")
    if version == 3 and out.session_present:
        raise Malformed("MQTT 3.1 has no session present flag")


def parse_publish(out, body, version):
    out.dup, out.qos, out.retain = out.flags & 8 != 0, out.flags >> 1 & 3, out.flags & 1 != 0
    out.topic = body.text()
    if out.qos == 3:
        raise Malformed("QoS 3")
    if "+" in out.topic or "#" in out.topic:
        raise Malformed(f"wildcards in the topic {out.topic!r}")
    out.packet_id = body.u16() if out.qos else None
    if out.packet_id == 0:
        raise Malformed("packet identifier 0")
    if out.dup and not out.qos:
        raise Malformed("DUP with QoS 0")
    if version == 5:
        out.props = read_properties(body, PUBLISH)
    elif not out.topic:
        raise Malformed("empty topic")
    out.payload = body.take(body.left())


def parse_ack(out, body, version):
    out.packet_id, out.reason = body.u16(), 0
    if out.packet_id == 0:
        raise Malformed("packet identifier 0")
    if version == 5 and body.left():
        out.reason = body.byte()
        check_reason(out.type, out.reason)
        if body.left():
            out.props = read_properties(body, out.type)


def parse_suback(out, body, version):
    out.packet_id = body.u16()
    if version == 5:
        out.props = read_properties(body, out.type)
    out.reasons = list(body.take(body.left()))
    if out.type == UNSUBACK and version < 5:
        if out.reasons:
            raise Malformed("UNSUBACK with a payload")
        return
    if not out.reasons:
        raise Malformed(f"{TYPE_NAMES[out.type]} without reason codes")
    for reason in out.reasons:
        if version == 5:
            check_reason(out.type, reason)
        elif reason not in (0, 1, 2, 0x80):
            raise Malformed(f"SUBACK return code 0x{reason:02x}")


def parse_disconnect(out, body, version):
    if version < 5:
        raise Malformed("DISCONNECT from the server before MQTT 5")
    out.reason = body.byte() if body.left() else 0
    check_reason(out.type, out.reason)
    if body.left():
        out.props = read_properties(body, out.type)


PARSERS = {CONNACK: parse_connack, PUBLISH: parse_publish, PUBACK: parse_ack, PUBREC: parse_ack,
           PUBREL: parse_ack, PUBCOMP: parse_ack, SUBACK: parse_suback, UNSUBACK: parse_suback,
           PINGRESP: lambda out, body, version: None, DISCONNECT: parse_disconnect,
           AUTH: parse_disconnect}


def split(buffer):
    """(type, flags, body, whole length) of the first packet in buffer, or None if incomplete."""
    if len(buffer) < 2:
        return None
    length = 0
    for position in range(1, 5):
        if position >= len(buffer):
            return None
        byte = buffer[position]
        length |= (byte & 0x7F) << 7 * (position - 1)
        if not byte & 0x80:
            if position > 1 and not byte:
                raise Malformed("remaining length is not minimal")
            break
    else:
        raise Malformed("remaining length of more than four bytes")
    head = position + 1
    if len(buffer) < head + length:
        return None
    return buffer[0] >> 4, buffer[0] & 15, bytes(buffer[head:head + length]), head + length


def parse(kind, flags, body, raw, version):
    """The Packet in `body`; raises Malformed where the standard is broken."""
    if kind not in PARSERS:
        raise Malformed(f"a server never sends {TYPE_NAMES[kind]}: {shorten(raw)}")
    if kind != PUBLISH and flags != (2 if kind == PUBREL else 0):
        raise Malformed(f"reserved flags {flags:04b} in {TYPE_NAMES[kind]}: {shorten(raw)}")
    out, reader = Packet(kind, flags, raw), Reader(body)
    try:
        PARSERS[kind](out, reader, version)
        if reader.left():
            raise Malformed("trailing bytes")
    except Malformed as error:
        raise Malformed(f"{error} in {TYPE_NAMES[kind]} <{shorten(raw)}>") from None
    return out
