"""A scenario file to a `LoadedScenario`: everything it names is read, everything that is wrong is said at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from meshsim.api import (
    ApiObject,
    Loaded,
    Origin,
    load_paths,
    locate,
    locate_value,
    object_from_body,
    parse_documents,
    read_text,
)
from meshsim.api.schema.mesh_config import check_mesh_config
from meshsim.errors import Finding, InputError, InputErrors, Position, Severity
from meshsim.scenario.checking import check_references
from meshsim.scenario.columns import read_files
from meshsim.scenario.loaded import LoadedScenario, TimedAction
from meshsim.scenario.model import Scenario
from meshsim.scenario.problems import input_errors, shown
from meshsim.scenario.proxy_file import read_proxy_file
from meshsim.scenario.resolving import resolve_timeline
from meshsim.scenario.timeline import ObjectReference, TimelineEntry

API_VERSION: Final = "meshsim/v1alpha1"
KIND: Final = "Scenario"


def load_scenario(path: str | os.PathLike[str]) -> LoadedScenario:
    """The scenario of a file; raises `InputErrors` with everything that is wrong in it and in the files it names."""
    file = Path(path)
    try:
        text = read_text(file)
    except InputError as error:
        raise InputErrors((error,)) from None
    return load_text(text, str(path), file.parent)


def load_text(text: str, file: str, folder: str | os.PathLike[str] = ".") -> LoadedScenario:
    """The scenario of a YAML text; paths in it count from `folder`. Raises `InputErrors`."""
    read = parse_documents(text, file)
    if read.errors:
        raise InputErrors(read.errors)
    if not read.documents:
        raise InputErrors((InputError("the file is empty, a scenario is needed", Position(file)),))
    if len(read.documents) > 1:
        position = locate(read.documents[1].origin)
        hint = "put manifests into files of their own and name them under 'resources'"
        raise InputErrors((InputError("a scenario file holds one document, this is another one", position, hint),))
    document, origin = read.documents[0]
    return load_document(document, origin, folder)


def load_document(document: object, origin: Origin, folder: str | os.PathLike[str] = ".") -> LoadedScenario:
    """The scenario of a document already read; paths in it count from `folder`. Raises `InputErrors`."""
    _assert_scenario(document, origin)
    errors: list[InputError] = []
    try:
        scenario = Scenario.model_validate(document)
    except ValidationError as error:
        found = input_errors(error, Scenario, document, origin)
        raise InputErrors((*found, *_errors_of_manifests(document, origin, Path(folder)))) from None
    scenario = read_files(scenario, origin, Path(folder), errors)
    scenario = read_proxy_file(scenario, origin, Path(folder), errors)
    reader = _Reader(origin, Path(folder))
    objects = reader.sources("resources", scenario.resources)
    timeline = resolve_timeline(scenario, origin, errors)
    actions: list[TimedAction] = []
    for index, entry in enumerate(scenario.timeline):
        span = timeline.spans.get(entry.id)
        named, references = reader.action(f"timeline[{index}]", entry)
        if span is not None:
            until = span.end if entry.id in timeline.undone else None
            where = locate(origin, f"timeline[{index}]")
            actions.append(TimedAction(entry, span.begin, until, named, references, where))
    actions.sort(key=lambda action: action.at)
    errors.extend(reader.errors)
    mesh_errors, mesh_findings = _mesh_config(scenario.mesh.mesh_config, origin)
    errors.extend(mesh_errors)
    loaded = LoadedScenario(
        scenario=scenario,
        origin=origin,
        document=document,
        objects=objects,
        actions=tuple(actions),
        anchors=timeline.anchors(scenario.duration),
        findings=(*mesh_findings, *reader.findings),
    )
    errors.extend(check_references(loaded, objects_complete=not reader.errors))
    if errors:
        raise InputErrors(tuple(_in_order(errors)))
    return loaded


def _mesh_config(config: Mapping[str, Any], origin: Origin) -> tuple[list[InputError], list[Finding]]:
    """What is wrong with the MeshConfig; a name it does not have may be of another release and is a warning."""
    values, names = check_mesh_config(config)
    path = "mesh.meshConfig"
    errors = [
        InputError(problem.message, locate_value(origin, f"{path}.{problem.path}"), problem.hint, "MeshConfig")
        for problem in values
    ]
    findings = [
        Finding(
            "MSH0105",
            Severity.WARNING,
            f"{problem.message}, it is not read",
            locate(origin, f"{path}.{problem.path}"),
            problem.hint,
            "MeshConfig",
        )
        for problem in names
    ]
    return errors, findings


def _errors_of_manifests(document: object, origin: Origin, folder: Path) -> list[InputError]:
    """What is wrong in the manifests of a scenario that is itself wrong: nobody wants to learn that afterwards."""
    resources = document.get("resources") if isinstance(document, Mapping) else None
    if not isinstance(resources, list) or not all(isinstance(item, str) for item in resources):
        return []
    reader = _Reader(origin, folder)
    reader.sources("resources", tuple(resources))
    return reader.errors


def _assert_scenario(document: object, origin: Origin) -> None:
    if not isinstance(document, Mapping):
        error = InputError(f"a scenario is a mapping, this is {shown(document)}", locate(origin))
        raise InputErrors((error,))
    kind, version = document.get("kind"), document.get("apiVersion")
    hint = f"its first lines are 'apiVersion: {API_VERSION}' and 'kind: {KIND}'"
    if kind is not None and kind != KIND and isinstance(version, str) and not version.startswith("meshsim/"):
        raise InputErrors((InputError(f"this is a {kind}, not a scenario", locate(origin, "kind"), hint),))
    if isinstance(version, str) and version.startswith("meshsim/") and version != API_VERSION:
        message = f"the version '{version}' of the scenario format is not known, this meshsim reads '{API_VERSION}'"
        raise InputErrors((InputError(message, locate(origin, "apiVersion")),))


def _in_order(errors: list[InputError]) -> list[InputError]:
    """Without repetitions, a file's errors by line; files in the order they were met."""
    files: dict[str, int] = {}
    for error in errors:
        files.setdefault(error.position.file if error.position else "", len(files))
    unique = list(dict.fromkeys(errors_key(error) for error in errors))
    by_key: dict[tuple[Any, ...], InputError] = {}
    for error in errors:
        by_key.setdefault(errors_key(error), error)

    def place(error: InputError) -> tuple[int, int, int]:
        at = error.position or Position("")
        return files[at.file], at.line, at.column

    return sorted((by_key[key] for key in unique), key=place)


