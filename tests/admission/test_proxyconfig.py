"""The ProxyConfig of a pod: who wins, what is printed, what is refused."""

from __future__ import annotations

import json

import pytest

from meshsim.admission.proxyconfig import (
    DEFAULTS,
    check_proxy_config,
    effective_proxy_config,
    merge,
    parse_proxy_config,
    print_proxy_config,
)
from meshsim.api import Fields
from meshsim.errors import InputError

MESH = Fields({"defaultConfig": {"concurrency": 1, "proxyMetadata": {"A": "mesh", "B": "mesh"}}})


def _object(namespace: str, spec: dict[str, object]) -> Fields:
    return Fields({"metadata": {"name": "x", "namespace": namespace}, "spec": spec})


def test_later_levels_win_and_metadata_merges() -> None:
    objects = [
        _object("istio-system", {"concurrency": 2, "environmentVariables": {"B": "root"}}),
        _object("shop", {"concurrency": 3, "environmentVariables": {"C": "ns"}}),
        _object("shop", {"concurrency": 5, "selector": {"matchLabels": {"app": "cart"}}}),
        _object("bank", {"concurrency": 9}),
    ]
    note = {"proxy.istio.io/config": "concurrency: 4\nproxyMetadata:\n  C: pod\n"}
    plain = effective_proxy_config(MESH, objects, "shop", {"app": "other"}, note)
    assert plain.integer("concurrency") == 4
    assert plain.text_map("proxyMetadata") == {"A": "mesh", "B": "root", "C": "pod"}
    selected = effective_proxy_config(MESH, objects, "shop", {"app": "cart"}, note)
    assert selected.integer("concurrency") == 5


def test_only_what_differs_from_the_defaults_is_printed() -> None:
    config = Fields(merge(DEFAULTS, {"concurrency": 0, "statusPort": 15020, "drainDuration": "30s", "tracing": {}}))
    assert json.loads(print_proxy_config(config)) == {"concurrency": 0, "drainDuration": "30s", "tracing": {}}
    assert print_proxy_config(Fields(DEFAULTS)) == "{}\n"


def test_unknown_fields_are_left_out() -> None:
    assert parse_proxy_config("noSuchField: 1\nconcurrency: 2") == {"concurrency": 2}
    assert parse_proxy_config("") == {}


@pytest.mark.parametrize(
    "text", ["a: [", "just text", "concurrency: two", "interceptionMode: WRONG", "drainDuration: 5"]
)
def test_texts_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_proxy_config(text)
    assert check_proxy_config(text).startswith("failed to convert")


@pytest.mark.parametrize(
    "text", ["drainDuration: -1s", "discoveryAddress: istiod", "proxyAdminPort: 0", "binaryPath: ''"]
)
def test_values_that_cannot_be_are_named(text: str) -> None:
    assert check_proxy_config(text)
