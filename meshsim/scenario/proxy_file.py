"""The file of proxy parameters that a scenario may name, such as `meshsim calibrate` writes."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from meshsim.api import Origin, locate, locate_value, parse_documents, read_text
from meshsim.errors import InputError, InputErrors
from meshsim.scenario.model import Scenario
from meshsim.scenario.problems import input_errors
from meshsim.scenario.timing import ProxyTiming

_PATH = "mesh.timing.proxy.file"


def read_proxy_file(scenario: Scenario, origin: Origin, folder: Path, errors: list[InputError]) -> Scenario:
    """The scenario with the keys of the file that its ``mesh.timing.proxy`` names, below those it gives itself.

    `errors` gets what is wrong with the file.
    """
    given = scenario.mesh.timing.proxy
    if given.file is None:
        return scenario
    try:
        read = _read(folder / given.file, origin)
    except InputErrors as found:
        errors.extend(found.errors)
        return scenario
    proxy = given.model_copy(update={**read.overrides(), **given.overrides()})
    timing = scenario.mesh.timing.model_copy(update={"proxy": proxy})
    return scenario.model_copy(update={"mesh": scenario.mesh.model_copy(update={"timing": timing})})


def _read(path: Path, origin: Origin) -> ProxyTiming:
    where = locate_value(origin, _PATH)
    try:
        parsed = parse_documents(read_text(path, where), str(path))
    except InputError as error:
        raise InputErrors((error,)) from None
    if parsed.errors:
        raise InputErrors(parsed.errors)
    if len(parsed.documents) != 1:
        count = "no" if not parsed.documents else "more than one"
        raise InputErrors((InputError(f"'{path}' holds {count} document, one is needed", where),))
    document, there = parsed.documents[0]
    try:
        read = ProxyTiming.model_validate(document)
    except ValidationError as error:
        raise InputErrors(tuple(input_errors(error, ProxyTiming, document, there))) from None
    if read.file is not None:
        hint = "name that file in the scenario"
        raise InputErrors((InputError("a file of proxy parameters names no other", locate(there, "file"), hint),))
    return read
