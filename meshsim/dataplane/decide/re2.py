"""RE2 patterns on Python's engine: the common subset, translated, with RE2's own refusals.

RE2 matches in linear time, has no look-around, back-references, atomic groups or possessive repeats, and reads some
escapes differently; what RE2 refuses is refused with its text (measured on Envoy 1.40: ``missing ): (abc``,
``invalid perl operator: (?!``). Not translated and refused as not modelled: Unicode classes ``\\p``, ``\\C`` and the
ungreedy flag ``(?U)``. Envoy 1.40 compiles with Latin-1: one character a byte, which is what header text is here.

DEVIATION: Envoy's limit of the program size (``re2.max_program_size.error_level``, Istio 32768) is not applied.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from meshsim.dataplane.decide.rejected import NotModelledError, ResourceRejectedError

_POSIX: Final = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\\x00-\\x7f",
    "blank": "\\t ",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\t\\n\\v\\f\\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_NOT_POSIX: Final = {
    "digit": "\\x00-/:-\\xff",
    "space": "\\x00-\\x08\\x0e-\\x1f!-\\xff",
    "word": "\\x00-/:-@\\[-\\^`{-\\xff",
}
_PERL: Final = {
    "d": "0-9",
    "w": "0-9A-Za-z_",
    "s": "\\t\\n\\f\\r ",
    "D": "\\x00-/:-\\xff",
    "W": "\\x00-/:-@\\[-\\^`{-\\xff",
    "S": "\\x00-\\x08\\x0b\\x0e-\\x1f!-\\xff",
}
_LITERAL_ESCAPES: Final = {"a": "\x07", "f": "\x0c", "n": "\n", "r": "\r", "t": "\t", "v": "\x0b"}
_REPEAT: Final = re.compile(r"\{(\d+)(?:(,)(\d*))?\}")
_MAX_REPEAT: Final = 1000


@lru_cache(maxsize=4096)
def compile_re2(pattern: str) -> re.Pattern[str]:
    """The pattern for Python.

    Raises `ResourceRejectedError` where RE2 refuses it and `NotModelledError` where only Python cannot.
    """
    translated = _Translator(pattern).run()
    try:
        return re.compile(translated, re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise ResourceRejectedError(f"{error}: {pattern}") from error


def full_match(pattern: re.Pattern[str], text: str) -> bool:
    """RE2::FullMatch."""
    return pattern.fullmatch(text) is not None


def global_replace(pattern: re.Pattern[str], text: str, substitution: str) -> str:
    """RE2::GlobalReplace: an empty match right after the previous match is skipped, which Python's `sub` does not."""
    out: list[str] = []
    at, last_end = 0, -1
    while at <= len(text):
        match = pattern.search(text, at)
        if match is None:
            break
        begin, end = match.span()
        out.append(text[at:begin])
        if begin == end == last_end:
            out.append(text[begin : begin + 1])
            at = begin + 1
            continue
        out.append(_expand(match, substitution))
        at = last_end = end
    out.append(text[at:])
    return "".join(out)


def _expand(match: re.Match[str], substitution: str) -> str:
    """RE2::Rewrite: ``\\0`` to ``\\9`` and ``\\\\``; a group that took no part is empty."""
    out: list[str] = []
    at = 0
    while at < len(substitution):
        char = substitution[at]
        at += 1
        if char != "\\" or at == len(substitution):
            out.append(char)
            continue
        code = substitution[at]
        at += 1
        if code.isdigit():
            number = int(code)
            out.append((match.group(number) or "") if number <= (match.re.groups) else "")
        else:
            out.append(code)
    return "".join(out)


class _Group(NamedTuple):
    """An open group: the flags in force before it, and how many mode groups stand open inside it."""

    flags: frozenset[str]
    prefix: str
    """Text that reopens the mode in force inside the group, after an alternation bar; empty without mode."""


