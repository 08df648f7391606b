"""Names controllers give."""

from __future__ import annotations

import re

from meshsim.kube.names import suffix, template_hash

_ALPHABET = re.compile(r"[bcdfghjklmnpqrstvwxz2456789]+")


def test_a_template_always_has_the_same_hash() -> None:
    digest = template_hash({"a": 1, "b": {"c": 2}})
    assert digest == template_hash({"b": {"c": 2}, "a": 1})
    assert digest != template_hash({"a": 1, "b": {"c": 3}})
    assert _ALPHABET.fullmatch(digest)
    assert 1 <= len(digest) <= 10


def test_suffixes_are_a_function_of_their_key() -> None:
    made = {suffix(1, "uid", number) for number in range(1000)}
    assert len(made) == 1000
    assert all(len(text) == 5 and _ALPHABET.fullmatch(text) for text in made)
    assert suffix(1, "uid", 7) == suffix(1, "uid", 7)
    assert suffix(2, "uid", 7) != suffix(1, "uid", 7)
