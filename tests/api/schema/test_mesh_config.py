"""MeshConfig: what istiod takes is taken, what it refuses is noticed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from meshsim.api.schema.mesh_config import check_mesh_config


def test_what_installations_say_is_fine() -> None:
    """The fields of the default profile, of the demo profile and of common overrides."""
    config = {
        "accessLogFile": "/dev/stdout",
        "defaultConfig": {
            "discoveryAddress": "istiod.istio-system.svc:15012",
            "concurrency": 0,
            "holdApplicationUntilProxyStarts": True,
            "proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"},
            "tracing": {"sampling": 100},
            "image": {"imageType": "distroless"},
        },
        "defaultProviders": {"metrics": ["prometheus"]},
        "enablePrometheusMerge": True,
        "extensionProviders": [{"name": "otel", "opentelemetry": {"port": 4317, "service": "otel"}}],
        "localityLbSetting": {"enabled": False, "distribute": [{"from": "a/*", "to": {"a/*": 100}}]},
        "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"},
        "defaultHttpRetryPolicy": {"attempts": 0},
        "discoverySelectors": [{"matchLabels": {"mesh": "yes"}}],
        "rootNamespace": None,
        "trustDomain": "cluster.local",
    }
    assert check_mesh_config(config) == ((), ())


@pytest.mark.parametrize(
    ("config", "path", "message"),
    [
        ({"outboundTrafficPolicy": {"mode": "ALLOW"}}, "outboundTrafficPolicy.mode", "is not a choice here"),
        ({"connectTimeout": 10}, "connectTimeout", "must be"),
        ({"defaultConfig": {"concurrency": "two"}}, "defaultConfig.concurrency", "must be"),
        ({"trustDomainAliases": "td2"}, "trustDomainAliases", "must be"),
    ],
)
def test_values_that_are_none(config: Mapping[str, object], path: str, message: str) -> None:
    values, names = check_mesh_config(config)
    assert names == ()
    assert values[0].path == path
    assert message in values[0].message


@pytest.mark.parametrize(
    ("config", "path", "near"),
    [
        ({"outboundTrafficPolcy": {}}, "outboundTrafficPolcy", "did you mean 'outboundTrafficPolicy'?"),
        ({"outboundTrafficPolicy": {"mod": "ALLOW_ANY"}}, "outboundTrafficPolicy.mod", "did you mean 'mode'?"),
        ({"defaultConfig": {"concurency": 2}}, "defaultConfig.concurency", "did you mean 'concurrency'?"),
    ],
)
def test_names_that_are_none(config: Mapping[str, object], path: str, near: str) -> None:
    values, names = check_mesh_config(config)
    assert values == ()
    assert [(problem.path, problem.hint) for problem in names] == [(path, near)]
