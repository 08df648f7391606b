"""What Pilot keeps of a proxy's stream."""

from __future__ import annotations

from typing import Any

from meshsim.controlplane.connections import Connection
from meshsim.controlplane.dependencies import ScopeMemo
from meshsim.xds.ads_server import AdsServerStream


def _connection(shop: Any) -> Connection:
    proxy, push = shop.proxy("shop", "client-0"), shop.push()
    return Connection(proxy.id, proxy, AdsServerStream(proxy.id), ScopeMemo().of(push, proxy))


def test_only_the_newest_nonces_are_kept(shop: Any) -> None:
    connection = _connection(shop)
    for number in range(300):
        connection.remember(f"nonce-{number}", number)
    assert connection.pushes["nonce-299"] == 299
    assert len(connection.pushes) <= 101
    assert "nonce-0" not in connection.pushes


def test_what_a_proxy_saw_before_is_kept(shop: Any) -> None:
    connection = _connection(shop)
    first = connection.scope
    assert list(connection.scopes) == [first]
    second = ScopeMemo().of(shop.push(), connection.proxy)
    connection.see(second)
    assert list(connection.scopes) == [second, first]
