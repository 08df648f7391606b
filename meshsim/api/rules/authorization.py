"""Rules of an AuthorizationPolicy.

Source: istio pkg/config/validation/validation.go (ValidateAuthorizationPolicy), pkg/config/security/security.go, 1.31.
"""

from __future__ import annotations

import re
from typing import Final

from meshsim.api.fields import Fields
from meshsim.api.rules.common import check_targets
from meshsim.api.rules.names import refuse_subnet
from meshsim.api.rules.report import Report

_PLAIN: Final = ("principals", "requestPrincipals", "namespaces", "trustDomains")
_BLOCKS: Final = ("ipBlocks", "remoteIpBlocks")
_IDENTITY: Final = ("principals", "requestPrincipals", "namespaces", "serviceAccounts")
_OPERATION: Final = ("hosts", "ports", "methods", "paths")
_ATTRIBUTES: Final = frozenset(
    {
        "source.ip",
        "remote.ip",
        "source.namespace",
        "source.principal",
        "source.serviceAccount",
        "source.trustDomain",
        "request.auth.principal",
        "request.auth.audiences",
        "request.auth.presenter",
        "destination.ip",
        "destination.port",
        "connection.sni",
    }
)
_KEYED_ATTRIBUTES: Final = ("request.headers", "request.auth.claims", "request.experimental.inline.headers")
_NOT_FOR_CUSTOM: Final = (
    "source.namespace",
    "source.principal",
    "source.serviceAccount",
    "request.auth.principal",
    "request.auth.audiences",
    "request.auth.presenter",
    "request.auth.claims",
)
_KEYED: Final = re.compile(r"[^\[\]]+\[[^\[\]]+\](?:\[[^\[\]]+\])*\Z")
_TEMPLATE: Final = re.compile(r"\{\*\*?\}")
_BOOLEANS: Final = frozenset({"1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"})
_DRY_RUN: Final = "istio.io/dry-run"


def check_authorization_policy(spec: Fields, annotations: Fields, report: Report) -> None:
    """Targets, action and every rule."""
    check_targets(spec, report)
    action = spec.text("action", "ALLOW")
    rules = spec.items("rules")
    provider = spec.fields("provider")
    if action == "CUSTOM":
        if not provider.text("name"):
            report.refuse(provider.path, "action CUSTOM needs provider.name, an extension provider of the mesh")
    elif "provider" in spec:
        report.refuse(provider.path, f"a provider goes with action CUSTOM, not {action}")
    if not rules and action in ("DENY", "CUSTOM"):
        report.refuse(spec.path, f"action {action} without rules never applies", "write rules: [{}] for every request")
    elif action == "ALLOW" and "rules" not in spec:
        report.warn(spec.path, "ALLOW without rules denies every request")
    for rule in rules:
        _check_rule(rule, action, report)
    _check_dry_run(annotations, action, report)


def _check_dry_run(annotations: Fields, action: str, report: Report) -> None:
    value = annotations.value(_DRY_RUN)
    if value is None:
        return
    if value not in _BOOLEANS:
        report.refuse(annotations.at(_DRY_RUN), f"'{value}' is not true or false")
    elif action not in ("ALLOW", "DENY"):
        report.refuse(annotations.at(_DRY_RUN), f"a dry run is for ALLOW and DENY, not {action}")


def _check_rule(rule: Fields, action: str, report: Report) -> None:
    for entry in rule.items("from"):
        _check_source(entry, action, report)
    for entry in rule.items("to"):
        _check_operation(entry, report)
    for condition in rule.items("when"):
        _check_condition(condition, action, report)
    if action == "DENY" and _only_http(rule):
        report.warn(rule.path, "this rule also denies all TCP traffic, which has no HTTP attributes", "add ports")


def _only_http(rule: Fields) -> bool:
    operations = [entry.fields("operation") for entry in rule.items("to")]
    with_http = [o for o in operations if any(o.texts(f) for f in ("methods", "paths", "hosts"))]
    return bool(with_http) and not any(operation.texts("ports") for operation in operations)


def _both(names: tuple[str, ...]) -> list[str]:
    return [form for name in names for form in (name, "not" + name[0].upper() + name[1:])]


