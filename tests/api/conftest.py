"""What the tests of manifests share: loading a text, and the verdicts of the real validators."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from meshsim.api import Loaded, Origin, load_text, object_from_body
from meshsim.api.schema.kinds import known_kinds
from meshsim.errors import InputErrors

Errors: TypeAlias = Callable[[str], list[str]]
Verdicts: TypeAlias = Callable[[str], list[str]]

KNOWN_DIFFERENCES = {
    "own-virtualservice-274": "a VirtualService of another project's group is that project's business",
    "own-virtualservice-284": "no recorded check looks at names; an API server wants one",
    "own-virtualservice-285": "no recorded check looks at names; an API server refuses an empty one",
    "own-virtualservice-286": "no recorded check looks at names; an API server refuses capital letters",
    "own-virtualservice-288": "no recorded check looks at names; an API server refuses 254 characters",
    "own-envoyfilter-032": "needs Envoy's messages, which the control plane knows",
    "own-envoyfilter-033": "needs Envoy's messages, which the control plane knows",
    "own-envoyfilter-059": "needs Envoy's messages, which the control plane knows",
}
"""Cases in which meshsim and the recorded checks do not agree, each with the reason."""


@pytest.fixture(scope="session")
def load() -> Callable[[str], Loaded]:
    """Load a manifest from its text."""
    return lambda text: load_text(text, "m.yaml")


@pytest.fixture(scope="session")
def errors() -> Errors:
    """The error lines of a manifest's text, empty when it is accepted."""

    def errors_of(text: str) -> list[str]:
        try:
            load_text(text, "m.yaml")
        except InputErrors as error:
            return str(error).splitlines()
        return []

    return errors_of


@pytest.fixture(scope="session")
def spec_errors(errors: Errors) -> Callable[[str, str], list[str]]:
    """The error lines of an object of a kind with this spec, which stands in line 4."""

    def errors_of(kind: str, spec: str) -> list[str]:
        known = next(k for k in known_kinds() if k.name == kind and k.group.endswith("istio.io"))
        head = f"apiVersion: {known.group}/{known.versions[0]}\nkind: {kind}\nmetadata: {{name: x, namespace: shop}}\n"
        return errors(head + f"spec: {spec}\n")

    return errors_of


@pytest.fixture(scope="session")
def recorded_cases(oracle: Path) -> list[dict[str, Any]]:
    """Objects with the verdicts of Istio's webhook, istioctl and the CRD schemas (validation/README.md)."""
    path = oracle / "validation" / "own.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="session")
def disagreements(recorded_cases: list[dict[str, Any]]) -> Verdicts:
    """Cases of a kind that meshsim judges in another way than the recorded checks together."""

    def of_kind(kind: str) -> list[str]:
        found: list[str] = []
        count = 0
        for case in recorded_cases:
            if case["kind"] != kind or case["id"] in KNOWN_DIFFERENCES:
                continue
            count += 1
            refused = case["webhook"]["verdict"] == "denied" or "invalid" in (
                case["crd"]["verdict"],
                case["istioctl_validate"]["verdict"],
            )
            refused = refused or case["crd"]["verdict"] == "no_crd"
            message = _refusal(case["object"])
            if bool(message) != refused:
                real = case["webhook"].get("error") or case["crd"].get("error") or "accepted"
                found.append(f"{case['id']} {case['mutation']}: real: {real}; here: {message or 'accepted'}")
        assert count >= 18, f"only {count} cases of {kind} were recorded"
        return found

    return of_kind


def _refusal(body: dict[str, Any]) -> str:
    try:
        object_from_body(body, Origin("m.json", 1, json.dumps(body)))
    except InputErrors as error:
        return str(error)
    return ""
