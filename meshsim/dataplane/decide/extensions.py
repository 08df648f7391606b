"""Extensions by the type of their configuration: whether Envoy has one, and what it calls it.

Rules: Envoy source/common/config/utility.h (getAndCheckFactory); texts measured on Envoy 1.40.
"""

from __future__ import annotations

from typing import Final

from google.protobuf import any_pb2

from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.xds.stock import ISTIO_TYPES

_PACKAGES: Final = ("envoy.extensions.", "envoy.config.", "envoy.admin.", "istio.", "io.istio.", "udpa.", "xds.")


def check_registered(name: str, config: any_pb2.Any) -> None:
    """Raise `ResourceRejectedError` for a configuration of which no extension is compiled in.

    Every package of extensions counts as compiled in, Istio's own as well, which a stock Envoy lacks.
    """
    type_name = config.type_url.rpartition("/")[2]
    if type_name not in ISTIO_TYPES and not type_name.startswith(_PACKAGES):
        raise ResourceRejectedError(
            f"Didn't find a registered implementation for '{name}' with type URL: '{type_name}'"
        )


def extension_name(config: any_pb2.Any) -> str:
    """The extension's own name, as Envoy derives it for its core extensions: ``envoy.filters.http.router``."""
    parts = config.type_url.rpartition("/")[2].split(".")
    if parts[:2] != ["envoy", "extensions"] or len(parts) < 5:
        return ".".join(parts)
    return ".".join(["envoy", *parts[2:-2]])
