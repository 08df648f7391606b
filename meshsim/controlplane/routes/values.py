"""Small values every route message needs: durations and percentages."""

from __future__ import annotations

from meshsim.api import Fields
from meshsim.units import SECOND, Nanos
from meshsim.xds.messages import duration_pb2, percent_pb2


def duration(span: Nanos) -> duration_pb2.Duration:
    """A span as protobuf writes it."""
    seconds, nanos = divmod(abs(span), SECOND)
    sign = -1 if span < 0 else 1
    return duration_pb2.Duration(seconds=sign * seconds, nanos=sign * nanos)


def exact_percent(percent: Fields) -> percent_pb2.FractionalPercent:
    """An Istio Percent with up to four decimals, in millionths (istio translatePercentToFractionalPercent)."""
    return percent_pb2.FractionalPercent(
        numerator=int(percent.number("value") * 10_000), denominator=percent_pb2.FractionalPercent.MILLION
    )


def whole_percent(percent: int) -> percent_pb2.FractionalPercent:
    """A whole percentage, in hundredths."""
    return percent_pb2.FractionalPercent(numerator=percent, denominator=percent_pb2.FractionalPercent.HUNDRED)
