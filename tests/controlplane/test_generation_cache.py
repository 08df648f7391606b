from __future__ import annotations

from meshsim.controlplane import generation_cache
from meshsim.controlplane.generation_cache import ByIdentity, GenerationCache


def test_a_value_is_made_once_for_equal_keys() -> None:
    cache, made = GenerationCache(), []

    def make() -> str:
        made.append(1)
        return "value"

    assert [cache.get_or_make(("a", 1), make) for _ in range(3)] == ["value"] * 3
    assert len(made) == 1


def test_identity_keys_tell_equal_values_apart() -> None:
    one, other = [1], [1]
    assert ByIdentity(one) == ByIdentity(one)
    assert ByIdentity(one) != ByIdentity(other)
    cache = GenerationCache()
    assert cache.get_or_make(ByIdentity(one), lambda: "one") == "one"
    assert cache.get_or_make(ByIdentity(other), lambda: "other") == "other"


def test_only_what_two_generations_did_not_ask_for_is_forgotten(monkeypatch: object) -> None:
    limit = generation_cache._GENERATION_SIZE
    generation_cache._GENERATION_SIZE = 2  # type: ignore[misc]
    try:
        cache = GenerationCache()
        for key in "abcd":
            cache.get_or_make(key, lambda: key)  # noqa: B023
            cache.get_or_make("kept", lambda: "kept")
        assert cache.get_or_make("kept", lambda: "made again") == "kept"
        assert cache.get_or_make("a", lambda: "made again") == "made again"
    finally:
        generation_cache._GENERATION_SIZE = limit  # type: ignore[misc]
