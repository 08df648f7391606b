"""The file of proxy parameters that a scenario names."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.errors import InputErrors
from meshsim.scenario.loading import load_text
from meshsim.units import MICROSECOND, MILLISECOND

SCENARIO = """\
apiVersion: meshsim/v1alpha1
kind: Scenario
name: calibrated
duration: 1s
mesh:
  timing:
    proxy: {file: proxies.yaml, inbound: 2ms}
"""


def load(folder: Path, text: str | None) -> object:
    if text is not None:
        (folder / "proxies.yaml").write_text(text)
    return load_text(SCENARIO, "s.yaml", folder).scenario.mesh.timing.proxy


def test_own_keys_go_before_the_files(tmp_path: Path) -> None:
    proxy = load_text(SCENARIO.replace("file: proxies.yaml, ", ""), "s.yaml", tmp_path).scenario.mesh.timing.proxy
    assert proxy.outbound is None
    (tmp_path / "proxies.yaml").write_text(
        "outbound: 70us\ninbound: 50us\nwake: {half: 3ms, least: 10us}\nflushed: 40%\n"
    )
    proxy = load_text(SCENARIO, "s.yaml", tmp_path).scenario.mesh.timing.proxy
    assert proxy.outbound is not None
    assert proxy.inbound is not None
    assert proxy.wake is not None
    assert (proxy.outbound.first, proxy.inbound.first) == (70 * MICROSECOND, 2 * MILLISECOND)
    assert (proxy.wake.half, proxy.flushed) == (3 * MILLISECOND, 0.4)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (None, "s.yaml:7", "proxies.yaml"),
        ("outbund: 3us\n", "proxies.yaml:1", "outbund"),
        ("workers: 0\n", "proxies.yaml:1", "1"),
        ("wake: {least: 1us}\n", "proxies.yaml:1", "half"),
        ("file: other.yaml\n", "proxies.yaml:1", "names no other"),
        ("workers: 1\n---\nworkers: 2\n", "s.yaml:7", "more than one document"),
        ("", "s.yaml:7", "no document"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str | None, place: str, message: str) -> None:
    with pytest.raises(InputErrors) as caught:
        load(tmp_path, text)
    (error,) = caught.value.errors
    assert place in str(error.position)
    assert message in str(error)
