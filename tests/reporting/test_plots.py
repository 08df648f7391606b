"""Plots show the data of the run, on the axes given or new ones."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
import pytest

from meshsim.errors import UsageError
from meshsim.recording import Run
from meshsim.reporting.plots import Plots

matplotlib.use("Agg")


@pytest.fixture
def plots(run: Run) -> Iterator[Plots]:
    import matplotlib.pyplot as plt

    yield Plots(run)
    plt.close("all")


def test_latency_by_version(plots: Plots) -> None:
    axes = plots.latency(to="reviews")
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["v1 p50", "v1 p99", "v2 p50", "v2 p99"]
    slow = next(line for line in axes.get_lines() if line.get_label() == "v1 p50")
    heights = slow.get_ydata()
    assert max(heights[41:44]) > 500 > max(heights[:39])
    assert {text.get_text() for text in axes.texts} == {"shift", "slow"}


def test_latency_of_clients_by_flags(plots: Plots) -> None:
    axes = plots.latency(by="flags", quantiles=(0.9,))
    assert "client requests" in axes.get_title(loc="left")
    assert len(axes.get_lines()) >= 2


def test_shares_choose_what_is_split(plots: Plots) -> None:
    axes = plots.shares()
    assert axes.get_title(loc="left") == "Versions of reviews"
    assert axes.get_ylim() == (0, 100)


def test_propagation_ends_where_all_proxies_follow(plots: Plots) -> None:
    axes = plots.propagation()
    steps = [line for line in axes.get_lines() if line.get_label().startswith("shift")]
    assert steps[0].get_ydata()[-1] == 100
    assert steps[0].get_xdata()[-1] == pytest.approx(0.6)


def test_the_graph_names_every_application(plots: Plots) -> None:
    axes = plots.graph(during=("start", "shift"))
    words = {text.get_text() for text in axes.texts}
    assert {"istio-ingressgateway", "productpage", "reviews", "details"} <= words
    assert not any("v2" in word for word in words)
    assert "start to shift" in axes.get_title(loc="left")


def test_axes_that_are_given_are_used(plots: Plots) -> None:
    import matplotlib.pyplot as plt

    _, axes = plt.subplots()
    assert plots.rates(ax=axes) is axes


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda plots: plots.latency(to="revews"), "no requests to 'revews'.*productpage"),
        (lambda plots: plots.latency(by="colour"), "cannot split by 'colour'"),
        (lambda plots: plots.graph(during=("shift", "soon")), "neither a time nor one of"),
    ],
)
def test_questions_without_an_answer(plots: Plots, call: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call(plots)  # type: ignore[operator]
