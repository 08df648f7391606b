"""Redirects of an upstream that the proxy follows by itself.

Rules: Envoy source/common/router/router.cc (setupRedirect, convertRequestHeadersForInternalRedirect), measured on 1.40:
only absolute locations with a path that has a route; the whole filter chain runs again for the new request. Predicates:
source/extensions/internal_redirect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from meshsim.dataplane.decide.decide import Decider
from meshsim.dataplane.decide.decision import ORDINARY, Decision, Disposition, Surroundings
from meshsim.dataplane.decide.values import Connection, Request

if TYPE_CHECKING:
    from meshsim.dataplane.active import ActiveConfig


def follow_redirect(
    decide: Decider,
    config: ActiveConfig,
    connection: Connection,
    decision: Decision,
    status: int,
    location: str,
    *,
    followed: Sequence[tuple[str, str]] = (),
    surroundings: Surroundings = ORDINARY,
) -> Decision | None:
    """The decision on the request that a redirect leads to; None when the answer goes to the client as it is.

    `decision` is what was sent upstream, `status` and `location` what it answered, `followed` the redirects that were
    followed before, each from which route to which.
    """
    policy = decision.policies.redirects
    if decision.disposition is not Disposition.FORWARDED or policy is None:
        return None
    if status not in policy.codes or len(followed) >= policy.most:
        return None
    target = urlsplit(location)
    if target.scheme not in ("http", "https") or not target.netloc:
        return None
    scheme = "https" if connection.uses_tls else "http"
    if target.scheme != scheme and not policy.cross_scheme:
        return None
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    asked = Request(
        method="GET" if status == 303 and decision.method != "HEAD" else decision.method,
        authority=target.netloc,
        path=path,
        headers=(
            *(header for header in decision.headers if header[0] != "x-envoy-original-url"),
            ("x-envoy-original-url", f"{scheme}://{decision.authority}{decision.path}"),
        ),
    )
    found = decide(config, connection, asked, surroundings=surroundings)
    has_route = found.route_index >= 0 or found.details == "direct_response"
    if policy.listed is not None and found.route not in policy.listed:
        return None
    if policy.once and (decision.route, found.route) in followed:
        return None
    if policy.safe and target.scheme == "https" and not connection.uses_tls:
        return None
    return found if has_route else None
