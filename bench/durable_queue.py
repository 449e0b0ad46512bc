#!/usr/bin/env python3
"""An offline queue larger than memory should be: memory, restart and drain.

    bench/durable_queue.py --sluiced build/ops/sluiced --messages 1000000 --payload 256
    bench/durable_queue.py --peer nats-server --messages 100000

A durable session subscribes and leaves; `messages` QoS 1 messages are published to it; the growth
of the broker's resident memory is told. The broker is killed and started again (time until it is
ready, memory), and the session comes back and takes everything (messages a second). One shard.
"""

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import compare

CONFIG = "mqtt:\n  max_mqueue_len: infinity\n  max_mqueue_bytes: infinity\n"
BATCH = 500
PATIENCE_S = 10


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


class Sluice:
    """Our broker with one shard, on a data directory that outlives its process."""

    def __init__(self, arguments):
        self.sluiced, self.port, self.process = arguments.sluiced, arguments.port, None
        self.folder = tempfile.mkdtemp(prefix="durable-", dir=arguments.data)
        with open(f"{self.folder}/broker.yaml", "w") as out:
            out.write(CONFIG)

    def start(self):
        self.process = subprocess.Popen(
            [self.sluiced, "--config", f"{self.folder}/broker.yaml", "--data",
             f"{self.folder}/data", "--shards", "1", "--admin", "none", "--listen",
             f"tcp://127.0.0.1:{self.port}"], stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "recovered" in line:
                print(line.split("info")[-1].strip())
            if " ready" in line:
                return
        sys.exit("the broker did not start")

    def pid(self):
        return self.process.pid

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


class Peer:
    """A broker as compare.py starts it, in the directory of its own that compare.py makes."""

    def __init__(self, arguments):
        tempfile.tempdir = arguments.data
        wanted = argparse.Namespace(peers=arguments.peer, peer=[], sluice="", shards=1,
                                    broker_cpus="0", bench="")
        found = [b for b in compare.find_brokers(wanted) if b.name == arguments.peer]
        row = ("", "--durable", "rate", None, None)
        self.running = compare.Running(found[0], os.sched_getaffinity(0), row)
        self.port = self.running.port

    def start(self):
        self.running.start()

    def pid(self):
        return compare.group_main(self.running.process.pid)

    def kill(self):
        self.running.signal(signal.SIGKILL)
        self.running.process.wait()

    def end(self):
        self.running.stop()


def subscribe(broker):
    """A durable session, connected."""
    client = Client(broker.port, "offline", False)
    client.wait(2)
    client.sock.sendall(packet(0x82, b"\x00\x01" + text("queue/one") + b"\x01"))
    client.wait(9)
    return client


def more_sessions(broker, num):
    for first in range(0, num, BATCH):
        crowd = [Client(broker.port, f"session-{first + i}", False) for i in range(BATCH)]
        for client in crowd:
            client.sock.sendall(packet(0x82, b"\x00\x01" + text("some/" + str(first)) + b"\x01"))
        for client in crowd:
            client.wait(9)
            client.sock.close()


def publish(broker, num, payload_len):
    """BATCH at a time; each batch is acknowledged before the next."""
    publisher = Client(broker.port, "publisher", True)
    publisher.wait(2)
    payload = b"x" * payload_len
    block = b"".join(packet(0x32, text("queue/one") + (i + 1).to_bytes(2, "big") + payload)
                     for i in range(BATCH))
    for _ in range(num // BATCH):
        publisher.sock.sendall(block)
        acknowledged = 0
        while acknowledged < BATCH:
            acknowledged += sum(first >> 4 == 4 for first, _ in publisher.packets())


def drain(broker, num):
    """How many came until `num` had, or until a while after the last one."""
    subscriber, got = Client(broker.port, "offline", False), 0
    subscriber.sock.settimeout(PATIENCE_S)
    while got < num:
        answer = bytearray()
        try:
            packets = subscriber.packets()
        except TimeoutError:
            break
        for first, body in packets:
            if first >> 4 == 3:
                at = 2 + int.from_bytes(body[:2], "big")
                answer += b"\x40\x02" + body[at:at + 2]
                got += 1
        subscriber.sock.sendall(answer)
    return got


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sluiced", help="path of the broker")
    parser.add_argument("--peer", help="mosquitto, nats-server or rabbitmq instead")
    parser.add_argument("--messages", type=int, default=1000000)
    parser.add_argument("--payload", type=int, default=256)
    parser.add_argument("--sessions", type=int, default=0, help="more of them, without messages")
    parser.add_argument("--data", default="/var/tmp", help="where the broker keeps its data")
    parser.add_argument("--port", type=int, default=18899)
    arguments = parser.parse_args()
    if not arguments.sluiced and not arguments.peer:
        parser.error("--sluiced PATH or --peer NAME")
    broker = Peer(arguments) if arguments.peer else Sluice(arguments)
    broker.start()
    subscriber = subscribe(broker)
    subscriber.sock.sendall(packet(0xe0, b""))
    subscriber.sock.close()
    time.sleep(0.2)
    more_sessions(broker, arguments.sessions)
    before, began = memory_kb(broker.pid()), time.monotonic()
    publish(broker, arguments.messages, arguments.payload)
    took = time.monotonic() - began
    after = memory_kb(broker.pid())
    print(f"queued {arguments.messages} of {arguments.payload} bytes in {took:.2f} s, "
          f"{arguments.messages / took:,.0f}/s; memory grew by {(after - before) / 1024:.1f} MiB")
    broker.kill()
    time.sleep(0.5)
    began = time.monotonic()
    broker.start()
    print(f"ready {time.monotonic() - began:.2f} s after the start, "
          f"{memory_kb(broker.pid()) / 1024:.1f} MiB")
    began = time.monotonic()
    got = drain(broker, arguments.messages)
    took = time.monotonic() - began
    lost = arguments.messages - got
    print(f"drained in {took:.2f} s, {got / took:,.0f}/s" +
          (f"; LOST {lost} in the kill -9" if lost else ""))
    broker.end()


if __name__ == "__main__":
    main()
