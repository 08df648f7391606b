"""Retry policies of routes (istio pilot/pkg/networking/core/route/retry/retry.go, release 1.31)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from meshsim.api import Fields
from meshsim.controlplane.routes.values import duration
from meshsim.xds.messages import previous_hosts_pb2, previous_priorities_pb2, route_components_pb2, wrappers_pb2
from meshsim.xds.packing import pack

_RetryPolicy = route_components_pb2.RetryPolicy

_DEFAULT_RETRY_ON: Final = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
_STATUS_CODES: Final = "retriable-status-codes"

_PREVIOUS_HOSTS: Final = _RetryPolicy.RetryHostPredicate(
    name="envoy.retry_host_predicates.previous_hosts",
    typed_config=pack(previous_hosts_pb2.PreviousHostsPredicate()),
)
_PREVIOUS_PRIORITIES: Final = _RetryPolicy.RetryPriority(
    name="envoy.retry_priorities.previous_priorities",
    typed_config=pack(previous_priorities_pb2.PreviousPrioritiesConfig(update_frequency=2)),
)

_KNOWN_STATUS: Final = frozenset(int(status) for status in HTTPStatus)


def build_retry_policy(policy: Fields | None, consistent_hash: bool) -> route_components_pb2.RetryPolicy | None:
    """Envoy's policy of an Istio HTTPRetry, Istio's default for `None`; `None` when retries are switched off.

    With consistent hashing a retry may go to the same host again: another one would not be what the hash says.
    """
    out = _RetryPolicy(
        num_retries=wrappers_pb2.UInt32Value(value=2),
        retry_on=_DEFAULT_RETRY_ON,
        host_selection_retry_max_attempts=5,
        retry_host_predicate=[] if consistent_hash else [_PREVIOUS_HOSTS],
    )
    if policy is None:
        return out
    if policy.integer("attempts") <= 0:
        return None
    out.num_retries.value = policy.integer("attempts")
    if retry_on := policy.text("retryOn"):
        out.retry_on, codes = _split_retry_on(retry_on)
        out.retriable_status_codes.extend(codes)
        if codes and _STATUS_CODES not in out.retry_on:
            out.retry_on += "," + _STATUS_CODES
    if (per_try := policy.duration("perTryTimeout")) is not None:
        out.per_try_timeout.CopyFrom(duration(per_try))
    if (ignore := policy.optional_flag("retryIgnorePreviousHosts")) is not None:
        del out.retry_host_predicate[:]
        if ignore:
            out.retry_host_predicate.append(_PREVIOUS_HOSTS)
    if policy.flag("retryRemoteLocalities"):
        out.retry_priority.CopyFrom(_PREVIOUS_PRIORITIES)
    if (backoff := policy.duration("backoff")) is not None:
        out.retry_back_off.base_interval.CopyFrom(duration(backoff))
    return out


def _split_retry_on(text: str) -> tuple[str, list[int]]:
    """Envoy's conditions, and the HTTP status codes among them."""
    conditions: list[str] = []
    codes: list[int] = []
    for raw in text.split(","):
        part = raw.strip()
        if not part:
            continue
        if part.lstrip("+-").isdigit() and int(part) in _KNOWN_STATUS:
            codes.append(int(part))
        else:
            conditions.append(part)
    return ",".join(conditions), codes
