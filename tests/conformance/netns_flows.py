"""Runs inside a fresh network namespace: loads rules, makes flows, prints what the kernel did with them as JSON.

Standard input: ``{"rules": restore text, "flows": [...]}``; a flow has transport, uid, gid, source, destination, port
and source_port, or ``inbound`` for one that a peer makes. Standard output: conntrack tuples or errno by flow, and the
packets that each rule of the nat table counted. The namespace has no default route, so nothing can leave it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

POD, PEER = "10.9.0.2", "10.9.0.3"
PORTS = (53, 80, 8080, 9090, 15001, 15006, 15008, 15020, 15021, 15053, 15090)


def run(command: str, **options: Any) -> str:
    return subprocess.run(command.split(), check=True, capture_output=True, text=True, **options).stdout


def set_up(rules: str) -> None:
    run("mount -t tmpfs tmpfs /run")
    run("ip netns add peer")
    run("ip link set lo up")
    run("ip link add eth0 type veth peer name eth1")
    run("ip link set eth1 netns peer")
    run(f"ip addr add {POD}/24 dev eth0")
    run("ip link set eth0 up")
    run(f"ip netns exec peer ip addr add {PEER}/24 dev eth1")
    run("ip netns exec peer ip link set eth1 up")
    run("ip netns exec peer ip link set lo up")
    run(f"ip route add 10.96.0.0/12 via {PEER}")
    routes = run("ip route show table all")
    if "default" in routes:
        raise SystemExit("this namespace has a way out")
    subprocess.run(["iptables-restore", "--noflush"], input=rules, check=True, text=True)


def listen() -> list[socket.socket]:
    sockets = []
    for port in PORTS:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", port))
        listener.listen(500)
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind(("0.0.0.0", port))
        sockets += [listener, receiver]
    return sockets


def listen_at_peer() -> int:
    """A process in the peer's namespace that answers on the same ports; ends with this one."""
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        with open("/run/netns/peer") as namespace:
            set_namespace(namespace.fileno())
        sockets = listen()
        os.write(tell, b"x")
        select.select([], [], [], 30)
        for item in sockets:
            item.close()
        os._exit(0)
    os.read(ready, 1)
    return pid


def make(flow: dict[str, Any]) -> tuple[socket.socket | None, int]:
    kind = socket.SOCK_STREAM if flow["transport"] == "tcp" else socket.SOCK_DGRAM
    client = socket.socket(socket.AF_INET, kind)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.setblocking(False)
    try:
        client.bind((flow.get("source") or "0.0.0.0", flow["source_port"]))
        client.connect((flow["destination"], flow["port"]))
        if kind == socket.SOCK_DGRAM:
            client.send(b"x")
    except BlockingIOError:
        pass
    except OSError as error:
        return None, error.errno or -1
    return client, 0


def child(flows: list[dict[str, Any]], uid: int, gid: int, ready: int, go_on: int) -> None:
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    results, keep = {}, []
    for flow in flows:
        client, problem = make(flow)
        results[flow["source_port"]] = problem
        keep.append(client)
    os.write(ready, json.dumps(results).encode())
    os.close(ready)
    os.read(go_on, 1)
    os._exit(0)


def spawn(flows: list[dict[str, Any]], uid: int, gid: int, netns: str = "") -> tuple[int, int, int]:
    ready_r, ready_w = os.pipe()
    go_r, go_w = os.pipe()
    pid = os.fork()
    if pid == 0:
        if netns:
            with open(f"/run/netns/{netns}") as namespace:
                set_namespace(namespace.fileno())
        child(flows, uid, gid, ready_w, go_r)
    os.close(ready_w)
    os.close(go_r)
    return pid, ready_r, go_w


def set_namespace(descriptor: int) -> None:
    import ctypes

    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0x40000000):
        raise SystemExit("setns failed")


def read_all(descriptor: int) -> bytes:
    data = b""
    while chunk := os.read(descriptor, 65536):
        data += chunk
    return data


def entries() -> dict[int, list[list[str | int]]]:
    found: dict[int, list[list[str | int]]] = {}
    for line in Path("/proc/net/nf_conntrack").read_text().splitlines():
        tuples = re.findall(r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)", line)
        if len(tuples) == 2:
            flow = [[a, int(c), b, int(d)] for a, b, c, d in tuples]
            found[int(flow[0][1])] = flow
    return found


def counters() -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for line in run("iptables-save -c -t nat").splitlines():
        match = re.match(r"\[(\d+):\d+\] -A (\S+)", line)
        if match:
            found.setdefault(match.group(2), []).append(int(match.group(1)))
    return found


def main() -> None:
    order = json.load(sys.stdin)
    set_up(order["rules"])
    sockets = listen()
    peer = listen_at_peer()
    errors: dict[str, int] = {}
    groups: dict[tuple[int, int, str], list[dict[str, Any]]] = {}
    for flow in order["flows"]:
        where = "peer" if flow.get("inbound") else ""
        groups.setdefault((flow.get("uid", 0), flow.get("gid", 0), where), []).append(flow)
    children = [spawn(flows, uid, gid, netns) for (uid, gid, netns), flows in groups.items()]
    for _, ready, _ in children:
        errors |= {str(k): v for k, v in json.loads(read_all(ready)).items()}
    wanted = sum(not problem for problem in errors.values())
    deadline = time.monotonic() + 3
    while len(seen := entries()) < wanted and time.monotonic() < deadline:
        select.select([], [], [], 0.05)
    result = {"errors": errors, "entries": seen, "counters": counters()}
    for pid, _, go_on in children:
        with contextlib.suppress(OSError):
            os.write(go_on, b"x")
        os.waitpid(pid, 0)
    os.kill(peer, signal.SIGKILL)
    for item in sockets:
        item.close()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
