"""Rules of PeerAuthentication and RequestAuthentication.

Source: istio pkg/config/validation/validation.go (ValidatePeerAuthentication, ValidateRequestAuthentication) and the
CEL rules of the CRDs, 1.31.
"""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from meshsim.api.fields import Fields
from meshsim.api.rules.common import check_targets
from meshsim.api.rules.report import Report


def check_peer_authentication(spec: Fields, report: Report) -> None:
    """Modes of ports need a selector, since a port number means something else at every workload."""
    check_targets(spec, report)
    if "portLevelMtls" in spec and not spec.fields("selector").text_map("matchLabels"):
        report.refuse(spec.at("portLevelMtls"), "portLevelMtls needs a selector with labels")


def check_request_authentication(spec: Fields, report: Report) -> None:
    """Targets and every JWT rule."""
    check_targets(spec, report)
    for rule in spec.items("jwtRules"):
        if not rule.text("issuer") and not rule.text("jwksUri"):
            report.refuse(rule.path, "a JWT rule needs issuer or jwksUri")
        if rule.text("jwksUri"):
            if rule.text("jwks"):
                report.refuse(rule.at("jwksUri"), "'jwks' and 'jwksUri' exclude each other")
            report.refuse_if(_refuse_uri(rule.text("jwksUri")), rule.at("jwksUri"))
        if rule.text("jwks"):
            _check_keys(rule, report)
        for field, name in (("fromHeaders", "name"), ("outputClaimToHeaders", "header")):
            for entry in rule.items(field):
                if not entry.text(name).strip():
                    report.refuse(entry.at(name), f"'{name}' must not be empty")


def _refuse_uri(uri: str) -> str | None:
    try:
        parts = urlsplit(uri)
        if not (parts.netloc.rpartition("]")[2].rpartition("@")[2].partition(":")[2] or "0").isdecimal():
            return f"'{uri}' has a port that is not a number"
    except ValueError:
        return f"'{uri}' is not a URL"
    if parts.scheme not in ("http", "https") or not uri.isprintable() or " " in uri:
        return f"'{uri}' is not a URL with http:// or https://"
    return None


def _check_keys(rule: Fields, report: Report) -> None:
    path = rule.at("jwks")
    try:
        keys = json.loads(rule.text("jwks"))
    except ValueError as error:
        report.refuse(path, f"jwks is not JSON: {error}")
        return
    listed = keys.get("keys") if isinstance(keys, dict) and "keys" in keys else [keys]
    for index, key in enumerate(listed if isinstance(listed, list) else [None]):
        if not isinstance(key, dict) or key.get("kty") not in ("RSA", "EC", "oct", "OKP"):
            report.refuse(path, f"key {index} of jwks has no known type (kty)")
        elif any(part in key for part in ("d", "p", "q", "k")):
            report.warn(path, f"key {index} of jwks contains private key material", "give the public key only")
