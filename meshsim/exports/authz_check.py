"""The table of ``istioctl experimental authz check``: which AuthorizationPolicies a proxy's listeners enforce.

Every RBAC filter of every filter chain counts. One whose rules hold no policy is shown as a policy without name, as it
lets nothing through (or, for external authorization, everything). Rules: istioctl/pkg/authz/listener.go, 1.31.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from google.protobuf.message import Message

from meshsim.exports.proxy_config_text import aligned
from meshsim.xds.messages import (
    http_connection_manager_pb2,
    http_rbac_pb2,
    listener_components_pb2,
    listener_pb2,
    network_rbac_pb2,
)
from meshsim.xds.packing import unpack

_POLICY: Final = re.compile(r"ns\[(.+)\]-policy\[(.+)\]-rule\[(.+)\]")
_EXTERNAL: Final = "istio-ext-authz-"
_NAMELESS: Final = "_anonymous_match_nothing_"
_ACTIONS: Final = ("DENY", "ALLOW", "LOG", "CUSTOM")
_RBAC_HTTP: Final = "envoy.filters.http.rbac"
_RBAC_NETWORK: Final = "envoy.filters.network.rbac"
_PADDING: Final = 3


def print_authz_check(listeners: Iterable[Message]) -> str:
    """The table of a proxy with these listeners (Listener messages)."""
    rules: dict[tuple[str, str], set[str]] = {}
    for listener in listeners:
        assert isinstance(listener, listener_pb2.Listener)
        for chain in listener.filter_chains:
            for config in _configs(chain):
                for action, policy, rule in _policies(config):
                    rules.setdefault((action, policy), set()).add(rule)
    rows: list[Sequence[object]] = [("ACTION", "AuthorizationPolicy", "RULES")]
    for action in _ACTIONS:
        names = sorted(policy for found, policy in rules if found == action)
        rows += [(action, name, len(rules[action, name])) for name in names]
    return aligned(rows, _PADDING)


def _configs(chain: listener_components_pb2.FilterChain) -> Iterator[http_rbac_pb2.RBAC | network_rbac_pb2.RBAC]:
    for network_filter in chain.filters:
        packed = network_filter.typed_config
        if network_filter.name == _RBAC_NETWORK:
            yield unpack(packed, network_rbac_pb2.RBAC)
        elif packed.Is(http_connection_manager_pb2.HttpConnectionManager.DESCRIPTOR):
            manager = unpack(packed, http_connection_manager_pb2.HttpConnectionManager)
            for http_filter in manager.http_filters:
                if http_filter.name == _RBAC_HTTP:
                    yield unpack(http_filter.typed_config, http_rbac_pb2.RBAC)


def _policies(config: http_rbac_pb2.RBAC | network_rbac_pb2.RBAC) -> Iterator[tuple[str, str, str]]:
    """(action, ``policy.namespace``, number of the rule)."""
    enforced: Mapping[str, object] = config.rules.policies
    action = type(config.rules).Action.Name(config.rules.action)
    if not enforced:
        yield action, _NAMELESS, "0"
    for name in sorted(enforced):
        found = _POLICY.search(name)
        if found:
            yield action, f"{found[2]}.{found[1]}", found[3]
    for name in sorted(config.shadow_rules.policies):
        found = _POLICY.search(name)
        if found and name.startswith(_EXTERNAL):
            yield "CUSTOM", f"{found[2]}.{found[1]}", found[3]
