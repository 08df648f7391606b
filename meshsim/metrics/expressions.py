"""Values of labels that the Telemetry API computes: the CEL attributes a run knows.

Attributes: Envoy docs/root/intro/arch_overview/advanced/attributes.rst. What cannot be evaluated is ``unknown``, as in
istio_stats.cc (StreamOverrides::evaluate).

DEVIATION: of the CEL expressions of metric labels, literals and attributes of requests, answers and destinations are
evaluated; every other expression gives `unknown`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

UNKNOWN: Final = "unknown"
_TEXT: Final = re.compile(r"\"([^\"\\]*)\"|'([^'\\]*)'")
_CHOICE: Final = re.compile(r"has\((?P<tested>[\w.]+)\)\s*\?\s*(?P<yes>.+?)\s*:\s*(?P<no>.+)")


def evaluate(expression: str, attributes: Mapping[str, str]) -> str:
    """The value of an expression, given what the attributes are."""
    expression = expression.strip()
    text = _TEXT.fullmatch(expression)
    if text is not None:
        return text[1] if text[1] is not None else text[2]
    if re.fullmatch(r"-?\d+(\.\d+)?|true|false", expression):
        return expression
    choice = _CHOICE.fullmatch(expression)
    if choice is not None:
        return evaluate(choice["yes"] if choice["tested"] in attributes else choice["no"], attributes)
    return attributes.get(expression, UNKNOWN)
