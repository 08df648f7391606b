"""Every re-exported module is one of Envoy's or protobuf's own."""

from __future__ import annotations

from meshsim.xds import messages


def test_names_are_modules_with_descriptors() -> None:
    for name in messages.__all__:
        module = getattr(messages, name)
        assert module.DESCRIPTOR.name.startswith(("envoy/", "google/", "udpa/", "xds/")), name
