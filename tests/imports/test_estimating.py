"""What services do, estimated from requests made up so that the answer is known."""

from __future__ import annotations

from meshsim.imports.estimating import Estimate, EstimatedOperation, estimate
from meshsim.imports.linking import CallMade, Handled, Linked, OperationKey
from meshsim.units import MILLISECOND, SECOND

PAGE, A, B, C = (OperationKey(name, "op") for name in ("page", "a", "b", "c"))


def call(callee: OperationKey, begin: float, end: float, *, failed: bool = False, waited: bool = True) -> CallMade:
    return CallMade(callee, round(begin * MILLISECOND), round(end * MILLISECOND), failed, waited)


def request(*calls: CallMade, key: OperationKey = PAGE, at: int = 0, root: bool = False, **more: object) -> Handled:
    """A request of 100 ms that began at a second; the times of its calls count from its begin."""
    moved = tuple(CallMade(c.callee, c.start + at * SECOND, c.end + at * SECOND, c.failed, c.waited) for c in calls)
    fields: dict[str, object] = {"failed": False, "status": 0, "method": ""} | more
    end = at * SECOND + 100 * MILLISECOND
    return Handled(key=key, start=at * SECOND, end=end, calls=moved, root=root, **fields)  # type: ignore[arg-type]


def estimated(*handled: Handled) -> Estimate:
    return estimate(Linked(handled=list(handled)))


def the_page(*handled: Handled) -> EstimatedOperation:
    (page,) = estimated(*handled).operations
    return page


def shape(page: EstimatedOperation) -> list[list[tuple[str, int, int]]]:
    return [[(c.callee.service, c.made, c.of) for c in step] for step in page.steps]


def test_order_parallel_steps_and_chances() -> None:
    page = the_page(
        request(call(A, 0, 10), call(B, 12, 30), call(C, 13, 20)),
        request(call(A, 0, 10), call(C, 12, 30), call(B, 13, 20)),
        request(call(A, 0, 10), call(B, 12, 30)),
        request(call(A, 0, 10)),
    )
    assert shape(page) == [[("a", 4, 4)], [("b", 3, 4), ("c", 2, 4)]]
    assert page.times == tuple(span * MILLISECOND for span in (72, 72, 72, 90))


def test_repeated_calls_are_counted_each() -> None:
    page = the_page(
        request(call(A, 0, 10), call(A, 10, 20), call(A, 20, 30)), request(call(A, 0, 10)), request(call(A, 0, 10))
    )
    assert shape(page) == [[("a", 3, 3)], [("a", 1, 3)], [("a", 1, 3)]]


def test_overlap_now_and_then_is_no_parallel_step() -> None:
    page = the_page(
        request(call(A, 0, 10), call(B, 9, 20)), *(request(call(A, 0, 10), call(B, 10, 20)) for _ in range(3))
    )
    assert shape(page) == [[("a", 4, 4)], [("b", 4, 4)]]


def test_errors_of_its_own_and_of_calls() -> None:
    page = the_page(
        request(failed=True, status=503),
        request(failed=True, status=503),
        request(call(A, 0, 10, failed=True), failed=True, status=500),
        request(call(A, 0, 10)),
        request(call(A, 0, 10)),
    )
    assert (page.failures, page.status, page.count) == (2, 503, 5)
    ((only,),) = page.steps
    # The two that failed of themselves never came to the call.
    assert (only.made, only.of, only.optional, only.failures) == (3, 3, False, 1)


def test_a_call_whose_failure_does_not_matter_is_optional() -> None:
    failing = call(A, 0, 10, failed=True)
    page = the_page(request(failing), request(failing), request(failing, failed=True), request(call(A, 0, 10)))
    ((only,),) = page.steps
    assert (only.optional, only.survived, only.failures) == (True, 2, 3)
    assert page.failures == 0


def test_calls_without_waiting_are_apart() -> None:
    page = the_page(request(call(A, 90, 300, waited=False), call(B, 0, 10)), request(call(B, 0, 10)))
    assert (shape(page), page.unawaited) == ([[("b", 2, 2)]], {A: 1})
    assert page.times == (90 * MILLISECOND, 90 * MILLISECOND)


def test_clients_requests_are_told_apart_by_what_they_lead_to() -> None:
    front = [request(call(A, 0, 10), at=n, root=True) for n in range(6)]
    back = [request(call(B, 0, 10), call(B, 10, 20), at=n, root=True) for n in range(6, 10)]
    once = [request(call(B, 0, 10), call(C, 10, 20), at=10, root=True)]
    found = estimated(*front, *back, *once)
    assert [(item.variant, item.count, item.roots) for item in found.operations] == [(1, 6, 6), (2, 5, 5)]
    assert shape(found.operations[1]) == [[("b", 5, 5)], [("b", 4, 5)], [("c", 1, 5)]] or shape(
        found.operations[1]
    ) == [[("b", 5, 5)], [("c", 1, 5)], [("b", 4, 5)]]
    assert found.window == 10 * SECOND


def test_requests_of_services_are_not_told_apart() -> None:
    found = estimated(request(call(A, 0, 10), root=True), request(call(B, 0, 10)), request(call(B, 0, 10)))
    assert [item.variant for item in found.operations] == [0]


def test_a_long_way_is_a_queue_at_its_end() -> None:
    usual = [request(key=A, way=2 * MILLISECOND) for _ in range(5)]
    slow = request(key=A, way=30 * MILLISECOND)
    busy = request(key=A, way=4 * MILLISECOND)
    clients = request(key=B, way=70 * MILLISECOND, root=True)
    found = estimated(*usual, slow, busy, clients)
    assert found.way == 2 * MILLISECOND
    assert found.operations[0].times[-2:] == (100 * MILLISECOND, 128 * MILLISECOND)
    assert [(item.key, item.waits) for item in found.operations] == [(A, 1), (B, 0)]
