#!/usr/bin/env python3
"""An offline queue larger than memory should be: memory, restart and drain.

    bench/durable_queue.py --sluiced build/ops/sluiced --messages 1000000 --payload 256

A durable session subscribes and leaves; `messages` QoS 1 messages are published to it; the growth
of the broker's resident memory is told. The broker is killed and started again (time until it is
ready, memory), and the session comes back and takes everything (messages a second). One shard.
"""

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

CONFIG = "mqtt:\n  max_mqueue_len: infinity\n  max_mqueue_bytes: infinity\n"
BATCH = 500


def text(value):
    raw = value.encode()
    return len(raw).to_bytes(2, "big") + raw


def packet(first, body):
    length, out = len(body), bytearray([first])
    while True:
        out.append(length & 127 | (128 if length > 127 else 0))
        length >>= 7
        if not length:
            return bytes(out) + body


class Client:
    def __init__(self, port, name, clean):
        self.sock, self.buffer = socket.create_connection(("127.0.0.1", port)), bytearray()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(packet(0x10, text("MQTT") + bytes([4, 2 if clean else 0, 0, 0]) +
                                 text(name)))

    def packets(self):
        """Whole packets that one read brought: (first byte, body)."""
        data = self.sock.recv(1 << 20)
        if not data:
            raise ConnectionError("closed")
        self.buffer += data
        at, out, buffer = 0, [], self.buffer
        while True:
            length, shift, here = 0, 0, at + 1
            while here < len(buffer):
                length |= (buffer[here] & 127) << shift
                shift += 7
                here += 1
                if not buffer[here - 1] & 128:
                    break
            else:
                break
            if here + length > len(buffer):
                break
            out.append((buffer[at], bytes(buffer[here:here + length])))
            at = here + length
        del buffer[:at]
        return out

    def wait(self, kind):
        while not any(first >> 4 == kind for first, _ in self.packets()):
            pass


def memory_kb(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))


def start(arguments, folder, port):
    began = time.monotonic()
    process = subprocess.Popen([arguments.sluiced, "--config", f"{folder}/broker.yaml", "--data",
                                f"{folder}/data", "--shards", "1", "--admin", "none", "--listen",
                                f"tcp://127.0.0.1:{port}"], stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "recovered" in line:
            print(line.split("info")[-1].strip())
        if " ready" in line:
            return process, time.monotonic() - began
    sys.exit("the broker did not start")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sluiced", required=True)
    parser.add_argument("--messages", type=int, default=1000000)
    parser.add_argument("--payload", type=int, default=256)
    parser.add_argument("--sessions", type=int, default=0, help="more of them, without messages")
    parser.add_argument("--port", type=int, default=18899)
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="durable-")
    with open(f"{folder}/broker.yaml", "w") as out:
        out.write(CONFIG)
    process, _ = start(arguments, folder, arguments.port)
    subscriber = Client(arguments.port, "offline", False)
    subscriber.sock.sendall(packet(0x82, b"\x00\x01" + text("queue/one") + b"\x01"))
    subscriber.wait(9)
    subscriber.sock.sendall(packet(0xe0, b""))
    subscriber.sock.close()
    time.sleep(0.2)
    for first in range(0, arguments.sessions, BATCH):
        crowd = [Client(arguments.port, f"session-{first + i}", False) for i in range(BATCH)]
        for client in crowd:
            client.sock.sendall(packet(0x82, b"\x00\x01" + text("some/" + str(first)) + b"\x01"))
        for client in crowd:
            client.wait(9)
            client.sock.close()
    publisher = Client(arguments.port, "publisher", True)
    publisher.wait(2)
    payload = b"x" * arguments.payload
    block = b"".join(packet(0x32, text("queue/one") + (i + 1).to_bytes(2, "big") + payload)
                     for i in range(BATCH))
    before, began = memory_kb(process.pid), time.monotonic()
    for _ in range(arguments.messages // BATCH):
        publisher.sock.sendall(block)
        acknowledged = 0
        while acknowledged < BATCH:
            acknowledged += sum(first >> 4 == 4 for first, _ in publisher.packets())
    took = time.monotonic() - began
    after = memory_kb(process.pid)
    print(f"queued {arguments.messages} of {arguments.payload} bytes in {took:.2f} s, "
          f"{arguments.messages / took:,.0f}/s; memory grew by {(after - before) / 1024:.1f} MiB")
    process.kill()
    process.wait()
    time.sleep(0.5)
    process, took = start(arguments, folder, arguments.port)
    print(f"ready {took:.2f} s after the start, {memory_kb(process.pid) / 1024:.1f} MiB")
    began, got = time.monotonic(), 0
    subscriber = Client(arguments.port, "offline", False)
    while got < arguments.messages:
        answer = bytearray()
        for first, body in subscriber.packets():
            if first >> 4 == 3:
                at = 2 + int.from_bytes(body[:2], "big")
                answer += b"\x40\x02" + body[at:at + 2]
                got += 1
        subscriber.sock.sendall(answer)
    took = time.monotonic() - began
    print(f"drained in {took:.2f} s, {got / took:,.0f}/s")
    process.terminate()
    process.wait(30)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
