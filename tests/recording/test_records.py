"""Records of the room have a table each."""

from __future__ import annotations

from meshsim.recording import ProxyInfo
from meshsim.recording.schema import PROXIES


def test_a_proxy_is_a_row_of_its_table() -> None:
    assert [*ProxyInfo._fields, "seed"] == PROXIES.names
