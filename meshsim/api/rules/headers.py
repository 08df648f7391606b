"""Header names and values that routes set, with Envoy's ``%VARIABLE%`` notation.

Source: istio pkg/config/validation/validation.go (validateHTTPRoute) and header_value.go, 1.31; envoy
source/common/router/header_parser.cc for the notation.
"""

from __future__ import annotations

import re
from typing import Final

from meshsim.api.fields import Fields
from meshsim.api.rules.names import refuse_header_name
from meshsim.api.rules.report import Report

_NAME_END: Final = re.compile(r"[%(]")
_SPACE: Final = re.compile(r"\s*")
_TEXT_LIST: Final = re.compile(r'\[\s*"[^"]*"\s*(?:,\s*"[^"]*"\s*)*\]\s*\)')


def check_headers(route: Fields, report: Report, authority_set: Fields | None = None) -> None:
    """The ``headers`` of a route or destination; `authority_set` is what set the authority already."""
    for direction in ("request", "response"):
        operations = route.fields("headers").fields(direction)
        for verb in ("set", "add"):
            for name, value in operations.text_map(verb).items():
                path = f"{operations.at(verb)}.{name}"
                reason = _refuse_name(name, direction == "request")
                report.refuse_if(reason or refuse_header_value(value), path)
        for index, name in enumerate(operations.texts("remove")):
            report.refuse_if(_refuse_name(name, False), f"{operations.at('remove')}[{index}]")
    if len(authorities(route)) + (len(authorities(authority_set)) if authority_set is not None else 0) > 1:
        report.refuse(route.at("headers"), "the authority is set more than once")


def authorities(route: Fields) -> list[str]:
    """What a route sets the authority to: its rewrite and its request headers."""
    rewrite = route.fields("rewrite").text("authority")
    request = route.fields("headers").fields("request")
    return [rewrite] * bool(rewrite) + [
        value
        for verb in ("set", "add")
        for name, value in request.text_map(verb).items()
        if name.lower() in ("host", ":authority")
    ]


def _refuse_name(name: str, may_set_authority: bool) -> str | None:
    if may_set_authority and name.lower() in ("host", ":authority"):
        return None
    if name.startswith(":"):
        return f"'{name}' cannot be changed: it starts with ':'"
    if name.lower() == "host":
        return "the Host header can be set on requests only"
    return refuse_header_name(name)


def refuse_header_value(value: str) -> str | None:
    """A header value: text in which every ``%`` is doubled or starts a variable such as ``%REQ(x-name)%``."""
    at = 0
    while (at := value.find("%", at)) >= 0:
        if value.startswith("%%", at):
            at += 2
            continue
        if at == len(value) - 1:
            return f"'{value}' has a lone '%'; write '%%' for the character"
        end = _variable_end(value, at + 1)
        if isinstance(end, str):
            return f"'{value}' {end}"
        at = end + 1
    return None


def _variable_end(value: str, start: int) -> int | str:
    """Where the variable that starts here has its closing ``%``, or what is wrong with it."""
    found = _NAME_END.search(value, start)
    if found is None:
        return "has a variable that does not end with '%'"
    if found.group() == "%":
        return found.start()
    end = _skip_parameters(value, found.end())
    if isinstance(end, str):
        return end
    while value[end : end + 1].isspace():
        end += 1
    if value[end : end + 1] == "%":
        return end
    return "has a variable that does not end with '%'" if end >= len(value) else "has text between ')' and '%'"


def _skip_parameters(value: str, start: int) -> int | str:
    """The place after a variable's parameters: a list of quoted texts in brackets, or anything up to ``)``."""
    opening = _SPACE.match(value, start)
    at = opening.end() if opening else start
    if value[at : at + 1] != "[":
        end = value.find(")", at)
        return end + 1 if end >= 0 else "has parameters that do not end with ')'"
    listed = _TEXT_LIST.match(value, at)
    return listed.end() if listed else "has parameters that are not a list of quoted texts"
