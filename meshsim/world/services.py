"""Where packets to a cluster IP go: kube-proxy's choice among the ready endpoints of a service port."""

from __future__ import annotations

from meshsim.api import ApiObject, ObjectView
from meshsim.dataplane.decide.clusters import Endpoint, Health


class Backends:
    """Endpoints behind an address, as kube-proxy (iptables mode: at random) or the network sees them."""

    def __init__(self, objects: ObjectView) -> None:
        self._objects = objects

    def of(self, address: str, port: int) -> tuple[Endpoint, ...]:
        """Endpoints of the service that has this cluster IP; the address itself when none has it."""
        for service in self._objects.select("Service", ""):
            if address in service.spec.texts("clusterIPs") or service.spec.text("clusterIP") == address:
                return self._of_service(service, port)
        return (_endpoint(address, port),)

    def _of_service(self, service: ApiObject, port: int) -> tuple[Endpoint, ...]:
        name = next((p.text("name") for p in service.spec.items("ports") if p.integer("port") == port), None)
        if name is None:
            return ()
        found: dict[tuple[str, int], None] = {}
        for item in self._objects.select("EndpointSlice", None, service.namespace):
            if item.labels.get("kubernetes.io/service-name") != service.name:
                continue
            target = next((p.integer("port") for p in item.fields.items("ports") if p.text("name") == name), 0)
            for endpoint in item.fields.items("endpoints"):
                if target and endpoint.fields("conditions").optional_flag("ready") is not False:
                    found.update(((address, target), None) for address in endpoint.texts("addresses"))
        return tuple(_endpoint(*key) for key in found)


def _endpoint(address: str, port: int) -> Endpoint:
    return Endpoint(address, port, 1, Health.HEALTHY, (), "", "", ())
