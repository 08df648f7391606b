"""Every re-exported module is one of Envoy's, protobuf's, or OpenTelemetry's that Envoy's messages hold."""

from __future__ import annotations

from meshsim.xds import messages

_ORIGINS = ("envoy/", "google/", "opentelemetry/", "udpa/", "xds/")


def test_names_are_modules_with_descriptors() -> None:
    for name in messages.__all__:
        module = getattr(messages, name)
        assert module.DESCRIPTOR.name.startswith(_ORIGINS), name
