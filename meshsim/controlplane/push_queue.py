"""Connections waiting for a push, each at most once (istio pilot/pkg/xds/pushqueue.go, 1.31)."""

from __future__ import annotations

from collections import deque

from meshsim.controlplane.changes import PushRequest


class PushQueue:
    """A FIFO of connection ids with the merged request of each; a connection in work collects its next request."""

    def __init__(self) -> None:
        self._order: deque[str] = deque()
        self._pending: dict[str, PushRequest] = {}
        self._processing: dict[str, PushRequest | None] = {}

    def __len__(self) -> int:
        return len(self._order)

    def enqueue(self, connection: str, request: PushRequest) -> None:
        """Add a request; merged into what the connection already waits for."""
        if connection in self._processing:
            waiting = self._processing[connection]
            if waiting is None:
                self._processing[connection] = request.copy()
            else:
                waiting.merge(request)
            return
        if connection in self._pending:
            self._pending[connection].merge(request)
            return
        self._pending[connection] = request.copy()
        self._order.append(connection)

    def dequeue(self) -> tuple[str, PushRequest] | None:
        """The connection that waits longest; it counts as in work until `mark_done`."""
        while self._order:
            connection = self._order.popleft()
            request = self._pending.pop(connection, None)
            if request is not None:
                self._processing[connection] = None
                return connection, request
        return None

    def mark_done(self, connection: str) -> None:
        """The connection has all its types; what arrived meanwhile is queued again."""
        waiting = self._processing.pop(connection, None)
        if waiting is not None:
            self._pending[connection] = waiting
            self._order.append(connection)

    def forget(self, connection: str) -> None:
        """The connection closed."""
        self._pending.pop(connection, None)
        self._processing.pop(connection, None)
