"""A decision in words, one line a step, for ``meshsim explain``."""

from __future__ import annotations

from collections.abc import Iterator

from meshsim.dataplane.decide.decision import Decision, Disposition, Upstream, UpstreamTls
from meshsim.dataplane.decide.upstreams import hosts
from meshsim.units import Nanos

_SHOWN_HOSTS = 5
_OUTCOME = {
    Disposition.FORWARDED: "forwarded upstream",
    Disposition.REPLIED: "answered by the proxy",
    Disposition.CLOSED: "connection closed",
    Disposition.REFUSED: "connection refused: nothing listens there",
    Disposition.STALLED: "waits for bytes that never come",
}


def explain(decision: Decision, indent: str = "  ") -> list[str]:
    """Lines of an explanation: the steps in order, then what comes out of them.

    A decision made without ``explain=True`` has no steps; its outcome is shown all the same.
    """
    width = max((len(step.stage) for step in decision.steps), default=0)
    lines = [
        f"{indent}{step.stage:<{width}}  {step.chosen}{f' ({step.reason})' if step.reason else ''}"
        for step in decision.steps
    ]
    lines += [f"{indent}=> {line}" for line in _outcome(decision)]
    return lines


def _outcome(decision: Decision) -> Iterator[str]:
    text = _OUTCOME[decision.disposition]
    if decision.disposition is Disposition.REPLIED:
        text += f": {decision.status}"
        text += f" {decision.body!r}" if decision.body else ""
    facts = [decision.details, f"flags {decision.flag_text}" if decision.flags else ""]
    yield text + "".join(f", {fact}" for fact in facts if fact)
    for name, value in decision.response_headers:
        if name == "location":
            yield f"location {value}"
    if decision.disposition is Disposition.FORWARDED:
        yield from _upstream_lines(decision)
        yield from _policy_lines(decision)
    if decision.config:
        yield f"because of {decision.config}"
    for name in decision.unmodelled:
        yield f"{name} is not modelled and was passed over"


def _upstream_lines(decision: Decision) -> Iterator[str]:
    total = sum(u.weight for u in decision.upstreams)
    for upstream in decision.upstreams:
        share = f"{upstream.weight}/{total} to " if len(decision.upstreams) > 1 else "to "
        yield share + describe_upstream(upstream)
    if decision.method:
        yield f"as {decision.method} {decision.authority}{decision.path}"


def describe_upstream(upstream: Upstream) -> str:
    """A cluster, its hosts and what is spoken with them."""
    if not upstream.known:
        return f"{upstream.name or 'no cluster'}, which the proxy does not have"
    endpoints = hosts(upstream)
    shown = ", ".join(str(e) for e in endpoints[:_SHOWN_HOSTS])
    more = f" and {len(endpoints) - _SHOWN_HOSTS} more" if len(endpoints) > _SHOWN_HOSTS else ""
    where = f"{shown}{more}" if endpoints else "no healthy host"
    transports = "; ".join(describe_transport(t) for t in upstream.transports)
    return f"{upstream.name} at {where}{f' over {transports}' if transports else ''}"


def describe_transport(transport: UpstreamTls) -> str:
    """What is spoken below HTTP."""
    header = f"PROXY v{transport.proxy_protocol}, " if transport.proxy_protocol else ""
    if not transport.tls:
        return f"{header}plaintext"
    kind = "mTLS" if transport.mutual else "TLS"
    sni = f" SNI {transport.sni}" if transport.sni else ""
    alpn = f" ALPN {','.join(transport.alpn)}" if transport.alpn else ""
    return f"{header}{kind}{sni}{alpn}"


def _policy_lines(decision: Decision) -> Iterator[str]:
    policies = decision.policies
    if policies.timeout:
        yield f"timeout {_time(policies.timeout)}"
    retry = policies.retry
    if retry is not None and retry.retry_on:
        per_try = f", {_time(policies.per_try_timeout)} each" if policies.per_try_timeout else ""
        yield f"up to {retry.retries} retries on {','.join(retry.retry_on)}{per_try}"
    if decision.delay:
        yield f"delayed by {_time(decision.delay)}"
    fault = policies.fault
    if fault is not None and fault.delay:
        yield f"delay of {_time(fault.delay)} for {_share(fault.delay_share.parts_per_million)}"
    if fault is not None and (fault.abort_status or fault.abort_grpc_status is not None):
        status = fault.abort_status or f"gRPC {fault.abort_grpc_status}"
        yield f"abort with {status} for {_share(fault.abort_share.parts_per_million)}"
    if fault is not None and fault.rate_kbps:
        yield f"answers at {fault.rate_kbps} KiB/s for {_share(fault.rate_share.parts_per_million)}"
    for mirror in policies.mirrors:
        yield f"mirrored to {mirror.upstream.name} for {_share(mirror.fraction.parts_per_million)}"
    if policies.rate_limit is not None:
        limit = policies.rate_limit
        yield f"limited to {limit.tokens_per_fill} requests every {_time(limit.fill_interval)}"


def _time(value: Nanos) -> str:
    return f"{value / 1e9:g} s"


def _share(parts_per_million: int) -> str:
    return f"{parts_per_million / 10_000:g} %"