def _check_source(entry: Fields, action: str, report: Report) -> None:
    source = entry.fields("source")
    if not any(source.texts(field) for field in _both((*_PLAIN, *_BLOCKS, "serviceAccounts"))):
        report.refuse(source.path, "a source needs at least one condition")
        return
    for field in _both(_PLAIN):
        _check_not_empty(source, field, report)
    for field in _both(_BLOCKS):
        for index, block in enumerate(source.texts(field)):
            report.refuse_if(refuse_subnet(block), f"{source.at(field)}[{index}]")
    accounts = _both(("serviceAccounts",))
    for field in accounts:
        for index, account in enumerate(source.texts(field)):
            report.refuse_if(_refuse_account(account), f"{source.at(field)}[{index}]")
    if any(source.texts(field) for field in accounts) and any(
        source.texts(field) for field in _both(("namespaces", "principals"))
    ):
        report.refuse(source.path, "service accounts exclude namespaces and principals in one source")
    if action == "CUSTOM":
        for field in _both(_IDENTITY):
            if source.texts(field):
                report.refuse(source.at(field), f"action CUSTOM does not support '{field}'")


def _refuse_account(account: str) -> str | None:
    if not account:
        return "an empty value is not allowed"
    if "*" in account:
        return f"'{account}' has a wildcard, which service accounts do not support"
    parts = account.split("/")
    if len(parts) > 2 or not all(parts):
        return f"'{account}' is not of the form name or namespace/name"
    return None


def _check_not_empty(fields: Fields, field: str, report: Report) -> None:
    for index, value in enumerate(fields.texts(field)):
        if not value:
            report.refuse(f"{fields.at(field)}[{index}]", "an empty value is not allowed", "'*' for any value")


def _check_operation(entry: Fields, report: Report) -> None:
    operation = entry.fields("operation")
    if not any(operation.texts(field) for field in _both(_OPERATION)):
        report.refuse(operation.path, "an operation needs at least one condition")
        return
    for field in _both(_OPERATION):
        _check_not_empty(operation, field, report)
    for field in _both(("ports",)):
        for index, port in enumerate(operation.texts(field)):
            report.refuse_if(_refuse_port(port), f"{operation.at(field)}[{index}]")
    for field in _both(("paths",)):
        for index, path in enumerate(operation.texts(field)):
            report.refuse_if(_refuse_template(path), f"{operation.at(field)}[{index}]")


def _refuse_port(port: str) -> str | None:
    return None if port.isdecimal() and int(port) <= 65_535 else f"'{port}' is not a port number"


def _refuse_template(path: str) -> str | None:
    """A path template: ``{*}`` and ``{**}`` as whole segments, the latter last."""
    if "{" not in path and "}" not in path:
        return None
    seen_deep = False
    for segment in path.strip("/").split("/"):
        if _TEMPLATE.fullmatch(segment):
            if seen_deep:
                return f"'{path}' has something after '{{**}}', which must be the last wildcard"
            seen_deep = segment == "{**}"
        elif "{" in segment or "}" in segment or ("*" in segment and segment != "*"):
            return f"'{path}' is not a path template: only whole segments can be '{{*}}' or '{{**}}'"
    return None


def _check_condition(condition: Fields, action: str, report: Report) -> None:
    key = condition.text("key")
    if not key:
        report.refuse(condition.at("key"), "a condition needs a key")
        return
    if not condition.texts("values") and not condition.texts("notValues"):
        report.refuse(condition.path, f"the condition on '{key}' needs values or notValues")
    name = key.partition("[")[0]
    if key not in _ATTRIBUTES and not (name in _KEYED_ATTRIBUTES and _KEYED.match(key)):
        if name in _KEYED_ATTRIBUTES:
            report.refuse(condition.at("key"), f"'{key}' is not of the form {name}[name]")
        elif not (name.startswith("experimental.envoy.filters.") and _KEYED.match(key)):
            from difflib import get_close_matches

            close = get_close_matches(key, [*_ATTRIBUTES, *_KEYED_ATTRIBUTES], 1)
            hint = f"did you mean '{close[0]}'?" if close else ""
            report.refuse(condition.at("key"), f"'{key}' is not an attribute of requests", hint)
        return
    for field in ("values", "notValues"):
        for index, value in enumerate(condition.texts(field)):
            report.refuse_if(_refuse_value(key, value), f"{condition.at(field)}[{index}]")
    if action == "CUSTOM" and name in _NOT_FOR_CUSTOM:
        report.refuse(condition.at("key"), f"action CUSTOM does not support '{key}'")


def _refuse_value(key: str, value: str) -> str | None:
    if key in ("source.ip", "remote.ip", "destination.ip"):
        return refuse_subnet(value)
    if key == "destination.port":
        return _refuse_port(value)
    if key == "source.serviceAccount":
        return _refuse_account(value)
    return None if value else "an empty value is not allowed"
