"""Tables of a recording: their columns, types and meaning. Times are int64 nanoseconds since the start of the run."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

SCHEMA_VERSION: Final = 5
"""Raised when tables or columns change their meaning, come or go."""


class Kind(Enum):
    """Type of a column."""

    TIME = "time"
    """int64 nanoseconds, -1 where it did not happen."""
    INT32 = "int32"
    INT64 = "int64"
    INT16 = "int16"
    BOOL = "bool"
    NAME = "name"
    """Text out of few values, dictionary-encoded."""
    TEXT = "text"
    NUMBERS = "numbers"
    """A list of int64."""
    BYTES = "bytes"


class Column(NamedTuple):
    """One column: `meaning` is for people."""

    name: str
    kind: Kind
    meaning: str


class Table(NamedTuple):
    """One parquet file of a recording."""

    name: str
    columns: tuple[Column, ...]
    meaning: str

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [column.name for column in self.columns]


_T, _N, _I, _B = Kind.TIME, Kind.NAME, Kind.INT64, Kind.BOOL

REQUESTS: Final = Table(
    "requests",
    (
        Column("root", _I, "id of the request a client sent, from which this one follows"),
        Column("request", _I, "id of the request; its attempts share it"),
        Column("parent", _I, "id of the request whose handler made this one, -1 for a client's"),
        Column("attempt", Kind.INT16, "number of the attempt, from 1; 0 where none was made"),
        Column("last", _B, "whether it is the last attempt, whose outcome the caller sees"),
        Column("mirror", _B, "whether it is a mirrored copy, whose answer nobody sees"),
        Column("start", _T, "the caller sends the request"),
        Column("attempt_start", _T, "the proxy starts this attempt"),
        Column("arrived", _T, "the attempt reaches the destination's application"),
        Column("served", _T, "a worker takes it up"),
        Column("done", _T, "the application has answered"),
        Column("end", _T, "the attempt ends at the caller's proxy"),
        Column("request_end", _T, "the caller has the answer, or gave up"),
        Column("traffic", _N, "name of the traffic whose client sent it, empty for what handlers send"),
        Column(
            "source",
            _N,
            "canonical service of the caller; of a client outside that of its gateway, else its traffic's name",
        ),
        Column("source_namespace", _N, "its namespace"),
        Column("source_version", _N, "its version"),
        Column("source_pod", _N, "its pod"),
        Column("destination", _N, "canonical service of the pod it went to, else of the host asked for"),
        Column("destination_namespace", _N, "its namespace"),
        Column("destination_version", _N, "its version; empty where it reached no pod"),
        Column("service", _N, "host asked for, as the fully qualified name of the Service or as written"),
        Column("pod", _N, "pod it went to"),
        Column("endpoint", _N, "address and port it went to"),
        Column("call", _N, "method and path"),
        Column("route", _N, "name of the route that matched"),
        Column("cluster", _N, "name of the cluster it was routed to"),
        Column("session", _N, "of a session of a TCP proxy the cluster it is for, had or not; empty for a request"),
        Column("security", _N, "what protects the connection to the endpoint: mutual_tls, tls or none"),
        Column("status", Kind.INT16, "HTTP status, 0 where there was none"),
        Column("flags", _N, "Envoy response flags, joined with commas"),
        Column("seed", Kind.INT32, "seed of the replication"),
    ),
    "one row an attempt",
)

PUSHES: Final = Table(
    "pushes",
    (
        Column("push", _I, "number of the push, 0 for the answer to a proxy's own request"),
        Column("proxy", _N, "proxy id, empty for a push that concerned nobody"),
        Column("type_url", _N, "resource type"),
        Column("version", Kind.TEXT, "version of the response"),
        Column("changes", Kind.NUMBERS, "numbers of the changes it merged"),
        Column("first_change", _T, "Pilot noticed the first of them"),
        Column("debounced", _T, "the quiet period ended"),
        Column("started", _T, "the push context was ready, all connections queued"),
        Column("queued", _T, "the connection left the push queue"),
        Column("generated", _T, "the response was generated"),
        Column("sent", _T, "the response was sent"),
        Column("answered", _T, "Pilot received the ACK or NACK"),
        Column("accepted", _B, "whether it was an ACK"),
        Column("reason", Kind.TEXT, "error detail of a NACK"),
        Column("effective", _T, "the proxy's traffic follows it"),
        Column("resources", _I, "resources sent"),
        Column("removed", _I, "resources removed"),
        Column("size", _I, "bytes of the resources"),
        Column("seed", Kind.INT32, "seed of the replication"),
    ),
    "one row a response to a proxy",
)

CHANGES: Final = Table(
    "changes",
    (
        Column("time", _T, "Pilot noticed it"),
        Column("change", _I, "number, from 1"),
        Column("verb", _N, "add, update or delete"),
        Column("kind", _N, "kind of the object"),
        Column("namespace", _N, "its namespace"),
        Column("name", _N, "its name"),
        Column("cause", _N, "timeline id or controller that made it"),
        Column("seed", Kind.INT32, "seed of the replication"),
    ),
    "one row a change of an object that Pilot noticed",
)

TIMELINE: Final = Table(
    "timeline",
    (
        Column("time", _T, "when"),
        Column("id", _N, "timeline id"),
        Column("action", _N, "which action"),
        Column("begins", _B, "whether it begins or is undone"),
        Column("detail", Kind.TEXT, "what it did"),
        Column("seed", Kind.INT32, "seed of the replication"),
    ),
    "one row a timeline action that began or was undone",
)

PODS: Final = Table(
    "pods",
    (
        Column("time", _T, "when"),
        Column("namespace", _N, "namespace of the pod"),
        Column("pod", _N, "its name"),
        Column("phase", _N, "scheduled, started, ready, unready, terminating, gone"),
        Column("node", _N, "its node"),
        Column("seed", Kind.INT32, "seed of the replication"),
    ),
    "one row a step of a pod's life",
)

PROXIES: Final = Table(
    "proxies",
    (
        Column("proxy", _N, "proxy id (pod.namespace)"),
        Column("kind", _N, "sidecar or router"),
        Column("namespace", _N, "namespace of its pod"),
        Column("pod", _N, "its pod"),
        Column("app", _N, "canonical service"),
        Column("version", _N, "canonical revision"),
        Column("workload", _N, "controller of the pod"),
        Column("node", _N, "node"),
        Column("zone", _N, "zone"),
        Column("address", _N, "IP address"),
        Column("connected", _T, "first connected to Pilot"),
        Column("gone", _T, "ended"),
        Column("service_account", _N, "service account of its pod"),
        Column("capture", _N, "options of the pod's nat rules as a JSON object, empty where nothing is captured"),
        Column("seed", Kind.INT32, "seed of the replication"),
    ),
    "one row a proxy",
)

OBJECTS: Final = Table(
    "objects",
    (
        Column("time", _T, "it counts from then on"),
        Column("kind", _N, "kind of the object"),
        Column("namespace", _N, "its namespace"),
        Column("name", _N, "its name"),
        Column("file", _N, "file it was written in"),
        Column("line", Kind.INT32, "line on which it begins"),
        Column("seed", Kind.INT32, "seed of the replication"),
    ),
    "where the objects that shape configuration were written",
)

TRAFFIC: Final = Table(
    "traffic",
    (
        Column("traffic", _N, "name of the traffic"),
        Column("gateway", _N, "Service it enters through, empty for what pods send"),
        Column("way", _T, "one-way latency between its clients and the proxy they come to"),
        Column("seed", Kind.INT32, "seed of the replication"),
    ),
    "one row a traffic of the scenario",
)

SERIES: Final = Table(
    "series",
    (
        Column("second", Kind.INT32, "second of the run in which the requests ended"),
        Column("traffic", _N, "name of the traffic whose clients sent them, empty for what handlers send"),
        Column("source", _N, "caller"),
        Column("source_namespace", _N, "its namespace"),
        Column("source_version", _N, "its version"),
        Column("destination", _N, "destination"),
        Column("destination_namespace", _N, "its namespace"),
        Column("destination_version", _N, "its version"),
        Column("service", _N, "host asked for"),
        Column("status", Kind.INT16, "HTTP status"),
        Column("flags", _N, "Envoy response flags"),
        Column("bucket", Kind.INT16, "latency bucket: eight equal ones in each power of two of nanoseconds"),
        Column("count", _I, "requests, all of them whatever the sampling; no mirrored copies"),
        Column("total", _I, "sum of their latencies in nanoseconds"),
        Column("seed", Kind.INT32, "seed of the replication"),
    ),
    "requests by second, edge, outcome and latency bucket",
)

INSTANCES: Final = Table(
    "instances",
    (
        Column("namespace", _N, "namespace of the pod"),
        Column("pod", _N, "its name"),
        Column("workload", _N, "controller of the pod"),
        Column("app", _N, "canonical service"),
        Column("version", _N, "canonical revision"),
        Column("app_label", _N, "its label app, empty without"),
        Column("version_label", _N, "its label version, empty without"),
        Column("identity", _N, "SPIFFE id"),
        Column("address", _N, "IP address"),
        Column("kind", _N, "sidecar or router, empty without a proxy"),
        Column("stats", _N, "proxyStatsMatcher of its proxy as a JSON object, empty where none is configured"),
        Column("seed", Kind.INT32, "seed of the replication"),
    ),
    "one row a pod that took part",
)

COUNTERS: Final = Table(
    "counters",
    (
        Column("time", _T, "it has the value from then on"),
        Column("proxy", _N, "proxy id"),
        Column("cluster", _N, "name of the cluster"),
        Column("stat", _N, "Envoy's name of the statistic below that of the cluster"),
        Column("value", _I, "value of the counter or gauge, of all requests whatever the sampling"),
        Column("seed", Kind.INT32, "seed of the replication"),
    ),
    "statistics of clusters: one row each time that a look, about once a second, found another value",
)

CONFIG_INDEX: Final = Table(
    "index",
    (
        Column("time", _T, "the proxy has it from then on"),
        Column("proxy", _N, "proxy id"),
        Column("type_url", _N, "resource type"),
        Column("set", Kind.INT32, "number of a set of resources"),
    ),
    "which resources a proxy has from when on",
)

CONFIG_SETS: Final = Table(
    "sets",
    (
        Column("set", Kind.INT32, "number of the set"),
        Column("name", _N, "resource name"),
        Column("hash", _N, "key into blobs, empty where the resource was removed"),
    ),
    "resources that proxies have together",
)

CONFIG_BLOBS: Final = Table(
    "blobs",
    (Column("hash", Kind.TEXT, "blake2b of the body"), Column("body", Kind.BYTES, "serialised protobuf message")),
    "each distinct resource once",
)

TABLES: Final = (REQUESTS, PUSHES, CHANGES, TIMELINE, PODS, PROXIES, INSTANCES, OBJECTS, TRAFFIC, SERIES, COUNTERS)
"""The tables of every recording, each one parquet file."""
