"""What a route tells HTTP filters: fault injection and CORS.

Modelled on istio route.go (TranslateFault, TranslateCORSPolicy), release 1.31.
"""

from __future__ import annotations

from typing import Final

from meshsim.api import Fields
from meshsim.controlplane.routes.matches import string_matcher
from meshsim.controlplane.routes.values import duration, exact_percent, whole_percent
from meshsim.units import SECOND
from meshsim.xds.messages import base_pb2, common_fault_pb2, cors_pb2, fault_pb2, string_pb2, wrappers_pb2

FAULT_FILTER: Final = "envoy.filters.http.fault"
CORS_FILTER: Final = "envoy.filters.http.cors"

_GRPC_STATUS: Final = {
    "OK": 0,
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "OUT_OF_RANGE": 11,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "DATA_LOSS": 15,
    "UNAUTHENTICATED": 16,
}


def build_fault(fault: Fields) -> fault_pb2.HTTPFault:
    """Delay and abort of a route; a delay that is not a fixed one and an abort without status are left out."""
    out = fault_pb2.HTTPFault()
    delay, abort = fault.fields("delay"), fault.fields("abort")
    if (fixed := delay.duration("fixedDelay")) is not None:
        percentage = (
            exact_percent(delay.fields("percentage"))
            if "percentage" in delay
            else whole_percent(delay.integer("percent"))
        )
        out.delay.CopyFrom(common_fault_pb2.FaultDelay(fixed_delay=duration(fixed), percentage=percentage))
    if "httpStatus" in abort:
        out.abort.http_status = abort.integer("httpStatus")
    elif "grpcStatus" in abort:
        out.abort.grpc_status = _GRPC_STATUS.get(abort.text("grpcStatus"), 0)
    if out.HasField("abort") and "percentage" in abort:
        out.abort.percentage.CopyFrom(exact_percent(abort.fields("percentage")))
    return out


def build_cors(policy: Fields) -> cors_pb2.CorsPolicy:
    """The CORS policy of a route, always enabled."""
    if "allowOrigins" in policy:
        origins = [string_matcher(origin) for origin in policy.items("allowOrigins")]
    else:
        origins = [string_pb2.StringMatcher(exact=origin) for origin in policy.texts("allowOrigin")]
    out = cors_pb2.CorsPolicy(
        forward_not_matching_preflights=wrappers_pb2.BoolValue(value=policy.text("unmatchedPreflights") != "IGNORE"),
        allow_origin_string_match=[origin for origin in origins if origin is not None],
        filter_enabled=base_pb2.RuntimeFractionalPercent(default_value=whole_percent(100)),
        allow_headers=",".join(policy.texts("allowHeaders")),
        allow_methods=",".join(policy.texts("allowMethods")),
        expose_headers=",".join(policy.texts("exposeHeaders")),
    )
    if (credentials := policy.optional_flag("allowCredentials")) is not None:
        out.allow_credentials.value = credentials
    if (age := policy.duration("maxAge")) is not None:
        out.max_age = str(age // SECOND)
    return out
