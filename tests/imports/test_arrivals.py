"""A series becomes traffic that follows it, in a scenario of its own or as a piece."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from meshsim.api import parse_documents
from meshsim.errors import InputError
from meshsim.imports.arrivals import Asked, piece_of, scenario_of_series
from meshsim.imports.imported import write_imported
from meshsim.imports.rate_series import RateSeries
from meshsim.scenario import Scenario, load_scenario
from meshsim.units import SECOND

SERIES = RateSeries(10 * SECOND, (3.0, 0.0, 12.5), ())
File = Callable[[str, str], Path]


def scenario(asked: Asked, folder: Path) -> Scenario:
    made = scenario_of_series("peak", "peak.csv", SERIES, asked)
    return load_scenario(write_imported(made, folder, overwrite=True)[0]).scenario


def test_a_scenario_of_its_own(tmp_path: Path) -> None:
    made = scenario(Asked("webui:8080"), tmp_path)
    (traffic,) = made.traffic
    assert made.duration == 30 * SECOND
    assert traffic.series is not None
    assert (traffic.series.every, traffic.series.rates) == (10 * SECOND, SERIES.rates)
    assert traffic.request.host == "webui.shop:8080"


def test_every_path_gets_the_series_scaled(tmp_path: Path) -> None:
    made = scenario(Asked("webui.shop:8080", paths=("/a", "/b/c"), scale=2.0), tmp_path)
    assert [item.name for item in made.traffic] == ["peak-a", "peak-b-c"]
    assert [item.columns for item in made.traffic] == [(6.0, 0.0, 25.0)] * 2


def test_manifests_of_ones_own(tmp_path: Path, file: File) -> None:
    file(
        "app.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: webui}\nspec: {selector: {app: webui}, ports: [{port: 80}]}\n",
    )
    made = scenario(Asked("webui:80", resources=("../app.yaml",)), tmp_path / "out")
    assert made.resources == ("../app.yaml", "services.yaml")
    assert made.traffic[0].request.host == "webui:80"


def test_a_piece_says_from_what_it_is() -> None:
    text = piece_of("peak", "peak.csv", SERIES, Asked("webui.shop:80", gateway="istio-ingressgateway", scale=0.5))
    (document,) = parse_documents(text, "it").documents
    assert document.value == {
        "traffic": [
            {
                "name": "peak",
                "through": "istio-ingressgateway",
                "request": {"host": "webui.shop:80", "path": "/"},
                "series": {"every": "10s", "rates": ["1.5/s", "0/s", "6.25/s"]},
            }
        ]
    }
    assert "# 3 intervals of peak.csv, times 0.5" in text


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked("webui"), "'webui' says no port"),
        (Asked("webui:80", gateway="ingress"), "a gateway or pods that send belong to manifests"),
    ],
)
def test_what_does_not_fit(asked: Asked, said: str) -> None:
    with pytest.raises(InputError, match=said):
        scenario_of_series("peak", "peak.csv", SERIES, asked)
