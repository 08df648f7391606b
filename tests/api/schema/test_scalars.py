"""Scalar types: what each takes and what it stores."""

from __future__ import annotations

import pytest

from meshsim.api.schema.scalars import SCALARS

GOOD: list[tuple[str, object]] = [
    ("text", ""),
    ("bool", False),
    ("int", -5),
    ("int", 5.0),
    ("uint32", 0),
    ("port", 65_535),
    ("number", 0.5),
    ("duration", "1.5s"),
    ("duration", "0s"),
    ("duration", "-1s"),
    ("span", "1ms"),
    ("gwduration", "1h30m"),
    ("quantity", "500m"),
    ("quantity", 2),
    ("quantity", "1e3"),
    ("quantity", "128Mi"),
    ("intstr", "25%"),
    ("intstr", 1),
    ("time", "2024-05-01T12:00:00.5Z"),
    ("bytes", "YQ=="),
    ("bytes", "Y\nQ=="),
    ("object", {}),
    ("any", None),
    ("dnslabel", "a-1"),
    ("dnsname", "a.b"),
    ("hostname", "*.a.b"),
    ("group", ""),
    ("kind", "Service"),
    ("headername", "x-a"),
    ("porttext", "8080"),
    ("selectorvalue", ""),
    ("nothing", ""),
    ("sha256", ""),
]
BAD: list[tuple[str, object]] = [
    ("text", 1),
    ("text", True),
    ("bool", "true"),
    ("int", "5"),
    ("int", 5.5),
    ("int", True),
    ("uint32", -1),
    ("uint32", 1 << 32),
    ("port", 0),
    ("number", "0.5"),
    ("duration", 5),
    ("duration", "5"),
    ("duration", "315576000001s"),
    ("span", "0s"),
    ("span", "0.5ms"),
    ("gwduration", "1.5s"),
    ("gwduration", "1d"),
    ("quantity", "1 Mi"),
    ("quantity", True),
    ("intstr", 1.5),
    ("time", "2024-05-01"),
    ("bytes", "%%"),
    ("bytes", 5),
    ("object", []),
    ("dnslabel", "a.b"),
    ("dnsname", "A"),
    ("dnsname", "a" * 64),
    ("hostname", "a.*"),
    ("porttext", "http"),
    ("porttext", "0"),
    ("selectorkey", "a*"),
    ("selectorkey", ""),
    ("nothing", "x"),
    ("sha256", "abc"),
]


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_taken(name: str, value: object) -> None:
    assert SCALARS[name](value) == value


@pytest.mark.parametrize(("name", "value"), BAD)
def test_refused_with_what_is_expected(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"^must be "):
        SCALARS[name](value)


def test_whole_numbers_written_as_reals_are_stored_whole() -> None:
    assert type(SCALARS["int"](80.0)) is int
