"""Which tokens random requirements ask for, and what becomes of random requests, on the model and the real Envoy.

MESHSIM_JWT_TABLES, MESHSIM_JWT_REQUESTS and MESHSIM_JWT_SEED set the size of a longer run.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from google.protobuf.json_format import ParseError

from meshsim.dataplane.active import ActiveConfig, load_config
from meshsim.dataplane.decide import (
    Connection,
    Request,
    decide_direct,
    downstream,
    exchange,
    jwt,
    jwt_config,
    jwt_places,
)
from meshsim.dataplane.decide.decision import Surroundings
from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.jwt_places import FoundToken, Places, TokenPlace
from meshsim.dataplane.decide.jwt_token import Token, parse_token
from meshsim.dataplane.decide.metadata import Json
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.xds import type_urls
from meshsim.xds.messages import listener_pb2
from meshsim.xds.packing import from_json

sys.path.insert(0, str(Path(__file__).resolve().parent))

import envoy_jwt
import shrinking
from remembered import nothing_remembered

TABLES = int(os.environ.get("MESHSIM_JWT_TABLES", "120"))
REQUESTS = int(os.environ.get("MESHSIM_JWT_REQUESTS", "70"))
SEED = int(os.environ.get("MESHSIM_JWT_SEED", "1"))
FIRST_PORT = 26001
Patch = tuple[Any, str, Any]
CHECK_JWT = jwt.check_jwt
EARLY_HEADERS = downstream.early_headers
EXTRACT = Places.extract
PARSE_COOKIES = jwt_places.parse_cookies
REQUIREMENT = jwt_config._requirement
BEHIND = jwt_places._behind
NO_SENSE = (KeyError, ValueError, TypeError, AssertionError, ParseError, ResourceRejectedError, RuntimeError, OSError)


class Outcome(NamedTuple):
    """What the client is told."""

    status: int
    body: str
    headers: dict[str, Any]
    details: str = ""


def outcome(status: int, headers: Mapping[str, str], body: str) -> Outcome:
    """An answer in what the comparison looks at; metadata by value, since Envoy writes them in no order."""
    told: dict[str, Any] = {n: v for n, v in headers.items() if n in (*envoy_jwt.ECHO, "www-authenticate", "x-route")}
    if "e-metadata" in told:
        told["e-metadata"] = json.loads(told["e-metadata"])
    return Outcome(status, body, {name: value for name, value in told.items() if value})


def config_of(router: ModuleType, case: dict[str, Any], port: int, log: str = "") -> tuple[Any, ActiveConfig]:
    """The listener of a case, and the model's reading of it."""
    table = router.Table(port, envoy_jwt.manager(case, router, port, log))
    packed = from_json(router.listener(table), listener_pb2.Listener).SerializeToString()
    active, refused = load_config({type_urls.LISTENER: {"l": packed}})
    assert not refused, refused
    return table, active


def modelled(active: ActiveConfig, port: int, sent: Any, now: int) -> Outcome:
    """What the model says to a request."""
    connection = Connection(source="127.0.0.1", destination="127.0.0.1", destination_port=port)
    request = Request(method=sent.method, authority=sent.host, path=sent.path, headers=sent.headers)
    made = decide_direct(active, connection, request, surroundings=Surroundings(now=now))
    return outcome(made.status, dict(made.response_headers), made.body)._replace(details=made.details)


def answered(router: ModuleType, port: int, requests: list[dict[str, Any]], active: ActiveConfig) -> Iterator[Any]:
    """For each request, what the real Envoy says (but for the details, which are in its log) and what the model."""
    now = int(time.time())
    lines = [envoy_jwt.sent(router, one, now) for one in requests]
    for line, seen in zip(lines, router.converse(port, lines)):
        yield outcome(seen.status, seen.headers, seen.body), modelled(active, port, line, now)


