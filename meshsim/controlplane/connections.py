"""One proxy's stream as Pilot sees it: what it watches, what waits to be done for it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from meshsim.controlplane.changes import PushRequest
from meshsim.controlplane.dependencies import Scope
from meshsim.controlplane.model import Proxy
from meshsim.xds.ads_server import AdsServerStream, Received


@dataclass(slots=True)
class Connection:
    """A stream with its work list; requests go before pushes, one thing at a time (istio pkg/xds/server.go)."""

    id: str
    proxy: Proxy
    stream: AdsServerStream
    scope: Scope
    """What the proxy sees."""
    scope_before: Scope | None = None
    """What it saw before that was last computed."""
    requests: deque[Received] = field(default_factory=deque)
    push: PushRequest | None = None
    """The push taken from the queue that waits for the stream to be free."""
    busy: bool = False
    open: bool = True
    pushes: dict[str, int] = field(default_factory=dict)
    """By nonce, the push a response belongs to."""

    def see(self, scope: Scope) -> None:
        """What the proxy sees was computed anew (istio pilot/pkg/model/context.go SetSidecarScope)."""
        self.scope_before, self.scope = self.scope, scope

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """What the proxy sees and saw before."""
        return (self.scope,) if self.scope_before is None else (self.scope, self.scope_before)

    def remember(self, nonce: str, push: int) -> None:
        """Note which push a response belongs to; only the newest hundred are kept."""
        self.pushes[nonce] = push
        if len(self.pushes) > 100:
            del self.pushes[next(iter(self.pushes))]
