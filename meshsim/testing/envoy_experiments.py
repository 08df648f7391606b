"""Experiments run on a real Envoy and written down as the recordings of dynamics are."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, ParamSpec

from meshsim.api import Fields
from meshsim.testing.envoy_process import EnvoyProcess
from meshsim.testing.scripted_client import ScriptedClient, is_request
from meshsim.testing.scripted_hosts import ScriptedHosts
from meshsim.units import SECOND
from meshsim.world.verify.dynamics_script import hosts_of, settle

Json = dict[str, Any]
P = ParamSpec("P")
_LISTENER: Final = "127.0.0.10"
_AFTER: Final = 0.06
_STALL_MS: Final = 25.0
_TRIES: Final = 5
_RECORDINGS: Final = 3
_LOG_FIELDS: Final = {
    "rid": "%REQ(X-RID)%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "duration": "%DURATION%",
    "upstream": "%UPSTREAM_HOST%",
    "code": "%RESPONSE_CODE%",
}
_FILE_LOG: Final = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"


def run_experiment(experiment: Fields, folder: Path, port: int) -> Json:
    """One run of an experiment on a real Envoy that listens on `port` (and its hosts on their own addresses)."""
    folder.mkdir(parents=True, exist_ok=True)
    config = experiment.fields("config")
    log = folder / "access.log"
    bootstrap = _bootstrap(config, log, folder, port)
    concurrency = max(config.integer("concurrency", 1), 1)
    for name, assignment in config.fields_map("eds").items():
        _write(folder / name, assignment.body)
    with alone():
        return asyncio.run(_run(experiment, bootstrap, folder, port, concurrency))


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Wait until no other process plays an experiment: all have the same addresses, and share the processor badly."""
    with (Path(tempfile.gettempdir()) / "meshsim-experiment.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def measured_again(test: Callable[P, None]) -> Callable[P, None]:
    """A test that records experiments; what it finds different has to be so in each of three recordings.

    A machine that holds Envoy up for some milliseconds changes what it measures.
    """

    @functools.wraps(test)
    def repeated(*arguments: P.args, **named: P.kwargs) -> None:
        for _ in range(_RECORDINGS - 1):
            try:
                return test(*arguments, **named)
            except AssertionError:
                continue
        return test(*arguments, **named)

    return repeated


def recorded_experiment(experiment: Fields, folder: Path, port: int, runs: int = 2, **more: Any) -> Fields:
    """An experiment with its runs, as a recording has it; `more` are further fields, as `deterministic`.

    A run in which this process was held up is done again, a few times at most.
    """
    found = []
    for number in range(runs):
        for attempt in range(_TRIES):
            run = run_experiment(experiment, folder / f"{number}-{attempt}", port)
            if run["max_stall_ms"] < _STALL_MS:
                break
        found.append(run)
    return Fields({**experiment.body, "runs": found, "compare_runs": {"hosts": "different"}, **more})


def _bootstrap(config: Fields, log: Path, folder: Path, port: int) -> Json:
    access = {
        "name": "file",
        "typed_config": {"@type": _FILE_LOG, "path": str(log), "log_format": {"json_format": _LOG_FIELDS}},
    }
    manager = {**config.fields("http_connection_manager").body, "access_log": [access]}
    listener = {
        "name": "in",
        "address": {"socket_address": {"address": _LISTENER, "port_value": port}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }
    clusters = json.loads(json.dumps([dict(c.body) for c in config.items("clusters")]).replace('"./', f'"{folder}/'))
    more = config.fields("bootstrap").body
    return {
        "node": {"id": "n", "cluster": "c"},
        **more,
        "static_resources": {"listeners": [listener], "clusters": clusters},
    }


def _write(path: Path, assignment: Mapping[str, object]) -> None:
    """Replace an endpoint file as Envoy notices it: by a move."""
    body = {
        "version_info": str(time.monotonic_ns()),
        "resources": [{"@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment", **assignment}],
    }
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(body), encoding="utf-8")
    fresh.replace(path)


class _Watch:
    """A clock from the script's beginning, and the longest pause of this process; before, it is long before."""

    def __init__(self) -> None:
        self.begin = time.monotonic() + 3600
        self.stall = 0.0

    def now(self) -> float:
        return (time.monotonic() - self.begin) * 1000

    async def look(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.002)
            self.stall = max(self.stall, (time.monotonic() - before) * 1000 - 2)


async def _run(experiment: Fields, bootstrap: Json, folder: Path, port: int, concurrency: int) -> Json:
    watch = _Watch()
    hosts = ScriptedHosts(hosts_of(experiment), watch.now)
    client = ScriptedClient(_LISTENER, port, watch.now)
    hosts.requests = client.sent
    await hosts.start()
    try:
        # The process is started and asked from another thread: hosts may be health-checked meanwhile.
        envoy = EnvoyProcess(folder, bootstrap, concurrency)
        await asyncio.to_thread(envoy.__enter__)
        try:
            await asyncio.to_thread(envoy.wait_live)
            await asyncio.sleep(settle(experiment) / SECOND)
            watch.begin = time.monotonic()
            hosts.checks.clear()
            watching = asyncio.create_task(watch.look())
            steps = experiment.items("client")
            await asyncio.gather(*(_step(step, client, hosts, envoy, folder) for step in steps))
            await asyncio.sleep(_AFTER)
            stats = await asyncio.to_thread(_stats, envoy)
            watching.cancel()
            client.close()
        finally:
            await asyncio.to_thread(envoy.__exit__)
    finally:
        await hosts.stop()
    return {
        "requests": _logged(client.heard, folder / "access.log", hosts),
        "attempts": hosts.attempts,
        "checks": [[number, round(at, 2)] for number, at in hosts.checks],
        "max_stall_ms": round(watch.stall, 1),
        "stats": stats,
    }


async def _step(step: Fields, client: ScriptedClient, hosts: ScriptedHosts, envoy: EnvoyProcess, folder: Path) -> None:
    if is_request(step):
        await client.step(step)
        return
    await asyncio.sleep(max(step.number("at") - client.clock(), 0) / 1000)
    if "eds_update" in step:
        update = step.fields("eds_update")
        _write(folder / update.text("file"), update.fields("assignment").body)
    elif "admin" in step:
        await asyncio.to_thread(envoy.post, step.text("admin"))
    elif "host_do" in step:
        what, number = step.text("host_do"), step.integer("host_idx")
        if what != "kill_connections":
            await hosts.listen(number, what == "open_listener")
        if what in ("down", "kill_connections"):
            hosts.cut(number)


def _stats(envoy: EnvoyProcess) -> Json:
    found: Json = {}
    for line in envoy.get("/stats?usedonly").splitlines():
        name, _, value = line.partition(": ")
        if name.startswith("cluster.") and value.isdigit():
            cluster, _, counter = name.removeprefix("cluster.").partition(".")
            found.setdefault(f"cluster {cluster}", {})[counter] = int(value)
    return found


def _logged(heard: list[Json], log: Path, hosts: ScriptedHosts) -> list[Json]:
    """What the client heard, with what the access log says of each request."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []
    # Of a request with internal redirects the first stream counts, as in the model's replay.
    known = {line["rid"]: line for line in reversed(lines)}
    numbers = {host.address: host.number for host in hosts.hosts.values()}
    out = []
    for note in heard:
        line = known.get(str(note["i"]), {})
        host = numbers.get(str(line.get("upstream")))
        via = line.get("details") == "via_upstream"
        out.append(
            {
                "status": 0,
                **note,
                "flags": line.get("flags") or "",
                "details": line.get("details") or "",
                "attempts": int(line.get("attempts") or 0),
                "duration_ms": int(line.get("duration") or 0),
                "host": host if via else None,
            }
        )
    return out
