"""The run digest tells runs apart by content and order."""

from __future__ import annotations

from meshsim.kernel import RunDigest


def _of(*lines: tuple[str | int, ...]) -> str:
    digest = RunDigest()
    for line in lines:
        digest.add(*line)
    return digest.hexdigest()


def test_equal_lines_give_equal_digests() -> None:
    assert _of(("a", 1), ("b", 2)) == _of(("a", 1), ("b", 2))


def test_order_and_borders_count() -> None:
    assert _of(("a", 1), ("b", 2)) != _of(("b", 2), ("a", 1))
    assert _of(("ab",)) != _of(("a", "b"))
    assert _of(("a",), ("b",)) != _of(("a", "b"))


def test_bytes_are_delimited() -> None:
    one, two = RunDigest(), RunDigest()
    one.add_bytes(b"ab")
    one.add_bytes(b"c")
    two.add_bytes(b"a")
    two.add_bytes(b"bc")
    assert one.hexdigest() != two.hexdigest()
