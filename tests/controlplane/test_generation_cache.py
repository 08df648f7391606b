from __future__ import annotations

import pytest

from meshsim.controlplane import generation_cache
from meshsim.controlplane.generation_cache import GenerationCache
from meshsim.xds.sharing import ByIdentity


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


def test_only_what_two_generations_did_not_ask_for_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation_cache, "_GENERATION_SIZE", 2)
    cache = GenerationCache()
    for key in "abcd":
        cache.get_or_make(key, lambda: key)  # noqa: B023
        cache.get_or_make("kept", lambda: "kept")
    assert cache.get_or_make("kept", lambda: "made again") == "kept"
    assert cache.get_or_make("a", lambda: "made again") == "made again"


def test_a_slot_holds_what_was_made_from_its_newest_inputs() -> None:
    cache = GenerationCache()
    seen: list[object] = []

    def make(before: str | None) -> str:
        seen.append(before)
        return f"made {len(seen)}"

    one, other = object(), object()
    assert [cache.latest("slot", (one, 1), make) for _ in range(2)] == ["made 1"] * 2
    assert cache.latest("slot", (other, 1), make) == "made 2"
    assert cache.latest("slot", (one, 1), make) == "made 3"
    assert cache.latest("another", (one, 1), make) == "made 4"
    assert seen == [None, "made 1", "made 2", None]


def test_slots_that_two_generations_did_not_ask_for_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation_cache, "_GENERATION_SIZE", 2)
    cache = GenerationCache()
    for slot in "abcd":
        cache.latest(slot, (), lambda _: slot)  # noqa: B023
        cache.latest("kept", (), lambda _: "kept")
    assert cache.latest("kept", (), lambda _: "made again") == "kept"
    assert cache.latest("a", (), lambda _: "made again") == "made again"


def test_equal_values_are_shared_under_one_key() -> None:
    cache = GenerationCache()
    one, equal, other = [1], [1], [2]
    assert cache.shared("key", one) is one
    assert cache.shared("key", equal) is one
    assert cache.shared("key", other) is other
    assert cache.shared("another", equal) is equal
