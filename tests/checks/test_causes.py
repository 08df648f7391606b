"""The worst window, the edge behind it, the action in force."""

from __future__ import annotations

import numpy as np

from meshsim.checks.causes import Bad, edges, in_force, worst_window
from meshsim.checks.context import Context
from meshsim.scenario import Span
from meshsim.units import SECOND


def test_the_worst_window_is_where_the_failures_are(context: Context) -> None:
    frame = context.frame
    case = Bad(frame.of_traffic("shoppers"), ~frame.good, 0.01, "failures")
    window = worst_window(frame, case)
    assert window == Span(40 * SECOND, 45 * SECOND)


def test_without_a_bad_request_there_is_no_window(context: Context) -> None:
    frame = context.frame
    assert worst_window(frame, Bad(frame.all(), np.zeros(len(frame), bool), 0.0, "failures")) is None


def test_the_action_that_fits_the_window_is_named(context: Context) -> None:
    assert "'slow'" in in_force(context, Span(40 * SECOND, 45 * SECOND))
    assert "'shift'" in in_force(context, Span(21 * SECOND, 30 * SECOND))
    assert in_force(context, Span(0, 10 * SECOND)) == ""


def test_edges_are_by_caller_destination_and_version(context: Context) -> None:
    found = [str(edge) for edge, _ in edges(context.frame, context.frame.all())]
    assert found == [
        "istio-ingressgateway -> productpage v1",
        "productpage -> details v1",
        "productpage -> reviews v1",
        "productpage -> reviews v2",
    ]
