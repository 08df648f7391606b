"""Tables of a real istioctl against those printed of the model's configuration; planted differences are found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from meshsim.errors import UsageError
from meshsim.exports.istioctl_tables import ISTIOCTL_TABLES
from meshsim.world.verify import Outcome, istioctl_verifier, verify_folder
from meshsim.world.verify.canonical import Mismatch
from meshsim.world.verify.istioctl import compare_rows, recorded_worlds, verify_world
from meshsim.world.verify.run import present_kinds

INGRESS = "istioctl/gw-tls-modes/istio-system__ingress-0"
CLIENT = "istioctl/vs-direct-mirror-fault/fl__client-0"
MORE = {"istioctl": istioctl_verifier(ISTIOCTL_TABLES)}
SOME = ("app-bookinfo", "ap-custom-audit-gateway", "extensions", "gw-many", "sidecar-ingress", "vs-tcp-tls")


def _verify(folder: Path, worlds: Sequence[str] = ()) -> Outcome:
    return verify_folder(folder, ["istioctl"], worlds, more=MORE)


def _found(outcome: Outcome) -> list[tuple[str, str, str, str]]:
    return [
        (one.proxy, one.type, one.want.split()[0], one.got.split()[0])
        for world in outcome.worlds["istioctl"].values()
        for one in world.differences
    ]


def test_recorded_tables_are_those_printed(recorded: Path) -> None:
    outcome = _verify(recorded)
    assert outcome.ok
    assert outcome.total("istioctl").equal == 14
    assert recorded_worlds(recorded) == ["gw-tls-modes", "vs-direct-mirror-fault"]


@pytest.mark.needs_shared
def test_tables_of_many_features(oracle: Path) -> None:
    outcome = _verify(oracle, SOME)
    assert outcome.ok, _found(outcome)
    assert outcome.total("istioctl").equal >= 7 * len(SOME)


def test_another_order_of_rows_is_equal(planted: Callable[..., Path]) -> None:
    def change(body: dict[str, str]) -> None:
        head, *rows = body["cluster"].splitlines(keepends=True)
        body["cluster"] = "".join([head, *reversed(rows)])

    assert _verify(planted(CLIENT, change)).ok


@pytest.mark.parametrize("table", ["cluster", "listener", "listener-not-verbose", "route", "route-not-verbose", "ecds"])
def test_a_row_more_and_a_row_less_are_found(planted: Callable[..., Path], table: str) -> None:
    def change(body: dict[str, str]) -> None:
        body[table] = "".join(body[table].splitlines(keepends=True)[:-1]) + "PLANTED row\n"

    found = _found(_verify(planted(CLIENT, change)))
    assert ("fl/client-0", table, "PLANTED", "absent") in found
    assert len(found) == 2
    assert {kind for _, kind, _, _ in found} == {table}


def test_a_row_that_stands_once_too_often_is_found(planted: Callable[..., Path]) -> None:
    def change(body: dict[str, str]) -> None:
        body["route"] += body["route"].splitlines(keepends=True)[-1]

    outcome = _verify(planted(CLIENT, change))
    assert len(_found(outcome)) == 1
    assert outcome.total("istioctl").as_dict() == {"equal": 13, "different": 1, "deviations": 0}


def test_a_policy_that_istioctl_did_not_see_is_found(planted: Callable[..., Path]) -> None:
    def change(body: dict[str, str]) -> None:
        body["authz-check"] += "DENY     all.fl                1\n"

    assert _found(_verify(planted(CLIENT, change))) == [("fl/client-0", "authz-check", "DENY", "absent")]


def test_a_refusal_is_an_answer(planted: Callable[..., Path]) -> None:
    def change(body: dict[str, Any]) -> None:
        body["route"] = {"error": "Error: no routes found\n"}

    found = _found(_verify(planted(INGRESS, change)))
    assert ("istio-system/ingress-0", "route", "Error:", "absent") in found


def test_a_table_nobody_knows_differs(planted: Callable[..., Path]) -> None:
    def change(body: dict[str, str]) -> None:
        body["secret"] = "NAME\n"

    assert _found(_verify(planted(CLIENT, change))) == [("fl/client-0", "secret", "NAME", "absent")]


def test_a_world_that_cannot_be_read_differs_as_a_whole(planted: Callable[..., Path]) -> None:
    folder = planted(CLIENT, lambda body: None)
    (folder / "worlds" / "vs-direct-mirror-fault" / "world.yaml").write_text("kind: [")
    world = verify_world(folder, "vs-direct-mirror-fault", [], tables=ISTIOCTL_TABLES)
    assert world.error
    assert world.total().different == 7


def test_rows_have_their_place() -> None:
    assert list(compare_rows("a\nb\nc\n", "c\nx\na\n")) == [
        Mismatch("row 1", "b", None),
        Mismatch("row 1", None, "x"),
    ]


def test_the_kind_is_there_for_whoever_brings_the_tables(recorded: Path) -> None:
    assert "istioctl" in present_kinds(recorded, MORE)
    with pytest.raises(UsageError, match="not modelled yet"):
        verify_folder(recorded, ["istioctl"])


def test_another_printer_differs(recorded: Path) -> None:
    def shout(resources: Mapping[str, Any]) -> str:
        return ISTIOCTL_TABLES["cluster"](resources).upper()

    tables = {**ISTIOCTL_TABLES, "cluster": shout}
    assert verify_world(recorded, "gw-tls-modes", [], tables=tables).total().different == 1
