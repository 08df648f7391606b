"""What a run did, folded into one number: two runs are equal when their digests are."""

from __future__ import annotations

import hashlib


class RunDigest:
    """A blake2b over the lines it is fed, in order."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)

    def add(self, *parts: str | int) -> None:
        """Fold one line of parts into the digest."""
        self._hash.update("\x1f".join(str(part) for part in parts).encode())
        self._hash.update(b"\x1e")

    def add_bytes(self, data: bytes) -> None:
        """Fold raw bytes, with their length, into the digest."""
        self._hash.update(len(data).to_bytes(8, "big"))
        self._hash.update(data)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
