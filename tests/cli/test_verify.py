"""`meshsim verify`: figures a world, exit code by what is not named."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from meshsim.world.verify import Difference, Outcome, WorldOutcome
from meshsim.world.verify.outcome import Counts


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """What the comparison is made to say."""
    world = WorldOutcome(
        "shop",
        {("gateway", "cds"): Counts(4, 1, 0), ("gateway", "lds"): Counts(3, 0, 1)},
        [
            Difference("shop", "gateway", "cds", "outbound|80||a", "connect_timeout", "10s", "1s"),
            Difference("shop", "gateway", "lds", "0.0.0.0_80", "", "{}", "", "known"),
        ],
    )
    result = Outcome({"xds": {"shop": world}})

    def verify(
        folder: Path,
        kinds: object,
        worlds: object,
        progress: Callable[[str, WorldOutcome], None] | None,
        deviations: object,
        more: object,
    ) -> Outcome:
        if progress is not None:
            progress("xds", world)
        return result

    monkeypatch.setattr("meshsim.world.verify.verify_folder", verify)
    return result


def test_differences_are_shown(meshsim: Callable, outcome: Outcome) -> None:
    done = meshsim("verify", ".")
    assert done.code == 1
    assert "xds  shop  DIFFERS: 7 equal, 1 different, 1 known deviations" in done.out
    assert "gateway cds outbound|80||a connect_timeout: recorded 10s, model 1s" in done.out
    assert "explained: known\n      gateway lds 0.0.0.0_80: recorded {}, model nothing\n" in done.out
    assert "xds: 0 of 1 worlds equal; 7 resources equal, 1 different, 1 known deviations" in done.out


def test_equal_worlds_are_zero(meshsim: Callable, outcome: Outcome) -> None:
    outcome.worlds["xds"]["shop"].counts["gateway", "cds"] = Counts(5, 0, 0)
    assert meshsim("verify", ".").code == 0


def test_json(meshsim: Callable, outcome: Outcome) -> None:
    done = meshsim("verify", ".", "-o", "json")
    document = json.loads(done.out)
    assert done.code == 1
    assert document["what"]["xds"] == {"equal": 7, "different": 1, "deviations": 1}
    assert document["worlds"]["shop"]["xds"]["different"] == 1


RECORDED = Path(__file__).resolve().parents[1] / "world" / "verify" / "recorded"


def test_a_folder_of_recordings(meshsim: Callable) -> None:
    """Both answers where the recording says that a real Envoy differs."""
    done = meshsim("verify", RECORDED, "--what", "simulation,envoy-calls", "--world", "inbound_sidecar_tls_modes")
    assert done.code == 0
    assert "explained: an Envoy does not ask for the client certificate, so the client does not show it" in done.out
    assert "tcp_over_mTLS error: recorded invalid mTLS, model forwarded inbound|9080||" in done.out
    assert "simulation: 1 of 1 files equal; 13 calls equal, 0 different, 2 known deviations" in done.out


def test_kinds_can_be_repeated_or_have_commas(meshsim: Callable) -> None:
    first = meshsim("verify", RECORDED, "--what", "calls", "--what", "envoy-calls,calls", "-o", "json")
    assert (first.code, sorted(json.loads(first.out)["what"])) == (0, ["calls", "envoy-calls"])


def test_a_planted_difference_is_shown_and_fails(meshsim: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "recorded"
    shutil.copytree(RECORDED, folder)
    path = folder / "envoy-calls" / "gw-tls-modes.json.gz"
    body = json.loads(gzip.decompress(path.read_bytes()))
    body["calls"][1]["outcomes"][0]["http"]["status"] = 404
    path.write_bytes(gzip.compress(json.dumps(body).encode()))
    done = meshsim("verify", folder, "--what", "envoy-calls")
    assert done.code == 1
    assert "02-gateway-https-web-example-com-8443 status: recorded 404, model forwarded" in done.out
    document = json.loads(meshsim("verify", folder, "--what", "envoy-calls", "-o", "json").out)
    assert document["what"]["envoy-calls"] == {"equal": 20, "different": 1, "deviations": 0}
    (found,) = document["worlds"]["gw-tls-modes"]["envoy-calls"]["differences"]
    assert (found["path"], found["want"], found["got"]) == ("status", "404", "forwarded")


@pytest.mark.parametrize("arguments", [("--what", "dreams"), ("--what", "envoy-dynamics"), ("--world", "nowhere")])
def test_what_cannot_be_verified(meshsim: Callable, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "worlds").mkdir()
    assert meshsim("verify", tmp_path, *arguments).code == 2
