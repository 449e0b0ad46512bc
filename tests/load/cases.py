"""The tests of run.py: functions test_NAME(tools), in the order of this text."""

import os
import re
import socket
import struct
import subprocess
import threading
import zlib

from run import HERE, Skip
import ws_socket

SHORT = "--warmup 50ms --duration 150ms"
SCENARIOS = os.path.join(HERE, "..", "..", "bench", "scenarios")
TRANSPORTS = {"tcp": "", "tls": "--tls", "ws": "--ws", "wss": "--tls --ws"}

# What makes a scenario small, whatever its file says.
SMALL = {
    "connect": "--clients 100 --connect-rate 1000 --hold 50ms",
    "retained": "--topics 300 --subscribers 1",
    "pairs": f"{SHORT} --publishers 10",
    "fan-out": f"{SHORT} --publishers 2 --subscribers 20 --rate 100",
    "shared": f"{SHORT} --publishers 10 --subscribers 5 --rate 200",
}


def over(transport, qos):
    def test(tools):
        run = tools.measured(tools.broker(transport),
                             f"pairs {SHORT} --qos {qos} {TRANSPORTS[transport]}")
        assert run["measured"]["fresh"] > 0
    return test


def frames_of(length, transport):
    def test(tools):
        broker, flags = tools.broker(transport), TRANSPORTS[transport]
        tools.measured(broker, f"pairs {SHORT} --qos 1 {flags} --ws-frame {length}")
        # A packet that is in many frames, and one that is longer than any chunk but its own.
        tools.measured(broker, f"pairs {SHORT} --publishers 2 --window 3 --payload 100000 {flags} "
                               f"--ws-frame {length}")
        tools.measured(broker, f"pairs {SHORT} --publishers 2 --window 3 --payload 100000 {flags}")
    return test


def io_of(io):
    def test(tools):
        tools.measured(tools.broker("ws"), f"pairs {SHORT} --ws --io {io} --workers 2")
        tools.measured(tools.broker("ws"), f"pairs {SHORT} --ws --io {io} --rate 2k --version 5")
    return test


def scenario(name):
    def test(tools):
        with open(os.path.join(SCENARIOS, name + ".scenario")) as file:
            text = file.read()
        kind = re.match("scenario = (.*)", text).group(1)
        small = SMALL[kind]
        for option in ("filters", "storm", "rate"):
            if kind == "pairs" and re.search(f"^{option} = ", text, re.M):
                small += f" --{option} 500"
        if kind == "connect" and "rounds" in text:
            small = "--clients 100 --hold 50ms"
        tools.measured(tools.broker(), f"run {name} {small}")
    return test


def test_idle_over_websocket(tools):
    broker = tools.broker("ws")
    run = tools.measured(broker, f"idle --ws --clients 60 --subscribe --hold 10ms --slope 20,60 "
                                 f"--pid {broker.process.pid}")
    assert "bytes_per_client" in run, run


def test_cut_connections_come_again_over_websocket(tools):
    tools.measured(tools.broker("wss"), "connect --ws --tls --clients 50 --rounds 2 --subscribe "
                                        "--hold 10ms")


def test_a_refused_upgrade_is_said(tools):
    code, said = tools.bench(f"pairs --ws --ws-path /other --port {tools.broker('ws').port}")
    assert code == 1 and "refused the upgrade" in said, said
    code, said = tools.bench(f"pairs --ws --port {tools.broker('tcp').port}")
    assert code == 1, said


def test_a_scenario_that_needs_more_descriptors_says_so(tools):
    for name, advice in (("conn-tcp-1M-5K", "--clients"), ("p2p-50K-50K-50K-50K", "--publishers"),
                         ("sharedsub-50K-500-50K-50K", "--publishers")):
        code, said = tools.bench(f"run {name}", descriptors=2000)
        assert code == 2 and "descriptors" in said and advice in said, said


PAGE = (800, 1500)


