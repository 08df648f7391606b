"""Rules of Kubernetes' own kinds that manifests break most often.

Source: kubernetes pkg/apis/core/validation/validation.go and pkg/apis/apps/validation/validation.go, 1.33.
"""

from __future__ import annotations

import re
from typing import Final

from meshsim.api.fields import Fields
from meshsim.api.rules.names import is_address
from meshsim.api.rules.report import Report

_PORT_NAME: Final = re.compile(r"(?=.*[a-z])[a-z0-9](?:[-a-z0-9]{0,13}[a-z0-9])?\Z")
_DNS_LABEL: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?\Z")


def check_service(spec: Fields, report: Report) -> None:
    """Ports with unique names and numbers, and what each type needs."""
    kind = spec.text("type", "ClusterIP")
    ports = spec.items("ports")
    if kind == "ExternalName":
        if not spec.text("externalName"):
            report.refuse(spec.path, "a service of type ExternalName needs externalName")
    elif not ports and spec.text("clusterIP") != "None":
        report.refuse(spec.path, "a service needs at least one port", "only headless services may have none")
    names: list[str] = []
    numbers: list[tuple[str, int]] = []
    for port in ports:
        name = port.text("name")
        number = (port.text("protocol", "TCP"), port.integer("port"))
        if len(ports) > 1 and not name:
            report.refuse(port.path, "with several ports, each needs a name")
        if name and not _DNS_LABEL.match(name):
            report.refuse(port.at("name"), f"'{name}' is not a port name (a DNS label)")
        if name and name in names:
            report.refuse(port.at("name"), f"there are two ports '{name}'")
        if number in numbers:
            report.refuse(port.at("port"), f"there are two {number[0]} ports {number[1]}")
        names.append(name)
        numbers.append(number)
        _check_target_port(port, report)
    address = spec.text("clusterIP")
    if address not in ("", "None") and not is_address(address):
        report.refuse(spec.at("clusterIP"), f"'{address}' is not an IP address")


def _check_target_port(port: Fields, report: Report) -> None:
    target = port.value("targetPort")
    if isinstance(target, int) and not 1 <= target <= 65_535:
        report.refuse(port.at("targetPort"), f"a port is a number from 1 to 65535, this is {target}")
    elif isinstance(target, str) and not _PORT_NAME.match(target):
        hint = "a number, or a name of at most 15 lower case letters, digits and '-'"
        report.refuse(port.at("targetPort"), f"'{target}' is not a port", hint)


def check_pod_maker(spec: Fields, report: Report) -> None:
    """A Deployment or the like: its selector must select the pods that it makes."""
    template = spec.fields("template")
    labels = template.fields("metadata").text_map("labels")
    selector = spec.fields("selector")
    wanted = selector.text_map("matchLabels")
    if not wanted and not selector.items("matchExpressions"):
        report.refuse(selector.path, "the selector must not be empty")
    for key, value in wanted.items():
        if labels.get(key) != value:
            has = f"has '{labels[key]}'" if key in labels else "has no such label"
            message = f"the selector wants the label {key}: {value}, the pod template {has}"
            report.refuse(f"{selector.at('matchLabels')}.{key}", message)
    if "spec" not in template:
        report.refuse(template.path, "a pod template needs a spec")
    check_pod(template.fields("spec"), report)


def check_pod(spec: Fields, report: Report) -> None:
    """Containers with unique names, and ports with names that services can refer to."""
    names: list[str] = []
    for container in (*spec.items("initContainers"), *spec.items("containers")):
        name = container.text("name")
        if not _DNS_LABEL.match(name):
            report.refuse(container.at("name"), f"'{name}' is not a container name (a DNS label)")
        if name in names:
            report.refuse(container.at("name"), f"there are two containers '{name}'")
        names.append(name)
        for port in container.items("ports"):
            if port.text("name") and not _PORT_NAME.match(port.text("name")):
                hint = "at most 15 lower case letters, digits and '-'"
                report.refuse(port.at("name"), f"'{port.text('name')}' is not a port name", hint)
