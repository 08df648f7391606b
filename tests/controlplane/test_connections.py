"""A connection knows which push each of its responses belongs to."""

from __future__ import annotations

from meshsim.api import Fields
from meshsim.controlplane.connections import Connection
from meshsim.controlplane.model import Proxy, ProxyType
from meshsim.xds.ads_server import AdsServerStream


def test_only_the_newest_nonces_are_kept() -> None:
    proxy = Proxy(
        id="p.n",
        node_id="sidecar~10.0.0.1~p.n~n.svc.cluster.local",
        type=ProxyType.SIDECAR,
        addresses=("10.0.0.1",),
        name="p",
        namespace="n",
        dns_domain="n.svc.cluster.local",
        labels={},
        metadata=Fields(None),
    )
    connection = Connection(proxy.id, proxy, AdsServerStream(proxy.id))
    for number in range(300):
        connection.remember(f"nonce-{number}", number)
    assert connection.pushes["nonce-299"] == 299
    assert len(connection.pushes) <= 101
    assert "nonce-0" not in connection.pushes
