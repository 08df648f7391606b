"""The examples of RFC 8032 section 7.1."""

from __future__ import annotations

import pytest

from meshsim.dataplane.decide.ed25519 import BASE, add, encode, multiply, verify_ed25519

EXAMPLES = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
]
ORDER = 2**252 + 27742317777372353535851937790883648493


@pytest.mark.parametrize(("key", "message", "signature"), EXAMPLES, ids=["empty", "one byte"])
def test_examples(key: str, message: str, signature: str) -> None:
    parts = [bytes.fromhex(text) for text in (key, message, signature)]
    assert verify_ed25519(*parts)
    public, content, signed = parts
    assert not verify_ed25519(public, content + b"x", signed)
    assert not verify_ed25519(public, content, signed[:-1])
    assert not verify_ed25519(public[:-1], content, signed)
    larger = int.from_bytes(signed[32:], "little") + ORDER
    assert not verify_ed25519(public, content, signed[:32] + larger.to_bytes(32, "little")), "a second form of the same"


def test_the_group() -> None:
    """The generator's encoding (RFC 8032 section 5.1) and its order."""
    assert encode(BASE) == bytes.fromhex("58" + "66" * 31)
    assert encode(multiply(BASE, ORDER)) == encode((0, 1, 1, 0))
    assert encode(add(BASE, BASE)) == encode(multiply(BASE, 2))


def test_what_is_no_point() -> None:
    signature = bytes.fromhex(EXAMPLES[0][2])
    for key in (b"\xff" * 32, bytes.fromhex("02" + "00" * 31), bytes.fromhex("01" + "00" * 30 + "80")):
        assert not verify_ed25519(key, b"", signature)
