"""Every exception survives what simpy and process pools do to it: rebuilding from its args, and pickling."""

from __future__ import annotations

import importlib
import inspect
import pickle
import pkgutil
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

import meshsim
from meshsim.errors import InputError, MeshsimError, Position

_SAMPLES: dict[Any, object] = {
    str: "text",
    int: 7,
    float: 0.5,
    bool: True,
    Position: Position("scenario.yaml", 3, 5),
    InputError: InputError("inner", Position("scenario.yaml", 4, 1), "a hint", "a subject"),
}

SIGNALS: dict[str, str] = {
    "meshsim.controlplane.conversion.backends.UnusableRouteError": "becomes a condition in the route's status",
    "meshsim.controlplane.conversion.listener_tls.InvalidTlsError": "becomes a condition in the listener's status",
}
"""Exceptions that one room raises and catches itself, each with what becomes of it; private ones start with ``_``."""


def _exception_classes() -> list[type[BaseException]]:
    found: dict[type[BaseException], None] = {}
    for module_info in pkgutil.walk_packages(meshsim.__path__, "meshsim."):
        if module_info.name.endswith("__main__"):
            continue
        module = importlib.import_module(module_info.name)
        for _, value in inspect.getmembers(module, inspect.isclass):
            if issubclass(value, BaseException) and value.__module__.startswith("meshsim"):
                found.setdefault(value)
    return sorted(found, key=lambda c: f"{c.__module__}.{c.__qualname__}")


def _sample(hint: Any) -> object:
    if hint in _SAMPLES:
        return _SAMPLES[hint]
    if get_origin(hint) in (Union, UnionType):
        return _sample(next(arg for arg in get_args(hint) if arg is not type(None)))
    if get_origin(hint) is tuple:
        return (_sample(get_args(hint)[0]),)
    raise AssertionError(f"give {hint!r} a sample value in _SAMPLES")


def _build(exception_class: type[BaseException]) -> BaseException:
    if not inspect.isfunction(exception_class.__init__):
        return exception_class("text")  # the constructor is that of Exception
    hints = get_type_hints(exception_class.__init__)
    parameters = list(inspect.signature(exception_class.__init__).parameters.values())[1:]
    return exception_class(*(_sample(hints[parameter.name]) for parameter in parameters))


@pytest.fixture(scope="module")
def exception_classes() -> list[type[BaseException]]:
    return _exception_classes()


def test_exceptions_round_trip(exception_classes: list[type[BaseException]]) -> None:
    for exception_class in exception_classes:
        error = _build(exception_class)
        rebuilt = type(error)(*error.args)
        thawed = pickle.loads(pickle.dumps(error))
        for copy in (rebuilt, thawed):
            assert type(copy) is exception_class
            assert repr(copy.args) == repr(error.args)  # exceptions inside of args compare by identity
            assert str(copy) == str(error)
            assert vars(copy).keys() == vars(error).keys()


def test_what_reaches_a_user_is_in_one_tree(exception_classes: list[type[BaseException]]) -> None:
    strays = [
        name
        for c in exception_classes
        if not issubclass(c, MeshsimError)
        and not c.__name__.startswith("_")
        and (name := f"{c.__module__}.{c.__qualname__}") not in SIGNALS
    ]
    assert not strays, "outside of the exception tree:\n" + "\n".join(strays)
    known = {f"{c.__module__}.{c.__qualname__}" for c in exception_classes}
    assert set(SIGNALS) <= known


def test_codes_are_distinct(exception_classes: list[type[BaseException]]) -> None:
    tree = [c for c in exception_classes if issubclass(c, MeshsimError)]
    own = [c.__dict__["code"] for c in tree if "code" in c.__dict__]
    assert len(own) == len(set(own))
    for exception_class in tree:
        assert exception_class.exit_code in (2, 3, 130)
