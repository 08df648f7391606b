"""Faults that a request asks for by its headers (Envoy source/extensions/filters/common/fault/fault_config.cc)."""

from __future__ import annotations

import re
from typing import Final

from meshsim.dataplane.decide.chances import Fractional
from meshsim.dataplane.decide.filter_configs import FaultConfig
from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.units import MILLISECOND

_WHOLE: Final = re.compile(r"\s*\+?([0-9]+)\s*", re.ASCII)
_SIGN: Final = 1 << 31
_UINT32: Final = (1 << 32) - 1
_UINT64: Final = (1 << 64) - 1


def asked_by_headers(config: FaultConfig, headers: HeaderMap) -> FaultConfig:
    """The fault with what these headers say in place of what the filter leaves to them."""
    if config.delay_from_header:
        span = _whole(headers, "x-envoy-fault-delay-request", _UINT64) or 0
        share = _share(config.delay_share, headers, "x-envoy-fault-delay-request-percentage")
        config = config._replace(delay=span * MILLISECOND, delay_share=share)
    if config.abort_from_header:
        status = _whole(headers, "x-envoy-fault-abort-request", _UINT64)
        grpc = _whole(headers, "x-envoy-fault-abort-grpc-request", _UINT64)
        share = _share(config.abort_share, headers, "x-envoy-fault-abort-request-percentage")
        config = config._replace(
            abort_status=status if status is not None and 200 <= status < 600 else 0,
            abort_grpc_status=None if grpc is None else (grpc + _SIGN) % (2 * _SIGN) - _SIGN,
            abort_share=share,
        )
    if config.rate_from_header:
        rate = _whole(headers, "x-envoy-fault-throughput-response", _UINT64) or 0
        share = _share(config.rate_share, headers, "x-envoy-fault-throughput-response-percentage")
        config = config._replace(rate_kbps=rate, rate_share=share)
    return config


def _share(most: Fractional, headers: HeaderMap, name: str) -> Fractional:
    """A share that a header can only make smaller; its number has the denominator of the filter."""
    asked = _whole(headers, name, _UINT32)
    return most if asked is None else Fractional(min(asked, most.numerator), most.denominator)


def _whole(headers: HeaderMap, name: str, most: int) -> int | None:
    """The number in the first header of this name."""
    found = headers.all(name)
    match = _WHOLE.fullmatch(found[0]) if found else None
    value = int(match[1]) if match and len(match[1]) < 64 else most + 1
    return value if value <= most else None