class _Translator:
    """One pass over a pattern, character by character."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern.encode().decode("latin-1")
        self.at = 0
        self.out: list[str] = []
        self.groups: list[_Group] = []
        self.flags: frozenset[str] = frozenset()
        self.mode = ""
        """The ``(?i:`` that stands open at this level, empty without."""
        self.repeatable = False
        self.repeated = ""
        """The repeat just read, which no other may follow."""

    def run(self) -> str:
        """The whole pattern, translated."""
        while self.at < len(self.pattern):
            self._step(self.pattern[self.at])
        if self.groups:
            raise ResourceRejectedError(f"missing ): {self.pattern}")
        return "".join(self.out) + (")" if self.mode else "")

    def _emit(self, text: str, repeatable: bool = True) -> None:
        self.out.append(text)
        self.repeatable = repeatable
        self.repeated = ""

    def _step(self, char: str) -> None:
        if char in "*+?" or (char == "{" and _REPEAT.match(self.pattern, self.at)):
            self._repeat(char)
        elif char == "\\":
            self._escape()
        elif char == "[":
            self._class()
        elif char == "(":
            self._open()
        elif char == ")":
            self._close()
        elif char == "|":
            self.at += 1
            self._emit(f")|{self.mode}" if self.mode else "|", repeatable=False)
        elif char in "^$":
            self.at += 1
            multiline = "m" in self.flags
            self._emit({"^": "(?:^)", "$": "(?:$)"}[char] if multiline else {"^": "(?:\\A)", "$": "(?:\\Z)"}[char])
        else:
            self.at += 1
            self._emit("." if char == "." else re.escape(char))

    def _repeat(self, char: str) -> None:
        found = _REPEAT.match(self.pattern, self.at) if char == "{" else None
        text = found.group() if found else char
        if not self.repeatable:
            raise ResourceRejectedError(f"no argument for repetition operator: {text}")
        if self.repeated:
            raise ResourceRejectedError(f"bad repetition operator: {self.repeated}{text}")
        if found:
            low = int(found.group(1))
            high = int(found.group(3)) if found.group(3) else low
            if low > _MAX_REPEAT or high > _MAX_REPEAT or high < low:
                raise ResourceRejectedError(f"invalid repetition size: {text}")
        self.at += len(text)
        lazy = self.at < len(self.pattern) and self.pattern[self.at] == "?"
        if lazy:
            self.at += 1
        self.out.append(text + ("?" if lazy else ""))
        self.repeated = text + ("?" if lazy else "")

    def _escape(self) -> None:
        if self.at + 1 >= len(self.pattern):
            raise ResourceRejectedError("trailing \\ at end of regexp: ")
        code = self.pattern[self.at + 1]
        if code in _PERL:
            self.at += 2
            self._emit(f"[{_PERL[code]}]")
        elif code in "bBA":
            self.at += 2
            self._emit(f"(?:\\{code})")
        elif code == "z":
            self.at += 2
            self._emit("(?:\\Z)")
        elif code == "Q":
            end = self.pattern.find("\\E", self.at + 2)
            literal = self.pattern[self.at + 2 : end if end >= 0 else len(self.pattern)]
            self.at = end + 2 if end >= 0 else len(self.pattern)
            for char in literal:
                self._emit(re.escape(char))
        elif code in "pPC":
            raise NotModelledError(f"regular expression escape \\{code} is not modelled: {self.pattern}")
        else:
            self._emit(_quoted(self._literal_escape()))

    def _literal_escape(self) -> str:
        """The character that an escape names; `at` moves behind it."""
        code = self.pattern[self.at + 1]
        if code in _LITERAL_ESCAPES:
            self.at += 2
            return _LITERAL_ESCAPES[code]
        hexadecimal = re.compile(r"x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]+)\})").match(self.pattern, self.at + 1)
        octal = re.compile(r"0[0-7]{0,2}|[1-7][0-7]{1,2}").match(self.pattern, self.at + 1)
        found = hexadecimal or octal
        if found:
            value = int(found.group(1) or found.group(2), 16) if hexadecimal else int(found.group(), 8)
            if value > 0xFF:
                raise ResourceRejectedError(f"invalid escape sequence: \\{found.group()}")
            self.at = found.end()
            return chr(value)
        if code.isalnum() or ord(code) > 0x7F:
            raise ResourceRejectedError(f"invalid escape sequence: \\{code}")
        self.at += 2
        return code

    def _class(self) -> None:
        begin = self.at
        self.at += 1
        negated = self.pattern.startswith("^", self.at)
        if negated:
            self.at += 1
        items: list[str] = []
        first = True
        while first or not self.pattern.startswith("]", self.at):
            if self.at >= len(self.pattern):
                raise ResourceRejectedError(f"missing ]: {self.pattern[begin:]}")
            items.append(self._class_item())
            first = False
        self.at += 1
        self._emit(f"[{'^' if negated else ''}{''.join(items)}]")

    def _class_item(self) -> str:
        posix = re.compile(r"\[:(\^?)(\w+):\]").match(self.pattern, self.at)
        if posix:
            return self._posix(posix)
        if self.pattern.startswith("\\", self.at):
            code = self.pattern[self.at + 1 : self.at + 2]
            if code in _PERL:
                self.at += 2
                return _PERL[code]
            if code in ("p", "P"):
                raise NotModelledError(f"regular expression escape \\{code} is not modelled: {self.pattern}")
        low = self._class_char()
        following = self.pattern[self.at : self.at + 2]
        if len(following) < 2 or following[0] != "-" or following[1] == "]":
            return _quoted(low)
        begin = self.at - 1
        self.at += 1
        high = self._class_char()
        if high < low:
            raise ResourceRejectedError(f"invalid character class range: {self.pattern[begin : self.at]}")
        return f"{_quoted(low)}-{_quoted(high)}"

    def _class_char(self) -> str:
        char = self.pattern[self.at]
        if char == "\\":
            if self.at + 1 >= len(self.pattern):
                raise ResourceRejectedError("trailing \\ at end of regexp: ")
            return self._literal_escape()
        self.at += 1
        return char

    def _posix(self, found: re.Match[str]) -> str:
        negated, name = found.groups()
        if name not in _POSIX:
            raise ResourceRejectedError(f"invalid character class range: {found.group()}")
        if negated and name not in _NOT_POSIX:
            raise NotModelledError(f"character class {found.group()} is not modelled: {self.pattern}")
        self.at = found.end()
        return _NOT_POSIX[name] if negated else _POSIX[name]

    def _open(self) -> None:
        rest = self.pattern[self.at :]
        named = re.match(r"\(\?P?<([A-Za-z0-9_]+)>", rest)
        flagged = re.match(r"\(\?([imsU]*)(?:-([imsU]+))?([:)])", rest)
        if named:
            self._push(f"(?P<{named.group(1)}>")
            self.at += named.end()
        elif not rest.startswith("(?"):
            self._push("(")
            self.at += 1
        elif flagged and (flagged.group(1) or flagged.group(2) or flagged.group(3) == ":"):
            self._flags(flagged)
        else:
            raise ResourceRejectedError(f"invalid perl operator: {rest[:3]}")

    def _flags(self, found: re.Match[str]) -> None:
        on, off, end = found.groups()
        if "U" in on or "U" in (off or ""):
            raise NotModelledError(f"the ungreedy flag (?U) is not modelled: {self.pattern}")
        flags = (self.flags | frozenset(on)) - frozenset(off or "")
        mode = _mode(flags)
        self.at += found.end()
        if end == ":":
            self._push(mode or "(?:")
            self.flags = flags
            return
        self.out.append((")" if self.mode else "") + mode)
        self.mode, self.flags = mode, flags

    def _push(self, text: str) -> None:
        self.groups.append(_Group(self.flags, self.mode))
        self.mode = ""
        self._emit(text, repeatable=False)

    def _close(self) -> None:
        if not self.groups:
            raise ResourceRejectedError(f"unexpected ): {self.pattern}")
        if self.mode:
            self.out.append(")")
        self.flags, self.mode = self.groups.pop()
        self.at += 1
        self._emit(")")


def _mode(flags: frozenset[str]) -> str:
    """An opening group in which exactly these flags are on."""
    on = "".join(sorted(flags))
    off = "".join(sorted(frozenset("ims") - flags))
    return f"(?{on}{'-' + off if off else ''}:"


def _quoted(char: str) -> str:
    return char if char.isascii() and char.isalnum() else f"\\x{ord(char):02x}"
