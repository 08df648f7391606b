"""EnvoyFilter patches of listeners (stub during development)."""

from __future__ import annotations

from collections.abc import Sequence

from meshsim.controlplane.envoy_filters import PatchContext, PatchSet
from meshsim.xds.messages import listener_pb2


def patch_listeners(
    listeners: Sequence[listener_pb2.Listener], patches: PatchSet, context: PatchContext
) -> list[listener_pb2.Listener]:
    return list(listeners)