def cases(seed: int) -> Iterator[tuple[int, dict[str, Any], list[dict[str, Any]]]]:
    """Ports with what is asked there and what is sent."""
    rng = random.Random(seed)
    for number in range(TABLES):
        yield FIRST_PORT + number, envoy_jwt.case(rng), [envoy_jwt.request(rng) for _ in range(REQUESTS)]


@pytest.mark.needs_envoy
def test_random_requirements(router: ModuleType, tmp_path: Path) -> None:
    log = tmp_path / "details"
    made = [(port, case, requests, *config_of(router, case, port, str(log))) for port, case, requests in cases(SEED)]
    wrong: list[dict[str, Any]] = []
    statuses: dict[int, int] = {}
    details: list[str] = []
    with router.Envoy(tmp_path, [table for *_, table, _ in made]):
        for port, case, requests, _, active in made:
            for one, (real, model) in zip(requests, answered(router, port, requests, active)):
                statuses[real.status] = statuses.get(real.status, 0) + 1
                details.append(f"{port} {model.details}")
                if model._replace(details="") != real:
                    wrong.append({**case, "request": one})
    decided = TABLES * REQUESTS
    if wrong:
        small = shrinking.shrink(wrong[0], lambda case: differs_from_envoy(router, tmp_path, case), 100)
        kept = shrinking.save("jwt", small)
        pytest.fail(f"{len(wrong)} of {decided} decisions differ, the first is kept as {kept.name}: {small}")
    assert log.read_text().splitlines() == details
    assert min(statuses[status] for status in (200, 401, 403)) > decided // 60


def differs_from_envoy(router: ModuleType, folder: Path, case: dict[str, Any]) -> bool:
    """Whether model and real Envoy still disagree about a case."""
    try:
        table, active = config_of(router, case, FIRST_PORT)
        with router.Envoy(folder, [table]):
            ((real, model),) = answered(router, FIRST_PORT, [case["request"]], active)
        return bool(model._replace(details="") != real)
    except NO_SENSE:
        return False


@pytest.mark.needs_envoy
def test_kept_cases(router: ModuleType, tmp_path: Path) -> None:
    """Small cases that once told a right model from a wrong one: the real Envoy and the model agree on each."""
    kept = [(FIRST_PORT + n, case) for n, case in enumerate(shrinking.corpus("jwt"))]
    assert len(kept) >= len(NAIVE) - 1
    made = [(port, case, *config_of(router, case, port)) for port, case in kept]
    with router.Envoy(tmp_path, [table for _, _, table, _ in made]):
        for port, case, _, active in made:
            ((real, model),) = answered(router, port, [case["request"]], active)
            assert model._replace(details="") == real, case


# -- the generator catches what is easily got wrong --------------------------------------------------------------------


def _last_failure(self: jwt._Check, requirement: jwt_config.NeedsAny) -> str:
    failure = ""
    for inner in requirement.inner:
        failure = self.require(inner)
        if not failure:
            return ""
    return "" if requirement.failed or (requirement.missing and failure == jwt.MISSING) else failure


def _one_is_enough(self: jwt._Authentication) -> str:
    places = self.only.places if self.only else self.check.config.places
    status = jwt.MISSING
    for found in reversed(places.extract(self.check.headers)):
        status = self._verified(found)
        if not status:
            break
    return "" if self.failed or (self.missing and status == jwt.MISSING) else status


def _prefixed(headers: HeaderMap, place: TokenPlace) -> list[str]:
    size = len(place.prefix)
    return [BEHIND(v, size) if size else v for v in headers.all(place.name) if v.startswith(place.prefix)]


def _first_line(headers: HeaderMap) -> Mapping[str, str]:
    return PARSE_COOKIES(HeaderMap([("cookie", value) for value in headers.all("cookie")[:1]]))


def _plain_claim(payload: Mapping[str, Json], claim: str) -> str:
    value = payload.get(claim)
    return value if isinstance(value, str) else ""


def _provider_audiences(message: Any) -> Any:
    made = REQUIREMENT(message)
    return jwt_config.Needs(made.provider) if isinstance(made, jwt_config.Needs) else made


