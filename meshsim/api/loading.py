"""Manifests to API objects: files, folders, globs, texts and the inline objects of a scenario.

Everything that is wrong is collected and raised as one `InputErrors`; what is accepted but deserves a word comes back
as findings. No file, however broken, leads to any other exception.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from meshsim.api.build import make_object
from meshsim.api.documents import Document, parse_documents, template_error
from meshsim.api.objects import ApiObject, Origin
from meshsim.api.positions import scalar_text
from meshsim.api.rules import Remark, check_rules
from meshsim.api.schema.document import check_document
from meshsim.api.schema.reading import Problem, kind_of
from meshsim.errors import Finding, InputError, InputErrors, Position, Severity

_SUFFIXES: Final = (".yaml", ".yml", ".json")
_GLOB: Final = frozenset("*?[")
_MAX_FILE_BYTES: Final = 256 * 1024 * 1024


class Loaded(NamedTuple):
    """Objects in the order written, and what there is to say about them."""

    objects: tuple[ApiObject, ...]
    findings: tuple[Finding, ...]


class _Collected:
    """What loading has gathered so far."""

    def __init__(self) -> None:
        self.objects: list[ApiObject] = []
        self.findings: list[Finding] = []
        self.errors: list[InputError] = []
        self.not_simulated: dict[tuple[str, str, str, str], list[ApiObject]] = {}
        """Objects without their full effect in a run, by apiVersion, kind, what is done with it, and file."""

    def finish(self) -> Loaded:
        if self.errors:
            raise InputErrors(tuple(self.errors))
        for (api_version, kind, done, _), items in self.not_simulated.items():
            count = f" ({len(items)} objects in this file)" if len(items) > 1 else ""
            message = f"{kind} ({api_version}) is {done or 'accepted, not simulated'}{count}"
            subject = str(items[0])
            self.findings.append(Finding("MSH0103", Severity.INFO, message, items[0].position(), subject=subject))
        return Loaded(tuple(self.objects), tuple(self.findings))


def load_file(path: str | os.PathLike[str]) -> Loaded:
    """All objects of one file; raises `InputErrors`."""
    collected = _Collected()
    _add_file(Path(path), collected)
    return collected.finish()


def load_paths(
    paths: Sequence[str], base: str | os.PathLike[str] = ".", asked_at: Mapping[str, Position] | None = None
) -> Loaded:
    """All objects of files, folders (with everything below) and globs, relative to `base`; raises `InputErrors`.

    A file reached twice is read once. An object defined twice is kept twice, in order (the last one wins in a store, as
    with ``kubectl apply``), and reported. `asked_at` says where each path was asked for, for the message when nothing
    is there.
    """
    collected = _Collected()
    files: dict[Path, None] = {}
    for path in paths:
        position = asked_at.get(path) if asked_at else None
        try:
            for file in _expand(path, Path(base), position):
                files.setdefault(file)
        except InputError as error:
            collected.errors.append(error)
        except OSError as error:
            # A name no file can have, or a folder that must not be looked into.
            message = f"'{path[:80]}' cannot be read: {error.strerror}"
            collected.errors.append(InputError(message, position or Position(path[:80])))
    for file in files:
        _add_file(file, collected)
    _report_repeated(collected)
    return collected.finish()


def load_text(text: str, file: str) -> Loaded:
    """All objects of a YAML text; `file` names it in messages. Raises `InputErrors`."""
    collected = _Collected()
    _add_text(text, file, collected)
    return collected.finish()


def object_from_body(body: object, origin: Origin) -> Loaded:
    """The object (or the objects of a List) of a mapping that stands at `origin.path` of a document already read."""
    collected = _Collected()
    _add_document(Document(body, origin), collected)
    return collected.finish()


def read_text(path: Path, asked_at: Position | None = None) -> str:
    """The text of a file; raises `InputError` when it is missing, unreadable, binary or not UTF-8."""
    name = str(path)
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise InputError(f"'{name}' is larger than {_MAX_FILE_BYTES >> 20} MiB", asked_at or Position(name))
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"there is no file '{name}'", asked_at or Position(name)) from None
    except IsADirectoryError:
        raise InputError(f"'{name}' is a folder, a file is needed", asked_at or Position(name)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"'{name}' cannot be read: {reason}", asked_at or Position(name)) from None
    return decode_text(data, name)


def decode_text(data: bytes, name: str) -> str:
    """The text of what was read under a name; raises `InputError` when it is binary or not UTF-8."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if b"\0" in data[:4096]:
            raise InputError("this is a binary file, not a manifest", Position(name)) from None
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        message = f"the byte 0x{data[error.start]:02X} is not UTF-8 text"
        raise InputError(message, Position(name, line, column), "save the file as UTF-8") from None
    if "\0" in text:
        raise InputError("this is a binary file, not a manifest", Position(name))
    return text