def errors_key(error: InputError) -> tuple[Any, ...]:
    """What makes two errors the same one."""
    return error.message, error.position, error.hint, error.subject


class _Reader:
    """Reads what a scenario names, collecting errors and findings."""

    def __init__(self, origin: Origin, folder: Path) -> None:
        self._origin = origin
        self._folder = folder
        self.errors: list[InputError] = []
        self.findings: list[Finding] = []

    def sources(self, path: str, sources: tuple[str | Mapping[str, Any], ...]) -> tuple[ApiObject, ...]:
        """The objects of files, folders, globs and inline objects, in the order written."""
        single = len(sources) == 1 and not self._is_list(path)
        objects: list[ApiObject] = []
        for index, source in enumerate(sources):
            at = path if single else f"{path}[{index}]"
            if isinstance(source, str):
                objects.extend(self._file(source, at))
            else:
                objects.extend(self._inline(source, at))
        return tuple(objects)

    def action(self, path: str, entry: TimelineEntry) -> tuple[tuple[ApiObject, ...], tuple[ObjectReference, ...]]:
        """The objects of an `apply`, or what a `delete` names."""
        if entry.apply is not None:
            return self.sources(f"{path}.apply", entry.apply), ()
        if entry.delete is None:
            return (), ()
        files = tuple(item for item in entry.delete if isinstance(item, str))
        references = tuple(item for item in entry.delete if isinstance(item, ObjectReference))
        objects = [item for file in files for item in self._file(file, f"{path}.delete")]
        return tuple(objects), references

    def _is_list(self, path: str) -> bool:
        return locate(self._origin, f"{path}[0]") != locate(self._origin, path)

    def _file(self, source: str, at: str) -> tuple[ApiObject, ...]:
        asked = locate(self._origin, at)
        return self._collect(lambda: load_paths([source], self._folder, {source: asked}))

    def _inline(self, source: Mapping[str, Any], at: str) -> tuple[ApiObject, ...]:
        return self._collect(lambda: object_from_body(source, replace(self._origin, path=at)))

    def _collect(self, load: Any) -> tuple[ApiObject, ...]:
        try:
            loaded: Loaded = load()
        except InputErrors as errors:
            self.errors.extend(errors.errors)
            return ()
        self.findings.extend(loaded.findings)
        return loaded.objects
