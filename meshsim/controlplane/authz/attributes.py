"""Values of rule conditions as RBAC permissions and principals (istio security/authz/model/generator.go, 1.31)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from meshsim.controlplane.authz import matchers as m
from meshsim.xds.messages import (
    extension_pb2,
    rbac_pb2,
    string_pb2,
    uri_template_match_pb2,
    value_pb2,
)
from meshsim.xds.packing import pack

_SPIFFE: Final = "spiffe://"
SOURCE_PRINCIPAL: Final = "source.principal"
SOURCE_TRUST_DOMAIN: Final = "source.trustDomain"

Permission = rbac_pb2.Permission
Principal = rbac_pb2.Principal
P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class RuleContext:
    """What a value needs to become a matcher."""

    key: str
    namespace: str
    """Namespace of the policy: completes service accounts."""
    for_tcp: bool


Each = Callable[[RuleContext, str], P | None]
"""One value to one matcher; ``None`` when it cannot be expressed."""
Whole = Callable[[RuleContext, Sequence[str]], P | None]
"""All values of a list to one matcher."""


# --- permissions -----------------------------------------------------------------------------------------------


def _destination_ip(_: RuleContext, value: str) -> Permission | None:
    cidr = m.cidr_range(value)
    return None if cidr is None else Permission(destination_ip=cidr)


def _destination_port(_: RuleContext, value: str) -> Permission | None:
    if not value.isdigit() or int(value) > 65535:
        return None
    return Permission(destination_port=int(value))


def _sni(_: RuleContext, value: str) -> Permission | None:
    return Permission(requested_server_name=m.string_matcher(value))


def _host(context: RuleContext, value: str) -> Permission | None:
    if context.for_tcp:
        return None
    return Permission(header=m.header_matcher(":authority", value, ignore_case=True))


def _method(context: RuleContext, value: str) -> Permission | None:
    return None if context.for_tcp else Permission(header=m.header_matcher(":method", value))


def _path(context: RuleContext, value: str) -> Permission | None:
    if context.for_tcp:
        return None
    template = m.path_template(value)
    if template is None:
        return Permission(url_path=m.path_matcher(value))
    config = uri_template_match_pb2.UriTemplateMatchConfig(path_template=template)
    return Permission(uri_template=extension_pb2.TypedExtensionConfig(name="uri-template", typed_config=pack(config)))


def _envoy_metadata(context: RuleContext, values: Sequence[str]) -> Permission | None:
    """``experimental.envoy.filters.a.b[c]``: metadata ``c`` of filter ``envoy.filters.a.b``."""
    name, bracket, path = context.key.removeprefix("experimental.").removesuffix("]").partition("[")
    if not bracket:
        return None
    found = []
    for value in values:
        if value.startswith("[") and value.endswith("]"):
            inner = value_pb2.ValueMatcher(string_match=m.string_matcher(value.strip("[]")))
            found.append(m.list_of(inner))
        else:
            found.append(value_pb2.ValueMatcher(string_match=m.string_matcher(value)))
    return Permission(metadata=m.metadata_matcher(name, (path,), m.any_value(found)))


# --- principals ------------------------------------------------------------------------------------------------


def _authenticated(matcher: string_pb2.StringMatcher) -> Principal:
    return Principal(authenticated=Principal.Authenticated(principal_name=matcher))


def _source_ip(_: RuleContext, value: str) -> Principal | None:
    cidr = m.cidr_range(value)
    return None if cidr is None else Principal(direct_remote_ip=cidr)


def _remote_ip(_: RuleContext, value: str) -> Principal | None:
    cidr = m.cidr_range(value)
    return None if cidr is None else Principal(remote_ip=cidr)


def _namespace(_: RuleContext, value: str) -> Principal | None:
    expression = ".*".join(m.quote_meta(part) for part in value.split("*"))
    return _authenticated(m.regex(f".*/ns/{expression}/.*"))


def _service_account(context: RuleContext, value: str) -> Principal | None:
    namespace, slash, account = value.partition("/")
    if not slash:
        namespace, account = context.namespace, value
    return _authenticated(m.regex(f"spiffe://.+/ns/{m.quote_meta(namespace)}/(.+/|)sa/{m.quote_meta(account)}(/.+)?"))


def _source_principal(_: RuleContext, value: str) -> Principal | None:
    return _authenticated(m.string_matcher(value, prefix=_SPIFFE))


def _trust_domain(_: RuleContext, value: str) -> Principal | None:
    if "*" not in value:
        return _authenticated(string_pb2.StringMatcher(prefix=f"{_SPIFFE}{value}/"))
    expression = "[^/]*".join(m.quote_meta(part) for part in value.split("*"))
    return _authenticated(m.regex(f"{_SPIFFE}{expression}/.*"))


def _request_principals(context: RuleContext, values: Sequence[str]) -> Principal | None:
    """``iss/sub``, split at the last slash because an issuer may be a URL."""
    if context.for_tcp:
        return None
    found = []
    for value in values:
        issuer, subject = _issuer_and_subject(value)
        pair = [Principal(metadata=m.claim_is("iss", issuer)), Principal(metadata=m.claim_is("sub", subject))]
        found.append(Principal(and_ids=Principal.Set(ids=pair)))
    return found[0] if len(found) == 1 else Principal(or_ids=Principal.Set(ids=found))


def _issuer_and_subject(value: str) -> tuple[string_pb2.StringMatcher, string_pb2.StringMatcher]:
    anything = m.regex(".+")
    issuer, slash, subject = value.rpartition("/")
    if not slash:
        issuer, subject = value, ""
    if value == "*":
        return anything, anything
    if value.startswith("*"):
        if not slash:
            return anything, string_pb2.StringMatcher(suffix=value[1:])
        found = anything if issuer == "*" else string_pb2.StringMatcher(suffix=issuer[1:])
        return found, string_pb2.StringMatcher(exact=subject)
    if value.endswith("*"):
        if not slash:
            return string_pb2.StringMatcher(prefix=value[:-1]), anything
        found = anything if subject == "*" else string_pb2.StringMatcher(prefix=subject[:-1])
        return string_pb2.StringMatcher(exact=issuer), found
    return string_pb2.StringMatcher(exact=issuer), string_pb2.StringMatcher(exact=subject)


def _audiences(context: RuleContext, values: Sequence[str]) -> Principal | None:
    return None if context.for_tcp else Principal(metadata=m.claim_has(("aud",), values))


def _presenter(context: RuleContext, values: Sequence[str]) -> Principal | None:
    return None if context.for_tcp else Principal(metadata=m.claim_has(("azp",), values))


def _claims(context: RuleContext, values: Sequence[str]) -> Principal | None:
    if context.for_tcp:
        return None
    path = _nested_brackets(context.key.removeprefix("request.auth.claims"))
    return None if path is None else Principal(metadata=m.claim_has(path, values))


def _request_header(context: RuleContext, value: str) -> Principal | None:
    name = _in_brackets(context.key.removeprefix("request.headers"))
    if context.for_tcp or name is None:
        return None
    return Principal(header=m.header_matcher(name, value))


def _inline_header(context: RuleContext, value: str) -> Principal | None:
    name = _in_brackets(context.key.removeprefix("request.experimental.inline.headers"))
    if context.for_tcp or name is None:
        return None
    return Principal(header=m.inline_header_matcher(name, value))


def _in_brackets(text: str) -> str | None:
    if not text.startswith("[") or not text.endswith("]"):
        return None
    return text.removesuffix("]").removeprefix("[")


def _nested_brackets(text: str) -> list[str] | None:
    """``[a][b]`` is a, b; anything else in one pair of brackets is one name."""
    names: list[str] = []
    begin = 0
    while begin < len(text):
        end = text.find("]", begin)
        if text[begin] != "[" or end < 0 or "[" in text[begin + 1 : end]:
            whole = _in_brackets(text)
            return None if whole is None else [whole]
        names.append(text[begin + 1 : end])
        begin = end + 1
    return names


PERMISSIONS: Final[dict[str, Each[Permission]]] = {
    "destination.ip": _destination_ip,
    "destination.port": _destination_port,
    "connection.sni": _sni,
}
PRINCIPALS: Final[dict[str, Each[Principal]]] = {
    "source.ip": _source_ip,
    "remote.ip": _remote_ip,
    "source.namespace": _namespace,
    "source.serviceAccount": _service_account,
    SOURCE_PRINCIPAL: _source_principal,
    SOURCE_TRUST_DOMAIN: _trust_domain,
}
JOINT_PRINCIPALS: Final[dict[str, Whole[Principal]]] = {
    "request.auth.principal": _request_principals,
    "request.auth.audiences": _audiences,
    "request.auth.presenter": _presenter,
}
SOURCE_FIELDS: Final[tuple[tuple[str, str, str], ...]] = (
    ("principals", "notPrincipals", SOURCE_PRINCIPAL),
    ("requestPrincipals", "notRequestPrincipals", "request.auth.principal"),
    ("serviceAccounts", "notServiceAccounts", "source.serviceAccount"),
    ("trustDomains", "notTrustDomains", SOURCE_TRUST_DOMAIN),
    ("namespaces", "notNamespaces", "source.namespace"),
    ("remoteIpBlocks", "notRemoteIpBlocks", "remote.ip"),
    ("ipBlocks", "notIpBlocks", "source.ip"),
)
"""Fields of `from[].source` in the order of their matchers."""
OPERATION_FIELDS: Final[tuple[tuple[str, str, str, Each[Permission]], ...]] = (
    ("hosts", "notHosts", ":authority", _host),
    ("methods", "notMethods", ":method", _method),
    ("paths", "notPaths", "path-matcher", _path),
    ("ports", "notPorts", "destination.port", _destination_port),
)


def permission_of(key: str) -> tuple[Each[Permission] | None, Whole[Permission] | None]:
    """How the values of a `when` key become a permission; both ``None`` when the key asks about something else."""
    if key.startswith("experimental.envoy.filters."):
        return None, _envoy_metadata
    return PERMISSIONS.get(key), None


def principal_of(key: str) -> tuple[Each[Principal] | None, Whole[Principal] | None]:
    """How the values of a `when` key become a principal; both ``None`` for an unknown key."""
    if key.startswith("request.headers"):
        return _request_header, None
    if key.startswith("request.experimental.inline.headers"):
        return _inline_header, None
    if key.startswith("request.auth.claims"):
        return None, _claims
    return PRINCIPALS.get(key), JOINT_PRINCIPALS.get(key)
