"""Canonical quantities as the API server prints them."""

from __future__ import annotations

import pytest

from meshsim.admission.quantities import canonical_quantity
from meshsim.errors import InputError


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2000m", "2"),
        ("100m", "100m"),
        ("1024Mi", "1Gi"),
        ("128Mi", "128Mi"),
        ("1.5", "1500m"),
        ("0", "0"),
        ("0.5Gi", "512Mi"),
        ("1000", "1k"),
        ("1e3", "1e3"),
        ("12e6", "12e6"),
        ("500u", "500u"),
        ("-1", "-1"),
        ("1023", "1023"),
        ("512Ki", "512Ki"),
        ("1G", "1G"),
    ],
)
def test_canonical_form(text: str, canonical: str) -> None:
    assert canonical_quantity(text) == canonical


@pytest.mark.parametrize("text", ["", "abc", "1 Gi", "10%", "1\n", "Mi"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        canonical_quantity(text)
