"""Rules of Telemetry, WasmPlugin, TrafficExtension and ProxyConfig.

Source: istio pkg/config/validation/validation.go (ValidateTelemetry, ValidateWasmPlugin, ValidateTrafficExtension,
ValidateProxyConfig) and the CEL rules of the CRDs, 1.31.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from meshsim.api.fields import Fields
from meshsim.api.rules.common import check_targets
from meshsim.api.rules.report import Report

_SCHEMES: Final = ("", "http", "https", "oci", "file")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9a-fA-F]{2})")
_MAX_LUA: Final = 64 * 1024


def check_telemetry(spec: Fields, report: Report) -> None:
    """Tracing, metrics and access logs."""
    check_targets(spec, report)
    tracing = spec.items("tracing")
    if len(tracing) > 1:
        report.warn(spec.at("tracing"), "only the first tracing entry has an effect")
    for entry in tracing:
        if len(entry.items("providers")) > 1:
            report.warn(entry.at("providers"), "only the first tracing provider has an effect")
        for name in entry.fields("customTags"):
            if not name:
                report.refuse(entry.at("customTags"), "a tag needs a name")
    for metrics in spec.items("metrics"):
        for override in metrics.items("overrides"):
            for tag in override.fields_map("tagOverrides").values():
                _check_tag(tag, report)
    for log in spec.items("accessLogging"):
        if "filter" in log:
            expression = log.fields("filter").text("expression")
            report.refuse_if(_refuse_expression(expression), log.fields("filter").at("expression"))


def _check_tag(tag: Fields, report: Report) -> None:
    operation = tag.text("operation", "UPSERT")
    if operation == "UPSERT" and not tag.text("value"):
        report.refuse(tag.path, "a tag with operation UPSERT needs a value")
    if operation == "REMOVE" and tag.text("value"):
        report.refuse(tag.at("value"), "a tag with operation REMOVE has no value")


def _refuse_expression(expression: str) -> str | None:
    """A CEL expression, as far as brackets, quotes and dangling operators show that it is none.

    DEVIATION: Istio parses the expression with cel-go; an expression whose brackets and ends are right but whose
    grammar is not is refused by the cluster and accepted here.
    """
    if not expression.strip():
        return "the expression must not be empty"
    without_texts = re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", "x", expression)
    stack: list[str] = []
    for character in without_texts:
        if character in "([{":
            stack.append({"(": ")", "[": "]", "{": "}"}[character])
        elif character in ")]}" and (not stack or stack.pop() != character):
            return f"'{expression}' has a '{character}' too many"
    if stack:
        return f"'{expression}' lacks a '{stack[-1]}'"
    if re.search(r"(?:[-+*/%<>=!&|?:.,]|\bin)\s*\Z", without_texts) or re.search(r"['\"]", without_texts):
        return f"'{expression}' ends too early"
    return None


def check_wasm_plugin(spec: Fields, report: Report) -> None:
    """Targets, the module's place, and its environment."""
    check_targets(spec, report)
    _check_wasm(spec, report)


def check_traffic_extension(spec: Fields, report: Report) -> None:
    """Either a Wasm module or a Lua script."""
    check_targets(spec, report)
    if "wasm" in spec:
        _check_wasm(spec.fields("wasm"), report)
    lua = spec.fields("lua")
    size = len(lua.text("inlineCode").encode())
    if size > _MAX_LUA:
        report.refuse(lua.at("inlineCode"), f"a Lua script has at most 64 KiB, this has {size} bytes")


def _check_wasm(plugin: Fields, report: Report) -> None:
    report.refuse_if(_refuse_module(plugin.text("url")), plugin.at("url"))
    for variable in plugin.fields("vmConfig").items("env"):
        if variable.text("valueFrom", "INLINE") == "HOST" and "value" in variable:
            report.refuse(variable.at("value"), "a variable taken from the host has no value of its own")


def _refuse_module(url: str) -> str | None:
    hint = f"'{url}' is not the place of a module: http://, https://, oci:// or file://"
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
    except ValueError:
        return hint
    bare_with_port = "://" not in url and re.match(r"[a-z][a-z0-9+.-]*:", url)
    if "://" in url and parts.scheme not in _SCHEMES:
        return hint
    if bare_with_port or _BAD_ESCAPE.search(url) or "#" in url[:1] or not url.isprintable():
        return hint
    return None


def check_proxy_config(spec: Fields, report: Report) -> None:
    """Which proxies it is for."""
    check_targets(spec, report)
