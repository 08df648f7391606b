"""Type URLs name real messages and come in Pilot's push order."""

from __future__ import annotations

from meshsim.xds import type_urls
from meshsim.xds.packing import message_class


def test_every_type_has_a_message_and_a_short_name() -> None:
    for url in type_urls.SHORT:
        assert message_class(url).DESCRIPTOR.full_name == url.removeprefix(type_urls.PREFIX)


def test_push_order_is_istios() -> None:
    assert [type_urls.SHORT[t] for t in type_urls.PUSH_ORDER] == ["cds", "eds", "lds", "rds", "sds"]
