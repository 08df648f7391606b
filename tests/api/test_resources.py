"""Amounts of resources."""

from __future__ import annotations

import pytest

from meshsim.api import Fields
from meshsim.api.resources import cpu_quota, milli_value
from meshsim.errors import InputError
from meshsim.units import MILLISECOND


@pytest.mark.parametrize(
    ("text", "milli"),
    [("100m", 100), ("2", 2000), ("0.5", 500), (".1", 100), ("1e3", 1_000_000), ("1k", 1_000_000), ("1Ki", 1_024_000)],
)
def test_thousandths(text: str, milli: int) -> None:
    assert milli_value(text) == milli


def test_what_lies_between_is_rounded_up() -> None:
    assert milli_value("100u") == 1
    assert milli_value("1.0001") == 1001


@pytest.mark.parametrize("text", ["", "-1", "1x", "m", "1mm"])
def test_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a quantity"):
        milli_value(text)


def _container(cpu: object) -> Fields:
    return Fields({"resources": {"limits": {"cpu": cpu} if cpu is not None else {"memory": "1Gi"}}})


@pytest.mark.parametrize(
    ("limits", "milliseconds"), [((1,), 100), (("250m", "1.5"), 175), (("5m",), 1), (("1", None), 0), ((), 0)]
)
def test_quotas_of_a_period(limits: tuple[object, ...], milliseconds: int) -> None:
    assert cpu_quota([_container(limit) for limit in limits]) == milliseconds * MILLISECOND
