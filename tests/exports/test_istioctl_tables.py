"""Every table of istioctl by its name in the recordings."""

from __future__ import annotations

import pytest

from meshsim.errors import InputError
from meshsim.exports.istioctl_tables import ISTIOCTL_TABLES
from meshsim.xds import type_urls
from meshsim.xds.messages import route_pb2


@pytest.mark.parametrize("name", ["cluster", "listener", "listener-not-verbose", "route", "route-not-verbose"])
def test_a_proxy_without_any_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"no {name.partition('-')[0]}s found"):
        ISTIOCTL_TABLES[name]({})


def test_a_proxy_without_extensions_or_policies_has_empty_tables() -> None:
    assert ISTIOCTL_TABLES["ecds"]({}) == "ECDS NAME     TYPE\n"
    assert ISTIOCTL_TABLES["authz-check"]({}) == "ACTION   AuthorizationPolicy   RULES\n"


def test_both_lengths_of_a_table() -> None:
    resources = {type_urls.ROUTE: [route_pb2.RouteConfiguration(name="80")]}
    assert ISTIOCTL_TABLES["route-not-verbose"](resources).startswith("NAME     VIRTUAL HOSTS\n80       0\n")
    assert "MATCH" in ISTIOCTL_TABLES["route"](resources)