def _expand(path: str, base: Path, position: Position | None) -> list[Path]:
    target = Path(os.path.normpath(base / path))
    if target.is_dir():
        below = (p for p in target.rglob("*") if p.suffix in _SUFFIXES and p.is_file())
        found = sorted(p for p in below if not any(part.startswith(".") for part in p.relative_to(target).parts))
        if not found:
            raise InputError(f"the folder '{target}' holds no YAML file", position or Position(str(target)))
        return found
    if _GLOB.isdisjoint(path) or target.exists():
        if not target.exists():
            raise InputError(f"there is no file '{target}'", position or Position(str(target)), _similar(target))
        return [target]
    # An absolute pattern is matched from its root; pathlib refuses to do that itself.
    root, pattern = (
        (Path(target.anchor), str(target.relative_to(target.anchor)))
        if target.is_absolute()
        else (Path("."), str(target))
    )
    try:
        matches = sorted(p for p in root.glob(pattern) if p.is_file())
    except (ValueError, OSError, NotImplementedError) as error:
        raise InputError(f"'{path}' is not a pattern: {error}", position or Position(path)) from None
    if not matches:
        raise InputError(f"no file matches '{target}'", position or Position(str(target)))
    return matches


def _similar(path: Path) -> str:
    from difflib import get_close_matches

    try:
        names = sorted(p.name for p in path.parent.iterdir())
    except OSError:
        return f"there is no folder '{path.parent}' either"
    close = get_close_matches(path.name, names, 1)
    return f"did you mean '{close[0]}'?" if close else ""


def _add_file(path: Path, collected: _Collected) -> None:
    try:
        text = read_text(path)
    except InputError as error:
        collected.errors.append(error)
        return
    before = len(collected.objects) + len(collected.errors)
    _add_text(text, str(path), collected)
    if len(collected.objects) + len(collected.errors) == before:
        collected.findings.append(Finding("MSH0101", Severity.WARNING, "holds no objects", Position(str(path))))


def _add_text(text: str, file: str, collected: _Collected) -> None:
    read = parse_documents(text, file)
    collected.errors.extend(read.errors)
    for document in read.documents:
        _add_document(document, collected)


def _add_document(document: Document, collected: _Collected) -> None:
    origin = document.origin
    body = document.value
    if not isinstance(body, Mapping):
        what = "a list" if isinstance(body, Sequence) and not isinstance(body, str) else f"the value {body!r}"
        message = f"a Kubernetes object is a mapping with apiVersion and kind, this is {what}"
        collected.errors.append(template_error(origin) or InputError(message, origin.position()))
        return
    kind = body.get("kind")
    items = body.get("items")
    if isinstance(kind, str) and kind.endswith("List") and isinstance(items, Sequence) and not isinstance(items, str):
        prefix = f"{origin.path}.items" if origin.path else "items"
        for index, item in enumerate(items):
            _add_document(Document(item, replace(origin, path=f"{prefix}[{index}]")), collected)
        return
    _add_object(body, origin, collected)


