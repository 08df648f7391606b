"""What injection templates see: the pod, its workload, its ProxyConfig, values and mesh config."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from meshsim.admission.annotations import INTERCEPTION_MODE, STATUS_PORT
from meshsim.api import ApiObject, Fields

PROXY: Final = "istio-proxy"
PROXY_IMAGE: Final = "sidecar.istio.io/proxyImage"
IMAGE_TYPE: Final = "sidecar.istio.io/proxyImageType"
_KNOWN_IMAGE_TYPES: Final = ("distroless", "debug")
_CRON_JOB: Final = re.compile(r"(.+)-\d{8,10}")
DEFAULT_PROXY_ID: Final = 1337
_URL_VARIABLES: Final = {"cluster": "ISTIO_META_CLUSTER_ID", "net": "ISTIO_META_NETWORK"}
_UID_RANGE: Final = "openshift.io/sa.scc.uid-range"
_GROUPS: Final = "openshift.io/sa.scc.supplemental-groups"


class Workload(NamedTuple):
    """What a pod belongs to; an empty name when nothing says so (istio pkg/kube GetWorkloadMetaFromPod)."""

    name: str
    namespace: str
    kind: str
    api_version: str


def workload_of(pod: ApiObject) -> Workload:
    """The workload of a pod from its controller reference, hash labels and name."""
    owner = next((ref for ref in pod.metadata.items("ownerReferences") if ref.flag("controller")), Fields(None))
    if not owner or not pod.metadata.text("generateName"):
        return Workload(pod.name, pod.namespace, "Pod", "v1")
    name, kind, version = owner.text("name"), owner.text("kind"), owner.text("apiVersion")
    match kind:
        case "ReplicaSet":
            for label, owner_kind, owner_version in (
                ("pod-template-hash", "Deployment", version),
                ("rollouts-pod-template-hash", "Rollout", "v1alpha1"),
            ):
                digest = pod.labels.get(label, "")
                if digest and name.endswith(digest):
                    return Workload(name.removesuffix(f"-{digest}"), pod.namespace, owner_kind, owner_version)
        case "ReplicationController":
            config = pod.labels.get("deploymentconfig", "")
            if config and name.startswith(config):
                return Workload(config, pod.namespace, "DeploymentConfig", version)
        case "Job":
            found = _CRON_JOB.fullmatch(name)
            if found is not None:
                return Workload(found.group(1), pod.namespace, "CronJob", "batch/v1")
    return Workload(name, pod.namespace, kind, version)


def image_tag(tag: str, image_type: str) -> str:
    """The tag of an image of a type: a known type's suffix is replaced, ``default`` has none."""
    if not image_type:
        return tag
    for known in _KNOWN_IMAGE_TYPES:
        if tag.endswith(f"-{known}"):
            tag = tag.removesuffix(f"-{known}")
            break
    return tag if image_type == "default" else f"{tag}-{image_type}"


def url_variables(path: str) -> dict[str, str]:
    """Variables that the webhook's URL path sets (``/inject/cluster/c1/net/n1``)."""
    pieces = path.removesuffix("/").split("/", 2)
    if len(pieces) < 3:
        return {}
    rest = pieces[2]
    pairs: list[tuple[str, str]] = []
    if rest.startswith(":ENV:"):
        for entry in rest.split(":ENV:")[1:]:
            name, equals, value = entry.partition("=")
            if name and equals:
                pairs.append((name, value))
    else:
        parts = rest.split("/")
        pairs = [(parts[i], parts[i + 1].replace("--slash--", "/")) for i in range(0, len(parts) - 1, 2)]
    return {_URL_VARIABLES.get(name, name.upper()): value for name, value in pairs if name}


def proxy_ids(namespace_annotations: Mapping[str, str]) -> tuple[int, int]:
    """User and group of the proxy; OpenShift reserves a range for each namespace, whose last ones they are."""
    ids = []
    for name in (_UID_RANGE, _GROUPS):
        text = namespace_annotations.get(name, "").split(",")[0]
        first, slash, size = text.partition("/")
        ids.append(int(first) + int(size) - 1 if slash and first.isdigit() and size.isdigit() else DEFAULT_PROXY_ID)
    return ids[0], ids[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateContext:
    """Input of a template; labels, annotations and spec are those before an earlier injection."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: Fields
    namespace: str
    workload: Workload
    proxy_config: Fields
    mesh: Fields
    values: Fields
    revision: str
    native: bool
    compliance_policy: str = ""
    proxy_uid: int = DEFAULT_PROXY_ID
    proxy_gid: int = DEFAULT_PROXY_ID

    @property
    def globals(self) -> Fields:
        return self.values.fields("global")

    @property
    def proxy(self) -> Fields:
        return self.globals.fields("proxy")

    @property
    def cni(self) -> bool:
        """Whether the CNI plugin writes the rules."""
        return self.values.fields("pilot").fields("cni").flag("enabled")

    @property
    def app_containers(self) -> list[str]:
        """Names of the pod's containers without istio-proxy."""
        return [c.text("name") for c in self.spec.items("containers") if c.text("name") != PROXY]

    @property
    def interception_mode(self) -> str:
        return self.annotation(INTERCEPTION_MODE, self.proxy_config.text("interceptionMode", "REDIRECT"))

    @property
    def status_port(self) -> str:
        """The agent's status port as the templates write it: annotation, then values."""
        return self.annotation(STATUS_PORT, self.proxy.text("statusPort", "15020"))

    @property
    def metadata(self) -> Mapping[str, str]:
        """proxyMetadata in the order of its names, as Go ranges over maps."""
        metadata = self.proxy_config.text_map("proxyMetadata")
        return {name: metadata[name] for name in sorted(metadata)}

    def annotation(self, name: str, default: str) -> str:
        """An annotation's value, even an empty one, or the default."""
        return self.annotations.get(name, default)

    def image(self) -> str:
        """Image of the proxy, of the type its ProxyConfig asks for."""
        return self._image(self.proxy.text("image", "proxyv2"), self.proxy_config.fields("image").text("imageType"))

    def init_image(self) -> str:
        """Image of the init container: a type in the ProxyConfig does not reach it, the installation's variant does."""
        name = self.globals.fields("proxy_init").text("image", "proxyv2")
        return self._image(name, self.globals.text("variant"))

    def _image(self, name: str, kind: str) -> str:
        own = self.annotations.get(PROXY_IMAGE, "")
        if "/" in own:
            return own
        kind = self.annotations.get(IMAGE_TYPE, kind)
        return f"{self.globals.text('hub')}/{name}:{image_tag(self.globals.text('tag'), kind)}"
