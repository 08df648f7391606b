"""Capture rules: every recorded combination of options gives the recorded restore input, line by line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.errors import InputError
from meshsim.netfilter.capture import RuleCommand, build_rules, restore_text
from meshsim.netfilter.options import CaptureOptions, parse_arguments

DEFAULT = """* nat
-N ISTIO_INBOUND
-N ISTIO_REDIRECT
-N ISTIO_IN_REDIRECT
-N ISTIO_OUTPUT
-A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN
-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001
-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
-A PREROUTING -p tcp -j ISTIO_INBOUND
-A ISTIO_INBOUND -p tcp --dport 15090 -j RETURN
-A ISTIO_INBOUND -p tcp --dport 15021 -j RETURN
-A ISTIO_INBOUND -p tcp --dport 15020 -j RETURN
-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN
-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --gid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -m owner ! --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
-A ISTIO_OUTPUT -j ISTIO_REDIRECT
COMMIT
"""


def test_the_default_rules() -> None:
    options = CaptureOptions(
        inbound_ports_include="*", inbound_ports_exclude="15090,15021,15020", outbound_ranges_include="*"
    )
    assert build_rules(options).restore_v4 == DEFAULT
    assert build_rules(options).restore_v6 == ""


def test_tables_come_by_name_with_their_chains_first() -> None:
    rules = [
        RuleCommand("raw", "OUTPUT", ("-j", "A")),
        RuleCommand("nat", "B", ("-j", "RETURN"), 2),
        RuleCommand("raw", "A", ("-j", "DROP")),
    ]
    assert restore_text(rules) == (
        "* nat\n-N B\n-I B 2 -j RETURN\nCOMMIT\n* raw\n-N A\n-A OUTPUT -j A\n-A A -j DROP\nCOMMIT\n"
    )
    assert restore_text([]) == ""


@pytest.mark.parametrize("ranges", ["abc", "10.0.0.1", "10.0.0.0/33", "*,10.0.0.0/8"])
def test_ranges_that_are_none_are_refused(ranges: str) -> None:
    with pytest.raises(InputError):
        build_rules(CaptureOptions(outbound_ranges_include=ranges))


def test_everything_cannot_be_excluded() -> None:
    with pytest.raises(InputError, match="OUTBOUND_IP_RANGES_EXCLUDE"):
        build_rules(CaptureOptions(outbound_ranges_exclude="*"))


@pytest.mark.needs_shared
def test_istios_own_goldens(
    recording: Callable[[str], Any], options_of: Callable[[dict[str, Any]], CaptureOptions]
) -> None:
    cases: list[dict[str, Any]] = recording("iptables-goldens.json.gz")["cases"]
    assert len(cases) == 27
    for case in cases:
        rules = build_rules(options_of(case["config"]))
        assert rules.restore_v4 == case["v4"]["restore"], case["name"]
        assert rules.restore_v6 == case["v6"]["restore"], case["name"]


@pytest.mark.needs_shared
def test_recorded_option_combinations(recording: Callable[[str], Any]) -> None:
    for case in recording("options.json.gz")["cases"]:
        error = case.get("error")
        if error is not None and error["stage"] != "run":
            continue
        options = parse_arguments(
            case["args"], case["env"], case["host_addresses"], case["resolv_conf_nameservers"], ip6tables=True
        )
        if error is not None:
            with pytest.raises(InputError):
                build_rules(options)
        elif case["apply"]["restore_v4"]:
            rules = build_rules(options)
            wanted = case["apply"]
            assert (rules.restore_v4, rules.restore_v6) == (wanted["restore_v4"], wanted["restore_v6"]), case["name"]


@pytest.mark.needs_shared
def test_the_full_cross_of_options(recording: Callable[[str], Any]) -> None:
    grid = recording("options-grid.json.gz")
    assert len(grid["rows"]) == 3456
    for row in grid["rows"]:
        values = dict(zip(grid["columns"], row))
        arguments = [*grid["fixed_arguments"]]
        for flag in "umbdix":
            arguments += [f"-{flag}", values[flag]]
        arguments += grid["dns"][values["dns"]] + grid["drop"][values["drop"]]
        arguments += grid["host_dual_adds"] if values["host"] == "dual" else []
        options = parse_arguments(arguments, {}, grid["host"][values["host"]], grid["resolv_conf_nameservers"])
        rules = build_rules(options)
        assert rules.restore_v4 == grid["texts"][values["restore_v4"]], values
        assert rules.restore_v6 == grid["texts"][values["restore_v6"]], values
