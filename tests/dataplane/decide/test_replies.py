"""Local replies on the wire."""

from __future__ import annotations

import pytest

from meshsim.dataplane.decide.decision import Disposition, Flag, Place, Reply, Trail
from meshsim.dataplane.decide.handshake import NO_HANDSHAKE
from meshsim.dataplane.decide.replies import local_reply, refused

PLACE = Place("listener", "chain")


@pytest.mark.parametrize(
    ("status", "grpc"),
    [(400, "13"), (401, "16"), (403, "7"), (404, "12"), (429, "14"), (503, "14"), (504, "14"), (418, "2")],
)
def test_statuses_in_grpc_terms(status: int, grpc: str) -> None:
    found = local_reply(Reply(status, "no healthy upstream", "x"), grpc=True)
    assert (found.status, found.body, found.headers.get("grpc-status")) == (200, "", grpc)
    assert found.headers.get("grpc-message") == "no healthy upstream"


def test_plain() -> None:
    found = local_reply(Reply(503, "text", "x"), grpc=False)
    assert (found.status, found.body, list(found.headers)) == (503, "text", [("content-type", "text/plain")])
    assert list(local_reply(Reply(404, "", "x"), grpc=False).headers) == []


def test_what_was_no_request() -> None:
    flags = (Flag.DOWNSTREAM_PROTOCOL_ERROR,)
    closed = refused(Reply(0, "", "http2.bad_preface", flags), None, PLACE, NO_HANDSHAKE, "", Trail(False))
    assert closed.disposition is Disposition.CLOSED
    found = refused(Reply(400, "Bad Request", "http1.codec_error", flags), None, PLACE, NO_HANDSHAKE, "", Trail(False))
    assert (found.disposition, found.status, dict(found.response_headers)["connection"]) == (
        Disposition.REPLIED,
        400,
        "close",
    )
