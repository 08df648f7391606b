"""Where objects were written, version by version."""

from __future__ import annotations

from pathlib import Path

from meshsim.scenario import LoadedScenario, load_text
from meshsim.units import SECOND
from meshsim.world.sources import ConfigName, config_name, object_sources, recorded_sources, sources_of

SCENARIO = """\
apiVersion: meshsim/v1alpha1
kind: Scenario
name: small
duration: 10s
resources:
  - {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
  - apiVersion: v1
    kind: Service
    metadata: {name: stock, namespace: shop}
    spec: {ports: [{port: 80}]}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: stock, namespace: shop}
    spec: {hosts: [stock], http: [{route: [{destination: {host: stock}}]}]}
timeline:
  - id: shift
    at: 2s
    for: 3s
    apply:
      apiVersion: networking.istio.io/v1
      kind: VirtualService
      metadata: {name: stock, namespace: shop}
      spec: {hosts: [stock], http: [{timeout: 1s, route: [{destination: {host: stock}}]}]}
"""
STOCK = ConfigName("virtualservice", "shop", "stock")


def scenario() -> LoadedScenario:
    return load_text(SCENARIO, "small.yaml")


def test_names_in_metadata() -> None:
    assert config_name("/apis/networking.istio.io/v1/namespaces/shop/virtual-service/stock") == STOCK
    assert config_name("something else") is None


def test_the_version_that_counts_at_an_instant() -> None:
    sources = sources_of(scenario())

    def line(at: int) -> int:
        written = sources.at(STOCK, at)
        assert written is not None
        return written.position.line

    assert [line(at * SECOND) for at in (0, 1, 2, 4, 5, 9)] == [11, 11, 19, 19, 11, 11]
    assert sources.at(ConfigName("virtualservice", "shop", "other"), 0) is None


def test_a_recording_keeps_the_same_lines() -> None:
    rows = list(object_sources(scenario()))
    assert [(row.time // SECOND, row.kind, row.line) for row in rows] == [
        (0, "Service", 7),
        (0, "VirtualService", 11),
        (2, "VirtualService", 19),
        (5, "VirtualService", 11),
    ]
    written = recorded_sources(row._asdict() for row in rows).at(STOCK, 3 * SECOND)
    assert written is not None
    assert (written.kind, str(written.position)) == ("VirtualService", "small.yaml:19")


def test_a_document_begins_behind_its_comments(tmp_path: Path) -> None:
    text = SCENARIO.partition("timeline:")[0].replace("resources:\n", "resources:\n  - app.yaml\n")
    (tmp_path / "app.yaml").write_text(
        "# the shop\n---\n# its routes\n\napiVersion: networking.istio.io/v1\nkind: VirtualService\n"
        "metadata: {name: more, namespace: shop}\n"
        "spec: {hosts: [stock], http: [{route: [{destination: {host: stock}}]}]}\n"
    )
    rows = list(object_sources(load_text(text, str(tmp_path / "small.yaml"), tmp_path)))
    (more,) = [row for row in rows if row.name == "more"]
    assert (more.file, more.line) == (str(tmp_path / "app.yaml"), 5)
