"""What tags say of a span."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from meshsim.errors import InputError
from meshsim.imports.spans import SpanKind, apply_tags, parse_json, read_trace_text

from .builders import span


@pytest.mark.parametrize(
    ("tags", "failed", "status"),
    [
        ({"http.status_code": "503"}, True, 503),
        ({"http.response.status_code": 404}, False, 404),
        ({"error": True}, True, 0),
        ({"error": "false"}, False, 0),
        ({"otel.status_code": "ERROR"}, True, 0),
        ({"rpc.grpc.status_code": 14}, True, 0),
        ({"rpc.grpc.status_code": 5}, False, 0),
    ],
)
def test_failures(tags: dict[str, object], failed: bool, status: int) -> None:
    it = span("a", "", "s", 0, 1)
    apply_tags(it, tags)
    assert (it.error, it.status) == (failed, status)


def test_kind_and_method() -> None:
    it = span("a", "", "s", 0, 1)
    apply_tags(it, {"span.kind": "Server", "http.method": "post"})
    assert (it.kind, it.method) == (SpanKind.SERVER, "POST")


def test_gzipped_or_not(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(gzip.compress(b"text"))
    (tmp_path / "b").write_text("text")
    assert read_trace_text(tmp_path / "a") == read_trace_text(tmp_path / "b") == "text"


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not text"):
        read_trace_text(tmp_path / "a")
    with pytest.raises(InputError, match="No such file"):
        read_trace_text(tmp_path / "none")


def test_json_errors_have_line_and_column(file: Callable[[str, str], Path]) -> None:
    with pytest.raises(InputError) as caught:
        parse_json('{"data":\n  [1,}', Path("it.json"))
    assert str(caught.value).startswith("it.json:2:6: error: not valid JSON")
