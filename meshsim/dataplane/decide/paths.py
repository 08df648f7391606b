"""Normalisation of request paths (Envoy source/common/http/path_utility.cc; Chromium's URL canonicalization behind it).

Every rule measured on Envoy 1.40: unreserved escapes are decoded, ``%2F`` stays,
a backslash is a slash, dot segments are resolved (also escaped and, since 1.40, with ``;parameters``), ``//`` stays.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, NamedTuple

_UNESCAPED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~.")
"""Characters whose escapes are decoded."""
_ESCAPED: Final = frozenset('"#<>?`{}^\x7f') | frozenset(chr(c) for c in range(0x21))
_HEX: Final = "0123456789abcdefABCDEF"
_CANONICAL: Final = re.compile(r"[A-Za-z0-9/_~!$&'()*+,:=@|\[\]-]*")
"""Paths that stay as they are: no dot, no escape, nothing to be escaped."""


def is_plain(path: str) -> bool:
    """Whether a path stays as it is whatever is configured."""
    return "//" not in path and _CANONICAL.fullmatch(path) is not None


class EscapedSlashes(Enum):
    """What to do with ``%2F`` and ``%5C`` (HttpConnectionManager.PathWithEscapedSlashesAction)."""

    KEEP_UNCHANGED = 1
    REJECT_REQUEST = 2
    UNESCAPE_AND_REDIRECT = 3
    UNESCAPE_AND_FORWARD = 4


class Normalized(NamedTuple):
    """A path after normalisation."""

    path: str
    rejected: bool = False
    """Answered 400 ``path_normalization_failed``."""
    redirect: bool = False
    """Answered 307 to `path`."""


def normalize(
    path: str, *, canonical: bool, merge_slashes: bool, escaped: EscapedSlashes, fragment_allowed: bool = True
) -> Normalized:
    """The path as routes see it. With `fragment_allowed` a ``#`` part is cut (Istio's runtime), otherwise refused."""
    redirect = False
    if "#" in path:
        if not fragment_allowed:
            return Normalized(path, rejected=True)
        path = path[: path.index("#")]
    if escaped is not EscapedSlashes.KEEP_UNCHANGED:
        unescaped = unescape_slashes(path)
        if unescaped != path:
            if escaped is EscapedSlashes.REJECT_REQUEST:
                return Normalized(path, rejected=True)
            redirect = escaped is EscapedSlashes.UNESCAPE_AND_REDIRECT
            path = unescaped
    if canonical:
        canonicalized = canonicalize(path)
        if canonicalized is None:
            return Normalized(path, rejected=True)
        path = canonicalized
    if merge_slashes:
        path = merged(path)
    return Normalized(path, redirect=redirect)


def unescape_slashes(path: str) -> str:
    """``%2F`` and ``%5C`` of the path decoded, in both cases of the hex digits; the query stays."""
    head, mark, query = path.partition("?")
    for code, char in (("%2F", "/"), ("%2f", "/"), ("%5C", "\\"), ("%5c", "\\")):
        head = head.replace(code, char)
    return head + mark + query


def merged(path: str) -> str:
    """Adjacent slashes of the path made one; nothing but slashes becomes ``//``."""
    head, mark, query = path.partition("?")
    if "//" not in head:
        return path
    body = "/".join(p for p in head.split("/") if p)
    return f"{'/' if head.startswith('/') else ''}{body}{'/' if head.endswith('/') else ''}{mark}{query}"


def canonicalize(path: str) -> str | None:
    """The path with dot segments resolved and escapes normalised; None where Envoy refuses (an escaped NUL)."""
    head, mark, query = path.partition("?")
    if _CANONICAL.fullmatch(head):
        return path
    result = _Canonicalizer(_without_dot_parameters(head)).run()
    return None if result is None else result + mark + query


def _without_dot_parameters(head: str) -> str:
    """Parameters of dot segments cut (1.40): ``/..;x/y`` is ``/../y``."""
    if ";" not in head:
        return head
    segments = head.replace("\\", "/").split("/")
    for i, segment in enumerate(segments):
        name, mark, _ = segment.partition(";")
        if mark and name.replace("%2e", ".").replace("%2E", ".") in (".", ".."):
            segments[i] = name
    return "/".join(segments)


class _Canonicalizer:
    """One pass over a path without query."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.out: list[str] = []
        self.invalid_percent = -10
        """Where in the output a ``%`` stands that begins no escape."""

    def run(self) -> str | None:
        at = 0
        path = self.path
        while at < len(path):
            char = path[at]
            dot = self._dot_length(at)
            if dot:
                at = self._dot(at, dot)
            elif char == "\\":
                self.out.append("/")
                at += 1
            elif char == "%":
                if path[at + 1 : at + 3] == "00":
                    return None
                at = self._escape(at)
            else:
                self._plain(char)
                at += 1
        return "".join(self.out)

    def _plain(self, char: str) -> None:
        if char in _ESCAPED:
            self.out.extend(f"%{ord(char):02X}")
        elif ord(char) >= 0x80:
            for byte in char.encode():
                self.out.extend(f"%{byte:02X}")
        else:
            self.out.append(char)

    def _dot_length(self, at: int) -> int:
        if self.path[at : at + 1] == ".":
            return 1
        return 3 if self.path[at : at + 3].lower() == "%2e" else 0

    def _dot(self, at: int, dot: int) -> int:
        """A dot after a slash may be a segment of its own; returns where reading goes on."""
        after = at + dot
        if not self.out or self.out[-1] != "/":
            self.out.append(".")
            return after
        if after == len(self.path):
            return after
        if self.path[after] in "/\\":
            return after + 1
        second = self._dot_length(after)
        if second:
            end = after + second
            if end == len(self.path) or self.path[end] in "/\\":
                self._up()
                return min(end + 1, len(self.path))
        self.out.append(".")
        return after

    def _up(self) -> None:
        """Back to the slash before the last one; never above the first."""
        at = len(self.out) - 1
        if at > 0:
            at -= 1
            while self.out[at] != "/" and at > 0:
                at -= 1
            del self.out[at + 1 :]
        if self.invalid_percent >= len(self.out):
            self.invalid_percent = -10

    def _escape(self, at: int) -> int:
        digits = self.path[at + 1 : at + 3]
        if len(digits) < 2 or digits[0] not in _HEX or digits[1] not in _HEX:
            self.invalid_percent = len(self.out)
            self.out.append("%")
            return at + 1
        char = chr(int(digits, 16))
        if char not in _UNESCAPED:
            self.out.extend(f"%{digits}")
            return at + 3
        self.out.append(char)
        if self.invalid_percent >= len(self.out) - 3:
            self._check_nested(at + 3)
        return at + 3

    def _check_nested(self, following: int) -> None:
        """A decoded character that completes a new escape behind a lone ``%`` makes that one ``%25``."""
        length = len(self.out)
        last = self.out[-1]
        append = self.invalid_percent == length - 2
        if append:
            if following >= len(self.path):
                return
            self.out.append(self.path[following])
        digits = self.out[self.invalid_percent + 1 : self.invalid_percent + 3]
        if len(digits) == 2 and all(d in _HEX for d in digits):
            if not append:
                self.out.append(self.out[self.invalid_percent + 1])
            self.out[self.invalid_percent + 1] = "2"
            self.out[self.invalid_percent + 2] = "5"
            self.out.append(last)
        elif append:
            self.out.pop()