def pixels_of(png):
    """Rows of (red, green, blue), of a PNG with eight bits for each colour."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, data = 8, b""
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at:at + 8])
        body = png[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, _, bits, colour = struct.unpack(">IIBB", body[:10])
            size = {2: 3, 6: 4}[colour]
            assert bits == 8
        data += body if kind == b"IDAT" else b""
        at += 12 + length
    data, before, rows = zlib.decompress(data), bytes(width * size), []
    for start in range(0, len(data), width * size + 1):
        how, line = data[start], bytearray(data[start + 1:start + 1 + width * size])
        for i in range(len(line)) if how else ():
            left, up = line[i - size] if i >= size else 0, before[i]
            corner = before[i - size] if i >= size else 0
            nearest = min((abs(up - corner), 0, left), (abs(left - corner), 1, up),
                          (abs(left + up - 2 * corner), 2, corner))[2]
            line[i] = (line[i] + (0, left, up, (left + up) // 2, nearest)[how]) & 255
        rows.append([tuple(line[i:i + 3]) for i in range(0, len(line), size)])
        before = line
    return rows


def rendered(tools, path, is_dark):
    """What Chromium makes of a page."""
    picture = os.path.join(tools.folder, "page.png")
    scheme = ["--blink-settings=preferredColorScheme=0", "--force-dark-mode"] if is_dark else []
    done = subprocess.run(
        [tools.need("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         f"--user-data-dir={tools.folder}/chromium", f"--window-size={PAGE[0]},{PAGE[1]}", *scheme,
         f"--screenshot={picture}", f"file://{path}"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and os.path.exists(picture), done.stderr[-300:]
    with open(picture, "rb") as file:
        rows = pixels_of(file.read())
    os.remove(picture)
    return rows


def test_a_browser_shows_the_page(tools):
    page = os.path.join(tools.folder, "page.html")
    tools.measured(tools.broker(), f"pairs --rate 2k --duration 1s --warmup 0 --html {page}")
    with open(page) as file:
        text = file.read()
    assert not re.search(r"https?:|src=|<script|@import|url\(", text), "it needs more than itself"
    assert text.count("<svg") == 4, "four plots"
    # Page, bars and first lines, second lines, by their colours in the style.
    for is_dark, colours in ((False, ((252, 252, 251), (42, 120, 214), (194, 65, 12))),
                             (True, ((26, 26, 25), (91, 155, 234), (240, 138, 75)))):
        rows = rendered(tools, page, is_dark)
        assert len(rows) == PAGE[1] and len(rows[0]) == PAGE[0]
        assert rows[0][0] == colours[0], f"dark {is_dark}: the page is {rows[0][0]}"
        seen = [sum(row.count(colour) for row in rows) for colour in colours]
        assert seen[0] > 0.7 * PAGE[0] * PAGE[1], f"dark {is_dark}: most of it is not empty"
        assert seen[1] > 1000 and seen[2] > 20, f"dark {is_dark}: {seen}"
        plots = bands_of([any(near(pixel, colours[1]) for pixel in row) for row in rows])
        assert len(plots) >= 6, f"dark {is_dark}: something is drawn in {plots} only"


def near(one, other):
    return all(abs(a - b) < 50 for a, b in zip(one, other))


def bands_of(rows, gap=30):
    """[first, last] of the rows that are true, with less than `gap` others between."""
    bands = []
    for number, has in enumerate(rows):
        if has and bands and number - bands[-1][1] < gap:
            bands[-1][1] = number
        elif has:
            bands.append([number, number])
    return bands


class ForeignBroker:
    """A WebSocket broker with habits of its own: it sends what `play(socket)` sends."""

    def __init__(self, play):
        self.listener, self.play, self.wrong = socket.create_server(("127.0.0.1", 0)), play, None
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        raw, _ = self.listener.accept()
        raw.settimeout(10)
        with raw:
            try:
                self.upgrade(raw)
                self.play(raw)
            except (AssertionError, OSError) as error:
                self.wrong = error

    def upgrade(self, raw):
        request = b""
        while b"\r\n\r\n" not in request:
            request += raw.recv(4096)
        key = re.search(rb"Sec-WebSocket-Key: (\S+)", request).group(1).decode()
        raw.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    b"Connection: Upgrade\r\nSec-WebSocket-Protocol: mqtt\r\n"
                    b"Sec-WebSocket-Accept: " + ws_socket.accept_of(key).encode() + b"\r\n\r\n")

    def end(self):
        self.listener.close()
        self.thread.join(10)
        assert self.wrong is None, self.wrong


def read_frame(raw):
    """Opcode and payload of one masked frame."""
    head = raw.recv(2, socket.MSG_WAITALL)
    assert head[0] & 0x80 and head[1] & 0x80, f"not whole or not masked: {head}"
    length = head[1] & 0x7F
    if length == 126:
        length = struct.unpack(">H", raw.recv(2, socket.MSG_WAITALL))[0]
    key = raw.recv(4, socket.MSG_WAITALL)
    payload = raw.recv(length, socket.MSG_WAITALL) if length else b""
    return head[0] & 0x0F, bytes(b ^ key[i & 3] for i, b in enumerate(payload))


def test_control_frames_between_fragments_are_answered(tools):
    def play(raw):
        opcode, packet = read_frame(raw)
        assert opcode == 2 and packet[0] == 0x10, (opcode, packet)
        # CONNACK in three fragments, a ping between them, one byte at a time.
        for byte in b"\x02\x01\x20\x89\x03abc\x00\x01\x02\x80\x02\x00\x00":
            raw.sendall(bytes([byte]))
        assert read_frame(raw) == (10, b"abc")
        assert read_frame(raw) == (2, b"\xe0\x00")
        assert read_frame(raw) == (8, b"\x03\xe8")

    broker = ForeignBroker(play)
    code, said = tools.bench(f"idle --ws --clients 1 --hold 300ms --port {broker.port}")
    broker.end()
    assert code == 0, said


def test_a_close_frame_ends_the_run_with_its_code(tools):
    def play(raw):
        read_frame(raw)
        raw.sendall(b"\x88\x02\x03\xf0")

    broker = ForeignBroker(play)
    code, said = tools.bench(f"idle --ws --clients 1 --hold 300ms --port {broker.port}")
    broker.end()
    assert code == 1 and "code 1008" in said, said


def tests():
    found = []
    for transport in TRANSPORTS:
        for qos in (0, 1, 2):
            found.append((f"{transport}_qos_{qos}", over(transport, qos)))
    for length in (1, 7, 65000):
        for transport in ("ws", "wss"):
            found.append((f"frames_of_{length}_{transport}", frames_of(length, transport)))
    found += [(f"websocket_by_{io}", io_of(io)) for io in ("uring", "epoll")]
    for name in sorted(os.listdir(SCENARIOS)):
        name = name.removesuffix(".scenario")
        found.append((f"scenario_{name}", scenario(name)))
    found += [(name.removeprefix("test_"), function) for name, function in globals().items()
              if name.startswith("test_")]
    return found
