"""Istio's simulation tests as data: equal, explained by the recording, or different."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meshsim.api import Fields
from meshsim.errors import InputError
from meshsim.world.verify.canonical import Mismatch
from meshsim.world.verify.folder import recorded_names
from meshsim.world.verify.outcome import Counts
from meshsim.world.verify.simulation import KIND, explained, verify_file

TLS_MODES = "inbound_sidecar_tls_modes"
Plant = Callable[[str, Callable[[Any], None]], Path]


@pytest.mark.parametrize(("name", "counts"), [(TLS_MODES, Counts(13, 0, 2)), ("gateway_conflicts", Counts(10, 0, 1))])
def test_files_beside_the_tests(recorded: Path, name: str, counts: Counts) -> None:
    outcome = verify_file(recorded, name, [])
    assert outcome.total() == counts
    answers = [(d.want, d.got) for d in outcome.differences if d.path == "error"]
    assert len(answers) == counts.deviations
    assert all(want and got for want, got in answers)
    assert all("an Envoy" in d.deviation for d in outcome.differences)


@pytest.mark.needs_shared
def test_every_call_of_istios_simulation(oracle: Path) -> None:
    """457 calls: Istio's result, or both answers and the reason why an Envoy does something else."""
    total, wrong = Counts(), []
    for name in recorded_names(oracle, KIND):
        outcome = verify_file(oracle, name, [])
        total.add(outcome.total())
        wrong += [d for d in outcome.differences if not d.deviation]
    assert wrong == []
    assert total == Counts(454, 0, 3)


@pytest.mark.parametrize("field", ["listener", "filter_chain", "virtual_host", "route", "cluster", "error"])
def test_planted_differences_are_found(planted: Plant, field: str) -> None:
    def change(body: Any) -> None:
        first = next(c for case in body["cases"] for c in case["calls"] if not c["envoy_may_differ"])
        first["actual"][field] = "no route matched" if field == "error" else "planted"

    outcome = verify_file(planted(f"{KIND}/{TLS_MODES}", change), TLS_MODES, [])
    assert outcome.total() == Counts(12, 1, 2)
    assert field in [d.path for d in outcome.differences if not d.deviation]


def test_an_error_that_is_taken_away_is_found(planted: Plant) -> None:
    def change(body: Any) -> None:
        calls = (c for case in body["cases"] for c in case["calls"])
        first = next(c for c in calls if c["actual"]["error"] and not c["envoy_may_differ"])
        first["actual"]["error"] = None

    outcome = verify_file(planted(f"{KIND}/{TLS_MODES}", change), TLS_MODES, [])
    assert outcome.total().different == 1


def test_without_the_recorded_reason_it_is_a_difference(planted: Plant) -> None:
    def change(body: Any) -> None:
        for case in body["cases"]:
            for call in case["calls"]:
                call["envoy_may_differ"] = []

    outcome = verify_file(planted(f"{KIND}/{TLS_MODES}", change), TLS_MODES, [])
    assert outcome.total() == Counts(13, 2, 0)


@pytest.mark.parametrize(
    ("reasons", "path", "refused", "told"),
    [
        (["path_matching"], "route", (), True),
        (["path_matching"], "listener", (), False),
        (["path_matching", "source_match_ignored"], "filter_chain", (), True),
        (["duplicate_chain_match"], "listener", ("l",), True),
        (["duplicate_chain_match"], "listener", (), False),
        (["no_single_cluster:direct_response"], "cluster", (), False),
        (["a reason of tomorrow"], "route", (), False),
        ([], "route", (), False),
    ],
)
def test_a_reason_explains_its_own_fields_alone(
    reasons: list[str], path: str, refused: tuple[str, ...], told: bool
) -> None:
    entry = Fields({"envoy_may_differ": reasons})
    assert bool(explained(entry, [Mismatch(path, "a", "b")], refused)) is told


def test_a_file_of_another_layout(tmp_path: Path) -> None:
    (tmp_path / KIND).mkdir()
    (tmp_path / KIND / "a.json").write_text("[]")
    with pytest.raises(InputError, match="JSON object"):
        verify_file(tmp_path, "a", [])


@pytest.mark.parametrize("group", ["protocol", "resource"])
def test_what_cannot_be_read_is_an_input_error(planted: Plant, group: str) -> None:
    def change(body: Any) -> None:
        if group == "protocol":
            next(c for case in body["cases"] for c in case["calls"])["call"]["protocol"] = "gopher"
        else:
            for resource in body["resources"]["listeners"].values():
                resource["no_such_field"] = 1

    with pytest.raises(InputError, match=r"gopher|no_such_field"):
        verify_file(planted(f"{KIND}/{TLS_MODES}", change), TLS_MODES, [])
