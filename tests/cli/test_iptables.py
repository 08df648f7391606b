"""`meshsim iptables`: rules of a pod, and the way of a connection through them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .test_pods import DEPLOYMENT


@pytest.fixture(autouse=True)
def shop(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(DEPLOYMENT)


def test_the_rules(meshsim: Callable) -> None:
    done = meshsim("iptables", "shop.yaml", "--pod", "cart")
    assert done.code == 0
    assert done.out.startswith("* nat\n-N ISTIO_INBOUND\n")
    assert "-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001" in done.out
    assert done.out.rstrip().endswith("COMMIT")


def test_the_application_goes_through_the_proxy_and_the_proxy_does_not(meshsim: Callable) -> None:
    way = meshsim("iptables", "shop.yaml", "--pod", "cart", "--outbound", "10.96.0.5:9080").out
    assert way.splitlines()[-1] == "=> redirected: arrives at 127.0.0.1:15001, meant for 10.96.0.5:9080"
    own = meshsim("iptables", "shop.yaml", "--pod", "cart", "--outbound", "10.96.0.5:9080", "--by-proxy").out
    assert own.splitlines()[-1] == "=> direct: arrives at 10.96.0.5:9080"
    assert "--uid-owner 1337 -j RETURN" in own


def test_rules_go_by_user_and_group(meshsim: Callable) -> None:
    """Of a process of group 1337 the proxy's rule holds too; of any other user and group the application's."""
    asked = ("iptables", "-f", "shop.yaml", "--pod", "cart", "--outbound", "10.96.0.5:9080")
    assert meshsim(*asked, "--uid", "0").out == meshsim(*asked).out
    assert meshsim(*asked, "--uid", "1337").out == meshsim(*asked, "--by-proxy").out
    by_group = meshsim(*asked, "--uid", "0", "--gid", "1337").out
    assert by_group.splitlines()[-1] == "=> direct: arrives at 10.96.0.5:9080"
    assert "--gid-owner 1337 -j RETURN" in by_group


def test_peers_come_to_the_inbound_port_and_probes_do_not(meshsim: Callable) -> None:
    way = meshsim("iptables", "shop.yaml", "--pod", "cart", "--inbound", "10.9.9.9@8080").out
    assert way.splitlines()[-1].startswith("=> redirected: arrives at 10.244.0.10:15006")
    probe = meshsim("iptables", "shop.yaml", "--pod", "cart", "--inbound", "15021").out
    assert probe.splitlines()[-1] == "=> direct: arrives at 10.244.0.10:15021"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "several pods"),
        (("--pod", "bare"), "is not captured"),
        (("--pod", "cart", "--outbound", "nowhere:80"), "is not ADDRESS:PORT"),
        (("--pod", "cart", "--outbound", "10.0.0.1:99999"), "is not a port"),
        (("--pod", "cart", "--inbound", "nobody@80"), "'nobody' is not an IPv4 address"),
        (("--pod", "cart", "--inbound", "::1@80"), "'::1' is not an IPv4 address"),
        (("--pod", "cart", "--inbound", "80", "--outbound", "10.0.0.1:80"), "cannot go together"),
        (("--pod", "cart", "--inbound", "80", "--by-proxy"), "belong to --outbound"),
        (("--pod", "cart", "--uid", "0"), "belong to --outbound"),
        (("--pod", "cart", "--outbound", "10.0.0.1:80", "--uid", "-1"), "Invalid value for '--uid'"),
    ],
)
def test_questions_without_an_answer(meshsim: Callable, arguments: tuple[str, ...], text: str) -> None:
    done = meshsim("iptables", "shop.yaml", *arguments)
    assert done.code == 2
    assert text in done.err
