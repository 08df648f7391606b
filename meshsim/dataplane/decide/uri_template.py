"""URI templates of routes, rewrites and RBAC permissions (Envoy source/extensions/path/uri_template_lib).

A template is ``/``-separated: literals, ``*`` (one segment), ``**`` (any rest), ``{name}`` or ``{name=pattern}``, and a
literal suffix after the last operator. It matches a path without query as a whole.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from meshsim.dataplane.decide.rejected import ResourceRejectedError

_PCHAR: Final = "a-zA-Z0-9\\-._~%!$&'()+,;:@="
_LITERAL: Final = re.compile(f"[{_PCHAR}]+")
_REWRITE_LITERAL: Final = re.compile(f"[{_PCHAR}/]+")
_NAME: Final = re.compile("[a-zA-Z][a-zA-Z0-9_]*")
_GLOBS: Final = {"*": f"[{_PCHAR}]+", "**": f"[{_PCHAR}/]*"}
_MAX_VARIABLES: Final = 5
_MAX_NAME: Final = 16


class UriTemplate(NamedTuple):
    """A compiled template."""

    text: str
    pattern: re.Pattern[str]

    def matches(self, path: str) -> bool:
        """Whether a path without query matches."""
        return self.pattern.fullmatch(path) is not None

    def rewrite(self, path: str, template: str) -> str:
        """The path put together anew from the variables of the match."""
        found = self.pattern.fullmatch(path)
        if found is None:
            return path
        values = found.groupdict()
        return re.sub(r"\{([^}]*)\}", lambda variable: values.get(variable.group(1)) or "", template)


class _Parser:
    """Reads a template from left to right into a regular expression."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.rest = text[1:]
        self.names: list[str] = []
        self.text_glob = False

    def run(self) -> UriTemplate:
        if not re.fullmatch(r"/[!-~]*", self.text):
            raise self._bad("Invalid pattern")
        parts: list[str] = []
        suffix = ""
        while self.rest:
            parts.append(self._segment())
            if self.rest == "/":
                parts.append("")
                break
            if self.rest.startswith("/"):
                self.rest = self.rest[1:]
            elif self.rest:
                suffix = self._literal()
                if self.rest:
                    raise self._bad("Prefix match not supported.")
        return UriTemplate(self.text, re.compile("/" + "/".join(parts) + suffix))

    def _bad(self, why: str) -> ResourceRejectedError:
        return ResourceRejectedError(f"path_match_policy.path_template {self.text} is invalid: {why}")

    def _segment(self) -> str:
        if self.rest.startswith("*"):
            return self._glob()
        return self._variable() if self.rest.startswith("{") else self._literal()

    def _glob(self, implicit: bool = False) -> str:
        operator = "*" if implicit or not self.rest.startswith("**") else "**"
        if not implicit:
            self.rest = self.rest[len(operator) :]
        if self.text_glob:
            raise self._bad("Implicit variable path glob after text glob." if implicit else "Glob after text glob.")
        self.text_glob = operator == "**"
        return _GLOBS[operator]

    def _literal(self) -> str:
        literal = self.rest.split("/", 1)[0]
        if not _LITERAL.fullmatch(literal):
            raise self._bad("Invalid literal")
        self.rest = self.rest[len(literal) :]
        return re.escape(literal)

    def _variable(self) -> str:
        inside, bracket, after = self.rest[1:].partition("}")
        if not bracket:
            raise self._bad("Unmatched variable bracket")
        name, equals, match = inside.partition("=")
        if not _NAME.fullmatch(name):
            raise self._bad("Invalid variable name")
        if len(name) > _MAX_NAME:
            raise self._bad("Invalid variable length")
        if name in self.names:
            raise self._bad("Repeated variable name")
        self.names.append(name)
        if len(self.names) > _MAX_VARIABLES:
            raise self._bad("Exceeded variable count limit")
        if equals and not match:
            raise self._bad("Empty variable match")
        self.rest = match
        parts = [] if match else [self._glob(implicit=True)]
        while self.rest:
            parts.append(self._glob() if self.rest.startswith("*") else self._literal())
            if self.rest:
                if not self.rest.startswith("/") or len(self.rest) == 1:
                    raise self._bad("Invalid variable match")
                self.rest = self.rest[1:]
        self.rest = after
        return f"(?P<{name}>{'/'.join(parts)})"


def parse_uri_template(text: str) -> UriTemplate:
    """The template; raises `ResourceRejectedError` with Envoy's reason."""
    return _Parser(text).run()


def check_rewrite_template(template: str, match: UriTemplate) -> None:
    """Refuse a rewrite that is no template or names a variable that the match has not."""
    if not template.startswith("/"):
        raise ResourceRejectedError(f"path_template_rewrite {template}: Invalid rewrite variable placement")
    if "//" in template:
        raise ResourceRejectedError(f"path_template_rewrite {template}: Invalid rewrite literal")
    for index, part in enumerate(template.split("{")):
        name, bracket, literal = part.partition("}") if index else ("", "}", part)
        if not bracket:
            raise ResourceRejectedError(f"path_template_rewrite {template}: Unmatched variable bracket")
        if index and not _NAME.fullmatch(name):
            raise ResourceRejectedError(f"path_template_rewrite {template}: Invalid variable name")
        if index and name not in match.pattern.groupindex:
            raise ResourceRejectedError(f"path_template_rewrite {template}: Nonexisting variable name")
        if literal and not _REWRITE_LITERAL.fullmatch(literal):
            raise ResourceRejectedError(f"path_template_rewrite {template}: Invalid rewrite literal pattern")
