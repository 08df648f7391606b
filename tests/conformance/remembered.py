"""What decoders remember must not outlive a mistake that a test plants in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from meshsim.dataplane.decide import network_filters, route_decoding


def forget() -> None:
    """Have everything decoded again."""
    network_filters._decoded.cache_clear()
    route_decoding._match.cache_clear()


@contextmanager
def nothing_remembered() -> Iterator[None]:
    """Nothing of before is known inside, and nothing of it afterwards."""
    forget()
    try:
        yield
    finally:
        forget()
