"""The rule evaluator against the kernel: the same rules, the same flows, the same conntrack entries and counters."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from meshsim.netfilter import (
    CaptureOptions,
    Host,
    Outcome,
    Packet,
    Ruleset,
    Transport,
    build_rules,
    parse_rules,
    pod_host,
    walk,
)

POD, PEER = "10.9.0.2", "10.9.0.3"
HELPER = Path(__file__).with_name("netns_flows.py")
ISOLATED = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"]
NEEDED = ("iptables-restore", "iptables-save", "unshare", "ip")

DEFAULT = CaptureOptions(
    inbound_ports_include="*", inbound_ports_exclude="15090,15021,15020", outbound_ranges_include="*"
)
OPTIONS = {
    "default": DEFAULT,
    "dns": CaptureOptions(
        inbound_ports_include="8080",
        outbound_ranges_include="10.96.0.0/12",
        outbound_ports_include="9090",
        redirect_dns=True,
        dns_servers_v4=("10.96.0.10",),
    ),
    "excluded": CaptureOptions(
        inbound_ports_include="*",
        inbound_ports_exclude="9090,15020",
        outbound_ranges_include="*",
        outbound_ranges_exclude=f"{PEER}/32",
        outbound_ports_exclude="80",
        proxy_uid="1337,1000",
        owner_groups_exclude="0",
    ),
    "loopback": CaptureOptions(
        inbound_ports_include="*",
        outbound_ranges_include="127.0.0.2/32,10.96.0.0/12",
        loopback_range="127.0.0.1/30",
    ),
}


def _kernel_can() -> str:
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    done = subprocess.run([*ISOLATED, "iptables-save"], capture_output=True, text=True, timeout=20, check=False)
    return "" if done.returncode == 0 else f"no network namespace with iptables here: {done.stderr.strip()[:200]}"


REASON = _kernel_can()
pytestmark = [pytest.mark.needs_netns, pytest.mark.skipif(bool(REASON), reason=REASON)]


def _flows(seed: int, number: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    owners = [(1000, 1000), (1337, 1337), (1337, 1000), (1000, 1337), (0, 0)]
    sources = ["", "", "", "127.0.0.1", "127.0.0.6", POD]
    destinations = [POD, "127.0.0.1", "127.0.0.2", PEER, "10.96.0.10", "10.96.0.99"]
    ports = [53, 80, 8080, 9090, 15001, 15006, 15008, 15020, 15021]
    flows = []
    for index in range(number):
        transport = "tcp" if chance.random() < 0.75 else "udp"
        flow: dict[str, Any] = {"transport": transport, "port": chance.choice(ports), "source_port": 20000 + index}
        if chance.random() < 0.15:
            flow |= {"inbound": True, "destination": POD}
        else:
            uid, gid = chance.choice(owners)
            flow |= {
                "uid": uid,
                "gid": gid,
                "source": chance.choice(sources),
                "destination": chance.choice(destinations),
            }
        flows.append(flow)
    return flows


def _packet(host: Host, flow: dict[str, Any]) -> Packet:
    transport = Transport(flow["transport"])
    number = flow["source_port"]
    if flow.get("inbound"):
        return host.inbound(PEER, flow["destination"], flow["port"], transport=transport, source_port=number)
    return host.outbound(
        flow["destination"],
        flow["port"],
        uid=flow["uid"],
        gid=flow["gid"],
        transport=transport,
        source=flow["source"],
        source_port=number,
    )


def _compare(ruleset: Ruleset, flows: list[dict[str, Any]], kernel: dict[str, Any]) -> None:
    host = pod_host(POD)
    counted: Counter[tuple[str, int]] = Counter()
    differences = []
    for flow in flows:
        verdict = walk(ruleset, host, _packet(host, flow))
        number = str(flow["source_port"])
        refused = kernel["errors"][number] == 22
        if verdict.outcome is Outcome.REFUSED or refused:
            if not (verdict.outcome is Outcome.REFUSED and refused):
                differences.append((flow, verdict.outcome, kernel["errors"][number]))
            continue
        counted.update((step.chain, step.number) for step in verdict.path if step.table == "nat")
        original, reply = verdict.connection
        mine = [
            [str(f.source.address), f.source.port, str(f.destination.address), f.destination.port]
            for f in (original, reply)
        ]
        if kernel["entries"].get(number) != mine:
            differences.append((flow, mine, kernel["entries"].get(number)))
    assert not differences, differences[:5]
    for chain, counters in kernel["counters"].items():
        assert counters == [counted[chain, index] for index in range(1, len(counters) + 1)], chain


@pytest.mark.parametrize("name", OPTIONS)
def test_every_flow_goes_where_the_kernel_sends_it(name: str) -> None:
    rules = build_rules(OPTIONS[name]).restore_v4
    flows = _flows(sum(map(ord, name)), 300)
    done = subprocess.run(
        [*ISOLATED, sys.executable, str(HELPER)],
        input=json.dumps({"rules": rules, "flows": flows}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    _compare(parse_rules(rules), flows, json.loads(done.stdout))


def test_what_the_kernel_saves_reads_as_the_same_rules() -> None:
    """iptables-save prints rules in its own order of words: the parser must find the same conditions in it."""
    rules = build_rules(DEFAULT).restore_v4
    script = "iptables-restore --noflush && iptables-save -t nat"
    done = subprocess.run(
        [*ISOLATED, "sh", "-c", script], input=rules, capture_output=True, text=True, timeout=20, check=True
    )
    ours, saved = parse_rules(rules), parse_rules(done.stdout)
    assert set(saved.tables["nat"]) == set(ours.tables["nat"])
    for name, chain in saved.tables["nat"].items():
        expected = ours.tables["nat"][name]
        assert chain.policy is expected.policy
        assert [(set(rule.matches), rule.target) for rule in chain.rules] == [
            (set(rule.matches), rule.target) for rule in expected.rules
        ]