def _add_object(body: Mapping[str, object], origin: Origin, collected: _Collected) -> None:
    errors = _identity_errors(body, origin)
    if errors:
        collected.errors.extend(errors)
        return
    checked = check_document(body)
    item = make_object(checked.body, origin)
    problems = list(checked.problems)
    if not problems and checked.kind is not None:
        # Rules read the fields through typed getters, so they wait until every field has its type.
        report = check_rules(item.group, item.kind, checked.body)
        problems = report.problems
        collected.findings.extend(_finding(remark, item) for remark in report.remarks)
    if problems:
        collected.errors.extend(_input_error(problem, item, origin) for problem in problems)
        return
    collected.objects.append(item)
    collected.findings.extend(_renamed(item, checked.renamed))
    if checked.kind is None or not checked.kind.simulated:
        done = checked.kind.partly if checked.kind is not None else ""
        collected.not_simulated.setdefault((item.api_version, item.kind, done, origin.file), []).append(item)


def _input_error(problem: Problem, item: ApiObject, origin: Origin) -> InputError:
    hint = problem.hint
    written = scalar_text(origin, problem.path)
    message = problem.message
    if message.startswith("must be") and problem.path:
        message = f"'{problem.path}' {message}"
    if written is not None and "must be text" in message:
        message = message.rpartition(", this is ")[0] + f", {written} is read as {_kind_of_text(problem)}"
        hint = f'put it in quotes: "{written}"'
    return InputError(message, origin.position(problem.path), hint, str(item))


def _finding(remark: Remark, item: ApiObject) -> Finding:
    """A warning of the webhook: Istio's analyzers report those as IST0133 (SchemaWarning)."""
    return Finding("IST0133", Severity.WARNING, remark.message, item.position(remark.path), remark.hint, str(item))


def _kind_of_text(problem: Problem) -> str:
    shown = problem.message.rpartition(", this is ")[2]
    return shown if shown.startswith("a ") else "a number"


def _renamed(item: ApiObject, renamed: Iterable[tuple[str, str]]) -> list[Finding]:
    return [
        Finding(
            "MSH0104",
            Severity.WARNING,
            f"the field '{path}' is named '{name}' in a cluster, which would drop it as it is written",
            item.position(path),
            subject=str(item),
        )
        for path, name in renamed
    ]


def _identity_errors(body: Mapping[str, object], origin: Origin) -> Iterable[InputError]:
    """What is wrong with apiVersion, kind and metadata.name; without them nothing else can be said."""
    errors: list[InputError] = []
    if "apiVersion" not in body and "kind" not in body:
        message = "this is not a Kubernetes object: it has neither apiVersion nor kind"
        return [template_error(origin) or InputError(message, origin.position())]
    for field in ("apiVersion", "kind"):
        value = body.get(field)
        if not isinstance(value, str) or not value:
            hint = "every Kubernetes object has one" if value is None else f"a text is needed, this is {value!r}"
            errors.append(InputError(f"the field '{field}' is missing or not text", origin.position(field), hint))
    if errors:
        return errors
    subject = str(body["kind"])
    metadata = body.get("metadata")
    if not isinstance(metadata, Mapping):
        return [InputError("the field 'metadata' is missing", origin.position("metadata"), "", subject)]
    name = metadata.get("name")
    if isinstance(name, str) and name:
        return []
    position = origin.position("metadata.name")
    if name is None or name == "":
        return [InputError("the field 'metadata.name' is missing", position, "", subject)]
    written = scalar_text(origin, "metadata.name")
    message = f"metadata.name must be text, '{written}' is read as {kind_of(name)}"
    return [InputError(message, position, f'put it in quotes: "{written}"' if written else "", subject)]


def _report_repeated(collected: _Collected) -> None:
    first: dict[object, ApiObject] = {}
    for item in collected.objects:
        before = first.setdefault(item.key, item)
        if before is not item:
            message = f"defined again, this one replaces that of {before.position()}"
            collected.findings.append(Finding("MSH0102", Severity.WARNING, message, item.position(), subject=str(item)))
