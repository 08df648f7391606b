"""Options of istio-iptables: the recorded command lines give the recorded configurations and refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.errors import InputError
from meshsim.netfilter.options import (
    CaptureOptions,
    check_options,
    options_from_text,
    options_text,
    parse_arguments,
    split,
)

TEMPLATE = ["-p", "15001", "-z", "15006", "-u", "1337", "-m", "REDIRECT", "-i", "*", "-b", "*"]


def test_the_templates_arguments() -> None:
    options = parse_arguments(["istio-iptables", *TEMPLATE, "-d", "15090,15021,15020", "-x", ""], {}, ["10.244.1.7/24"])
    assert options == CaptureOptions(
        inbound_interception_mode="REDIRECT",
        inbound_ports_include="*",
        inbound_ports_exclude="15090,15021,15020",
        outbound_ranges_include="*",
        host_address="10.244.1.7",
    )


def test_groups_are_the_users_unless_given() -> None:
    assert parse_arguments(["-u", "3,4"]).proxy_gid == "3,4"
    assert parse_arguments(["-g", "7"]) == CaptureOptions(proxy_uid="1337", proxy_gid="7")


def test_a_flag_wins_over_its_variable_and_envoy_port_has_none() -> None:
    environment = {"ISTIO_INBOUND_PORTS": "7000", "ENVOY_PORT": "25001"}
    assert parse_arguments(["-b", "80"], environment).inbound_ports_include == "80"
    assert parse_arguments([], environment).inbound_ports_include == "7000"
    assert parse_arguments([], environment).proxy_port == "15001"


def test_name_servers_count_only_for_dns_capture_of_servers() -> None:
    servers = ["10.96.0.10", "fd00::a", "not-an-address"]
    assert parse_arguments(["--redirect-dns"], {}, [], servers).dns_servers_v6 == ("fd00::a",)
    assert parse_arguments(["--redirect-dns", "--capture-all-dns"], {}, [], servers).dns_servers_v4 == ()
    assert parse_arguments([], {"ISTIO_META_DNS_CAPTURE": "true"}, [], servers).dns_servers_v4 == ("10.96.0.10",)


def test_ipv6_follows_the_first_usable_address_or_dual_stack() -> None:
    assert not parse_arguments([], {}, ["10.0.0.1/24", "fd00::1/64"]).ipv6
    assert parse_arguments(["--dual-stack"], {}, ["10.0.0.1/24", "fd00::1/64"]).ipv6
    assert not parse_arguments(["--dual-stack"], {}, ["10.0.0.1/24"]).ipv6
    assert parse_arguments([], {}, ["fe80::1/64", "127.0.0.1/8", "fd00::1/64"]).ipv6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--no-such-flag"], "unknown flag"),
        (["-p"], "needs an argument"),
        (["--redirect-dns=maybe"], "invalid argument"),
        (["--force-iptables-binary=xtables"], "FORCE_IPTABLES_BINARY"),
    ],
)
def test_refused_command_lines(arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_arguments(arguments)


@pytest.mark.parametrize("loopback", ["127.0.0.1/7", "10.0.0.1/32", "localhost", "127.0.0.1"])
def test_refused_loopback_ranges(loopback: str) -> None:
    with pytest.raises(InputError):
        check_options(CaptureOptions(loopback_range=loopback))


def test_split_drops_empty_items_and_keeps_spaces() -> None:
    assert split("") == []
    assert split("a,,b, c,") == ["a", "b", " c"]


@pytest.mark.needs_shared
def test_recorded_command_lines(
    recording: Callable[[str], Any], options_of: Callable[[dict[str, Any]], CaptureOptions]
) -> None:
    cases: list[dict[str, Any]] = recording("options.json.gz")["cases"]
    assert len(cases) == 150
    for case in cases:
        error = case.get("error")
        given = (case["args"], case["env"], case["host_addresses"], case["resolv_conf_nameservers"])
        missing = case["ip6tables_missing"]
        if error is not None and error["stage"] != "run":
            with pytest.raises(InputError):
                parse_arguments(*given, ip6tables=not missing)
        else:
            assert parse_arguments(*given, ip6tables=not missing) == options_of(case["config"]), case["name"]


def test_options_as_text_and_back() -> None:
    options = parse_arguments(
        ["-b", "*", "-i", "*", "-x", "10.0.0.0/8", "--redirect-dns"], {}, ["10.1.2.3"], ["10.96.0.10"]
    )
    assert options_from_text(options_text(options)) == options
    assert options_text(CaptureOptions()) == "{}"
