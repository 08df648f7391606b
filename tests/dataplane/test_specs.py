"""The core has its own copies of the specs' numbers: they agree."""

from __future__ import annotations

from meshsim.dataplane import core
from meshsim.dataplane.specs import Arrivals, Flag, InboundKind, LbPolicy, PodState, RetryOn, RouteKind, Shape


def test_the_core_uses_the_same_numbers() -> None:
    policies = (core.LEAST_REQUEST, core.ROUND_ROBIN, core.RANDOM, core.ORIGINAL_DST, core.RING_HASH, core.MAGLEV)
    assert tuple(LbPolicy) == policies
    assert tuple(InboundKind)[:-1] == (core.IN_SERVE, core.IN_REPLY, core.IN_RESET, core.IN_REFUSE)
    assert InboundKind.MISUNDERSTAND not in (core.IN_SERVE, core.IN_REPLY, core.IN_RESET, core.IN_REFUSE)
    spacings = (core.POISSON, core.CONSTANT, core.CLOSED_LOOP, core.JITTERED, core.REPLAYED, core.PERIODIC)
    assert tuple(Arrivals) == spacings
    assert tuple(PodState) == (core.POD_READY, core.POD_DRAINING, core.POD_DEAD)
    shapes = (core.FIXED, core.EXPONENTIAL, core.LOGNORMAL, core.GAMMA, core.PARETO, core.UNIFORM, core.EMPIRICAL)
    assert shapes == tuple(Shape)
    assert RouteKind.LOCAL_REPLY == core.LOCAL_REPLY
    for name in ("UH", "UF", "UO", "NR", "URX", "UT", "UC", "NC", "DI", "FI", "DC"):
        assert getattr(core, name) == Flag[name]


def test_retry_tokens() -> None:
    assert RetryOn.FIVE_XX == core.RETRY_5XX
    assert RetryOn.GATEWAY_ERROR == core.RETRY_GATEWAY
    assert RetryOn.CONNECT_FAILURE == core.RETRY_CONNECT
    assert RetryOn.RESET == core.RETRY_RESET
    assert RetryOn.RESET_BEFORE_REQUEST == core.RETRY_BEFORE
    assert RetryOn.RETRIABLE_4XX == core.RETRY_4XX
    assert RetryOn.RETRIABLE_STATUS_CODES == core.RETRY_CODES
    assert RetryOn.GRPC_INTERNAL == core.RETRY_INTERNAL
    assert RetryOn.GRPC_UNAVAILABLE == core.RETRY_UNAVAILABLE


def test_flags_have_the_room_that_finished_requests_give_them() -> None:
    assert max(Flag).bit_length() <= core.FLAG_BITS
    assert 999 >> (31 - core.FLAG_BITS) == 0, "beside them stands any status of HTTP"
