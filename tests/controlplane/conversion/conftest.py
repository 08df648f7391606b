"""Gateway API objects from YAML, and the recorded conversions of the real istiod."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from meshsim.api import ApiObject, ObjectStore, make_object
from meshsim.api.documents import parse_documents
from meshsim.controlplane.conversion import Converted, convert_gateway_api
from meshsim.controlplane.conversion.inputs import ConversionInputs

DOMAIN = "cluster.local"


@pytest.fixture
def objects() -> Callable[[str], list[ApiObject]]:
    """The objects of YAML documents."""
    return lambda text: [make_object(document) for document in yaml.safe_load_all(text) if document]


@pytest.fixture
def inputs(objects: Callable[[str], list[ApiObject]]) -> Callable[[str], ConversionInputs]:
    """Inputs of a conversion in which every host is known."""
    return lambda text: ConversionInputs(ObjectStore(objects(text)), DOMAIN, lambda host, namespace: True)


@pytest.fixture
def converted(objects: Callable[[str], list[ApiObject]]) -> Callable[[str], Converted]:
    """What Gateway API documents become."""
    return lambda text: convert_gateway_api(ObjectStore(objects(text)), DOMAIN, lambda host, namespace: True)


def _decoded(made: Iterable[ApiObject]) -> dict[str, Any]:
    return {
        f"{item.kind} {item.namespace}/{item.name}": {
            "spec": json.loads(json.dumps(item.body["spec"])),
            "annotations": dict(item.annotations),
        }
        for item in made
    }


def _recorded(items: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}": {
            "spec": item["spec"],
            "annotations": item["metadata"].get("annotations", {}),
        }
        for item in items
    }


@pytest.fixture(scope="session")
def as_recorded() -> Callable[[Converted, Mapping[str, Any]], tuple[dict[str, Any], dict[str, Any]]]:
    """What was made and what istiod made, by kind and name."""

    def pair(found: Converted, case: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        kinds = {"gateways": "Gateway", "virtual_services": "VirtualService", "destination_rules": "DestinationRule"}
        want = [{"kind": kind, **item} for key, kind in kinds.items() for item in case.get(key, ())]
        made = (*found.gateways, *found.virtual_services, *found.destination_rules)
        return _decoded(made), _recorded(want)

    return pair


class Cases:
    """Istio's own conversion tests, run on the real istiod."""

    def __init__(self, folder: Path) -> None:
        self._environment = json.loads((folder / "environment.json").read_text())
        with gzip.open(folder / "cases.json.gz", "rt") as file:
            self.by_name: dict[str, Mapping[str, Any]] = {case["name"]: case for case in json.load(file)}

    def convert(self, name: str) -> Converted:
        parsed = parse_documents(self.by_name[name]["input"], name)
        items = [make_object(document.value) for document in parsed.documents if document.value]
        namespaces = {item.namespace for item in items if item.namespace}
        items += [make_object(document) for document in self._environment["objects"]]
        known = {item.name for item in items if item.kind == "Namespace"}
        for namespace in sorted(namespaces - known):
            labels = {"istio.io/test-name-part": namespace.split("-")[0]}
            metadata = {"name": namespace, "labels": labels}
            items.append(make_object({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
        hosts = {(service["hostname"], service["namespace"]) for service in self._environment["services"]}
        for service in self._environment["services"]:
            name_, _, rest = service["hostname"].partition(".")
            if rest.endswith("domain.suffix"):
                ports = [{"name": port["name"], "port": port["port"]} for port in service["ports"]]
                metadata = {"name": name_, "namespace": service["namespace"]}
                document = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}}
                items.append(make_object(document))
        return convert_gateway_api(ObjectStore(items), "domain.suffix", lambda *key: key in hosts)


@pytest.fixture(scope="session")
def cases(oracle: Path) -> Cases:
    """The recorded cases."""
    return Cases(oracle / "gateway-conversion")
