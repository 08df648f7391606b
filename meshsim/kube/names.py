"""Names that controllers give: template hashes and random suffixes in Kubernetes' alphabet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Final

from meshsim.kernel import draw

_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
"""No vowels and nothing that looks like another character (apimachinery pkg/util/rand)."""


def template_hash(template: Mapping[str, object]) -> str:
    """The ``pod-template-hash`` of a pod template.

    DEVIATION: the length and the alphabet are Kubernetes', the value is not (it hashes a Go dump of the struct).
    """
    text = json.dumps(template, sort_keys=True, default=str, separators=(",", ":"))
    number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(number))


def suffix(seed: int, *key: str | int) -> str:
    """Five characters that ``generateName`` appends."""
    number = draw(seed, "suffix", *key)
    letters = []
    for _ in range(5):
        number, index = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[index])
    return "".join(letters)
