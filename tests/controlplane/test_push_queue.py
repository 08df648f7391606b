"""The push queue: each connection once, merged while it waits or works (istio pilot/pkg/xds/pushqueue_test.go)."""

from __future__ import annotations

from meshsim.controlplane.changes import ConfigKey, PushRequest
from meshsim.controlplane.push_queue import PushQueue


def _request(name: str) -> PushRequest:
    return PushRequest({ConfigKey("ServiceEntry", name, "d"): None}, {"service": 1})


def _names(request: PushRequest) -> list[str]:
    return [key.name for key in request.keys]


def test_first_in_first_out() -> None:
    queue = PushQueue()
    for connection in ("a", "b", "c"):
        queue.enqueue(connection, _request("x"))
    assert [queue.dequeue()[0] for _ in range(3)] == ["a", "b", "c"]  # type: ignore[index]
    assert queue.dequeue() is None


def test_requests_for_a_waiting_connection_merge() -> None:
    queue = PushQueue()
    queue.enqueue("a", _request("x"))
    queue.enqueue("b", _request("x"))
    queue.enqueue("a", _request("y"))
    taken = queue.dequeue()
    assert taken is not None
    assert (taken[0], _names(taken[1])) == ("a", ["x", "y"])


def test_a_connection_in_work_is_queued_again_when_done() -> None:
    queue = PushQueue()
    queue.enqueue("a", _request("x"))
    queue.dequeue()
    queue.enqueue("a", _request("y"))
    queue.enqueue("a", _request("z"))
    assert queue.dequeue() is None
    queue.mark_done("a")
    taken = queue.dequeue()
    assert taken is not None
    assert _names(taken[1]) == ["y", "z"]


def test_the_requests_of_one_push_are_not_shared() -> None:
    queue = PushQueue()
    request = _request("x")
    queue.enqueue("a", request)
    queue.enqueue("b", request)
    queue.enqueue("a", _request("y"))
    queue.dequeue()
    taken = queue.dequeue()
    assert taken is not None
    assert _names(taken[1]) == ["x"]


def test_a_closed_connection_is_forgotten() -> None:
    queue = PushQueue()
    queue.enqueue("a", _request("x"))
    queue.forget("a")
    assert queue.dequeue() is None
