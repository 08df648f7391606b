"""What proxies had is read back as it was told, however they share it, and stands on disk once."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pyarrow.parquet as pq
import pytest

from meshsim.recording.configs import ConfigLog, configured_proxies, read_config, read_former
from meshsim.xds import type_urls

Told = list[tuple[int, str, str, dict[str, bytes], tuple[str, ...]]]
CDS, EDS = type_urls.CLUSTER, type_urls.ENDPOINT


def _written(folder: Path, told: Told) -> Path:
    log = ConfigLog()
    for item in told:
        log.add(*item)
    log.write(folder)
    return folder


def _rows(folder: Path, table: str) -> int:
    return int(pq.read_metadata(folder / "config" / f"{table}.parquet").num_rows)


def _expected(told: Told, proxy: str, until: int) -> list[tuple[str, str, int, bytes]]:
    """What a proxy has, by the words of the protocol alone."""
    has: dict[tuple[str, str], tuple[int, bytes]] = {}
    for time, to, type_url, changed, removed in told:
        if to == proxy and time <= until:
            has.update({(type_url, name): (time, body) for name, body in changed.items()})
            for name in removed:
                has.pop((type_url, name), None)
    return [(*key, *value) for key, value in sorted(has.items())]


@pytest.mark.parametrize("seed", range(20))
def test_random_tellings_are_read_back_at_any_instant(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    proxies = ["a", "b", "c"]
    told: Told = []
    for time in range(40):
        names = random.sample([f"n{i}" for i in range(12)], random.randint(0, 12))
        bodies = {name: f"{name} {random.randint(0, 1)}".encode() for name in names[2:]}
        told.append((time, random.choice(proxies), random.choice([CDS, EDS]), bodies, tuple(names[:2])))
    folder = _written(tmp_path, told)
    for proxy in proxies:
        for at in (0, 7, 20, 39):
            assert list(map(tuple, read_config(folder, proxy, at))) == _expected(told, proxy, at)
    assert configured_proxies(folder) == sorted({item[1] for item in told if item[3] or item[4]})


def test_what_a_proxy_no_longer_has(tmp_path: Path) -> None:
    told: Told = [
        (0, "p", CDS, {"a": b"1", "b": b"1"}, ()),
        (1, "p", CDS, {"a": b"2"}, ()),
        (2, "p", CDS, {"a": b"2"}, ("b",)),
        (3, "p", CDS, {"a": b"1"}, ()),
        (3, "p", EDS, {"a": b"1"}, ()),
        (4, "p", EDS, {}, ("a",)),
    ]
    folder = _written(tmp_path, told)
    assert read_former(folder, "p", [CDS], 0) == []
    assert list(map(tuple, read_former(folder, "p", [CDS], 1))) == [(CDS, "a", 0, b"1")]
    assert list(map(tuple, read_former(folder, "p", [CDS]))) == [(CDS, "a", 2, b"2"), (CDS, "b", 0, b"1")]
    assert list(map(tuple, read_former(folder, "p", [EDS]))) == [(EDS, "a", 3, b"1")]


def test_what_proxies_share_stands_once(tmp_path: Path) -> None:
    shared = {f"outbound-{i}": bytes([i]) for i in range(100)}
    told: Told = [(0, f"p{i}", CDS, {**shared, "inbound": f"of {i}".encode()}, ()) for i in range(50)]
    told += [(0, f"p{i}", EDS, shared, ()) for i in range(50)]
    told += [(1, f"p{i}", CDS, {**shared, "outbound-7": b"new", "inbound": f"of {i}".encode()}, ()) for i in range(50)]
    folder = _written(tmp_path, told)
    assert _rows(folder, "blobs") == 100 + 50 + 1
    # The first proxy's 101 together, their 100 without its own, 99 of these once one has changed, and it, 50 own ones.
    assert _rows(folder, "sets") == 101 + 100 + 99 + 1 + 50
    assert _rows(folder, "index") <= 50 * (2 + 1 + 3)
    for proxy in ("p0", "p1", "p49"):
        assert list(map(tuple, read_config(folder, proxy))) == _expected(told, proxy, 1)


def test_scopes_that_overlap_come_to_rest(tmp_path: Path) -> None:
    names = [f"n{i}" for i in range(90)]
    scopes = [names[:60], names[30:], names, names[:30]]
    told: Told = [(0, f"p{i}", CDS, {n: n.encode() for n in scopes[i % 4]}, ()) for i in range(400)]
    folder = _written(tmp_path, told)
    assert _rows(folder, "sets") <= 5 * 90
    assert _rows(folder, "index") <= 400 * 3
    assert all(list(map(tuple, read_config(folder, f"p{i}"))) == _expected(told, f"p{i}", 0) for i in range(8))


def test_nothing_was_told(tmp_path: Path) -> None:
    folder = _written(tmp_path, [(0, "p", CDS, {}, ())])
    assert (configured_proxies(folder), read_config(folder, "p")) == ([], [])


def test_resources_that_come_as_one_object_again_are_found_where_they_went(tmp_path: Path) -> None:
    """Also after a part of them has come to stand in another set."""
    shared = {f"n{i}": b"%d" % i for i in range(90)}
    part = {name: shared[name] for name in list(shared)[:40]}
    told: Told = [(0, "p0", CDS, shared, ()), (0, "p1", CDS, shared, ()), (0, "p2", CDS, part, ())]
    told += [(0, "p3", CDS, shared, ()), (0, "p4", CDS, part, ()), (0, "p5", CDS, shared, ())]
    folder = _written(tmp_path, told)
    assert _rows(folder, "sets") == 90 + 40 + 50
    assert _rows(folder, "index") == 1 + 1 + 1 + 2 + 1 + 2
    assert all(list(map(tuple, read_config(folder, f"p{i}"))) == _expected(told, f"p{i}", 0) for i in range(6))