def _two_dots(text: str) -> Token | str:
    return parse_token(text if text.count(".") == 2 else "")


def _kept_blanks(connection: Connection, request: Request, tls: bool) -> HeaderMap:
    headers = EARLY_HEADERS(connection, request, tls)
    for name, value in request.headers:
        headers.set(name, value)
    return headers


def _strict(token: Token, provider: jwt_config.Provider, now: int | None) -> str:
    expires = token.payload.get("exp")
    return "Jwt is expired" if isinstance(expires, float) and now is not None and now > expires else ""


NAIVE: dict[str, Patch] = {
    "a missing token as a requirement of its own": (jwt_config, "_any", lambda r: jwt_config.NeedsAny(tuple(r))),
    "the last failure told": (jwt._Check, "_any", _last_failure),
    "one good token is enough": (jwt._Authentication, "run", _one_is_enough),
    "tokens tried from the first": (Places, "extract", lambda self, headers: EXTRACT(self, headers)[::-1]),
    "a prefix at the start alone": (jwt_places, "_in_header", _prefixed),
    "a token ends at a blank": (jwt_places, "_behind", lambda v, at: BEHIND(v, at).partition(" ")[0]),
    "cookies of the first line": (jwt_places, "parse_cookies", _first_line),
    "query as it is written": (jwt_places, "_percent_decoded", lambda text: text),
    "used tokens stay": (jwt, "remove_token", lambda headers, place: None),
    "forged headers stay": (jwt_config.Provider, "made_headers", ()),
    "audiences as they are written": (jwt, "_audience", lambda text: text),
    "audiences of the provider alone": (jwt_config, "_requirement", _provider_audiences),
    "any issuer in any place": (FoundToken, "may_be_of", lambda self, issuer: True),
    "no clock skew": (jwt, "_out_of_time", _strict),
    "any subject and any life": (jwt, "_suits", lambda *_: True),
    "claims that are text": (jwt, "claim_text", _plain_claim),
    "metadata as they are": (jwt, "payload_metadata", lambda left, token: dict(token.payload)),
    "failures forgotten": (jwt._Authentication, "_tell", lambda self, status: None),
    "preflights are asked": (jwt, "_is_preflight", lambda headers: False),
    "the route stays": (exchange, "check_jwt", lambda *given: CHECK_JWT(*given)._replace(reroute=False)),
    "empty sections count": (jwt, "parse_token", _two_dots),
    "blanks around values": (downstream, "early_headers", _kept_blanks),
}


def mistaken(
    router: ModuleType, monkeypatch: pytest.MonkeyPatch, mistake: str, case: dict[str, Any], sent: list[Any], now: int
) -> list[bool]:
    """For each request, whether a mistake changes the answer."""
    _, active = config_of(router, case, FIRST_PORT)
    right = [modelled(active, FIRST_PORT, one, now) for one in sent]
    with monkeypatch.context() as patched, nothing_remembered():
        patched.setattr(*NAIVE[mistake])
        _, active = config_of(router, case, FIRST_PORT)
        return [modelled(active, FIRST_PORT, one, now) != before for one, before in zip(sent, right)]


def differs_by(router: ModuleType, monkeypatch: pytest.MonkeyPatch, mistake: str, case: dict[str, Any]) -> bool:
    """Whether a mistake still shows in a case."""
    try:
        now = int(time.time())
        return mistaken(router, monkeypatch, mistake, case, [envoy_jwt.sent(router, case["request"], now)], now)[0]
    except NO_SENSE:
        return False


@pytest.mark.needs_envoy
@pytest.mark.parametrize("mistake", NAIVE)
def test_the_generator_catches(router: ModuleType, mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each mistake changes a decision among those compared above."""
    now = int(time.time())
    for _, case, requests in cases(SEED):
        told = mistaken(router, monkeypatch, mistake, case, [envoy_jwt.sent(router, r, now) for r in requests], now)
        if any(told):
            return
    pytest.fail(f"{TABLES * REQUESTS} decisions do not tell")
