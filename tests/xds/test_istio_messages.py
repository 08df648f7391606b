"""Istio's own messages carry the field numbers of istio/proxy."""

from __future__ import annotations

from meshsim.xds.istio_messages import AlpnFilterConfig, NameTable, StatsPluginConfig


def test_field_numbers_are_istios() -> None:
    stats = {f.name: f.number for f in StatsPluginConfig.DESCRIPTOR.fields}
    assert stats["disable_host_header_fallback"] == 6
    assert stats["metrics"] == 8
    assert stats["reporter"] == 10
    assert AlpnFilterConfig.DESCRIPTOR.fields_by_name["alpn_override"].number == 1
    assert [f.number for f in NameTable.DESCRIPTOR.nested_types_by_name["NameInfo"].fields] == [1, 2, 3, 4, 5]


def test_a_name_table_is_a_map_of_messages() -> None:
    table = NameTable()
    table.table["a.b.svc.cluster.local"].ips.append("10.0.0.1")
    assert list(NameTable.FromString(table.SerializeToString()).table["a.b.svc.cluster.local"].ips) == ["10.0.0.1"]
