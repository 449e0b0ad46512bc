"""A socket with WebSocket that behaves like a plain one, as far as the tests use it.

`WsSocket(raw)` upgrades at once; send() puts what it is given into binary frames, recv() returns
the payloads of all frames that have come. It is strict about the server's side: frames without
mask, whole, binary, with the shortest length; a close frame with a right code is the end of the
stream. `request()` and `frame()` serve those who want to break the rules.
"""

import base64
import hashlib
import os
import struct

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FRAME_MAX = 30000  # larger sends become several frames, so that packets lie across them


def frame(payload=b"", opcode=BINARY, fin=True, mask=b"\x11\x00\xee\x5a", rsv=0, length=None):
    """One client frame. mask None: without; length: what the header says instead of the truth."""
    said = len(payload) if length is None else length
    head = bytes([fin << 7 | rsv << 4 | opcode])
    bit = 0x80 if mask is not None else 0
    if said < 126:
        head += bytes([bit | said])
    elif said < 65536:
        head += struct.pack(">BH", bit | 126, said)
    else:
        head += struct.pack(">BQ", bit | 127, said)
    if mask is None:
        return head + payload
    repeated = (mask * (len(payload) // 4 + 1))[:len(payload)]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return head + mask + mixed.to_bytes(len(payload), "big")


def request(path="/mqtt", protocol="mqtt", key="dGhlIHNhbXBsZSBub25jZQ==", version="13", more=(),
            leave=(), method="GET", http="HTTP/1.1"):
    """An upgrade request as bytes; `leave` names fields that are left out."""
    fields = [("Host", "broker"), ("Upgrade", "websocket"), ("Connection", "Upgrade"),
              ("Sec-WebSocket-Key", key), ("Sec-WebSocket-Version", version),
              ("Sec-WebSocket-Protocol", protocol)]
    lines = [f"{method} {path} {http}"]
    lines += [f"{name}: {value}" for name, value in fields + list(more)
              if name not in leave and value is not None]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


class Ended(ConnectionResetError):
    """The server broke the rules of WebSocket."""


class WsSocket:
    def __init__(self, raw, path="/mqtt", protocol="mqtt", more=(), first=b""):
        self.raw, self.bytes, self.closed, self.ended = raw, bytearray(), None, False
        key = base64.b64encode(os.urandom(16)).decode()
        raw.sendall(request(path, protocol, key, more=more) + first)
        while b"\r\n\r\n" not in self.bytes:
            got = raw.recv(65536)
            if not got:
                raise ConnectionResetError(f"no upgrade: {bytes(self.bytes)!r}")
            self.bytes += got
        head, _, rest = bytes(self.bytes).partition(b"\r\n\r\n")
        self.response = head.decode()
        lines = self.response.split("\r\n")
        self.fields = {name.lower(): value for name, value in
                       (line.split(": ", 1) for line in lines[1:])}
        self.bytes = bytearray(rest)
        if not lines[0].startswith("HTTP/1.1 101 "):
            raise ConnectionResetError(f"no upgrade: {lines[0]}")
        if self.fields["sec-websocket-accept"] != accept_of(key):
            raise Ended("a wrong Sec-WebSocket-Accept")

    def __getattr__(self, name):
        return getattr(self.raw, name)

    def send(self, data):
        part = bytes(data[:FRAME_MAX])
        out = frame(part, mask=os.urandom(4))
        done = self.raw.send(out)
        while done < len(out):  # a frame once begun has to be finished
            try:
                done += self.raw.send(out[done:])
            except BlockingIOError:
                self.raw.setblocking(True)
                self.raw.sendall(out[done:])
                self.raw.setblocking(False)
                break
        return len(part)

    def sendall(self, data):
        while data:
            data = data[self.send(data):]

    def next_frame(self):
        """(opcode, payload) of the next whole frame that has come, or None."""
        data = self.bytes
        if len(data) < 2:
            return None
        length, at = data[1] & 0x7f, 2
        if data[1] & 0x80:
            raise Ended("the server masks its frames")
        if length >= 126:
            size = 2 if length == 126 else 8
            if len(data) < 2 + size:
                return None
            least = 126 if size == 2 else 65536
            length, at = int.from_bytes(data[2:2 + size], "big"), 2 + size
            if length < least:
                raise Ended("a length in more bytes than it needs")
        if len(data) < at + length:
            return None
        head, payload = data[0], bytes(data[at:at + length])
        del data[:at + length]
        if head & 0xf0 != 0x80:
            raise Ended(f"a first byte of 0x{head:02x}")
        return head & 15, payload

    def take(self):
        """The payloads of the whole frames that have come."""
        got = bytearray()
        while not self.ended:
            found = self.next_frame()
            if found is None:
                break
            opcode, payload = found
            if opcode == BINARY:
                got += payload
            elif opcode == CLOSE:
                self.closed = int.from_bytes(payload[:2], "big") if payload else 1005
                payload[2:].decode()
                self.ended = True
            elif opcode != PONG:
                raise Ended(f"opcode {opcode} [MQTT-6.0.0-1]")
        return bytes(got)

    def recv(self, _length):
        while True:
            got = self.take()
            if got or self.ended:
                return got
            data = self.raw.recv(262144)
            if not data:
                self.ended = True
                return b""
            self.bytes += data

    def shutdown(self, how):
        try:
            self.raw.sendall(frame(b"\x03\xe8", CLOSE))
        except OSError:
            pass
        self.raw.shutdown(how)
