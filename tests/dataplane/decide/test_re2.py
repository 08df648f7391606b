"""RE2 on Python's engine: what is refused and with which words, and where both would differ."""

from __future__ import annotations

import pytest

from meshsim.dataplane.decide.re2 import compile_re2, full_match, global_replace
from meshsim.dataplane.decide.rejected import NotModelledError, ResourceRejectedError


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(abc", "missing ): (abc"),
        ("abc)", "unexpected ): abc)"),
        ("[abc", "missing ]: [abc"),
        ("(?!x)", "invalid perl operator: (?!"),
        ("(?<=x)", "invalid perl operator: (?<"),
        ("(?P=x)", "invalid perl operator: (?P"),
        ("a**", "bad repetition operator: **"),
        ("*a", "no argument for repetition operator: *"),
        ("a{1001}", "invalid repetition size: {1001}"),
        ("[z-a]", "invalid character class range: z-a"),
        ("\\1", "invalid escape sequence: \\1"),
        ("\\Z", "invalid escape sequence: \\Z"),
        ("a\\", "trailing \\ at end of regexp: "),
    ],
)
def test_refused_as_re2_refuses(pattern: str, reason: str) -> None:
    with pytest.raises(ResourceRejectedError) as error:
        compile_re2(pattern)
    assert error.value.message == reason


@pytest.mark.parametrize("pattern", ["\\pL", "\\C", "(?U)a+", "[\\pN]"])
def test_what_python_cannot_do_is_named(pattern: str) -> None:
    with pytest.raises(NotModelledError):
        compile_re2(pattern)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("a$", "a\n", False),  # Python's $ would match before a final newline
        ("\\s", "\v", False),  # RE2's \s has no vertical tab
        ("\\w", "é", False),
        ("a|b(?i)c|d", "D", True),  # a flag holds to the end of its group, over the bar
        ("a|b(?i)c|d", "A", False),
        ("a|b(?i)c|d", "bC", True),
        ("(?i:x)Y", "Xy", False),
        ("(?s).", "\n", True),
        (".", "\n", False),
        ("[[:alpha:]_]+", "ab_C", True),
        ("[[:^digit:]]", "5", False),
        ("a{,3}", "a{,3}", True),  # not a repeat in RE2
        ("\\Qa.b\\E", "a.b", True),
        ("\\x{41}\\x42\\103", "ABC", True),
        ("(?P<n>a)(?<m>b)", "ab", True),
        ("[]a]+", "]a", True),
        ("[a&&b]", "&", True),
        ("(?m)^a$", "a", True),
        ("^*a", "a", True),
    ],
)
def test_matches_as_a_whole(pattern: str, text: str, matches: bool) -> None:
    assert full_match(compile_re2(pattern), text) is matches


@pytest.mark.parametrize(
    ("pattern", "substitution", "text", "result"),
    [
        ("/(a.*)", "/r\\1-\\0", "/abc", "/rabc-/abc"),
        ("x*", "-", "axb", "-a-b-"),  # Python's sub gives -a--b-
        ("b", "\\\\", "abc", "a\\c"),
        ("(a)|(b)", "[\\2]", "ab", "[][b]"),
        ("q", "z", "abc", "abc"),
    ],
)
def test_global_replace(pattern: str, substitution: str, text: str, result: str) -> None:
    assert global_replace(compile_re2(pattern), text, substitution) == result
