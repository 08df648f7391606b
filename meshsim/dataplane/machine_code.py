"""The core's entries as machine code: kept in a file, and loaded from it by LLVM alone.

The compiler itself takes half a second to be imported and to find what it once compiled; a run of a scenario takes
not much more. So it is imported only to compile.
"""

from __future__ import annotations

import ctypes
import io
import pickle
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from meshsim.dataplane.storage import Compiled

_SIGNATURES: Final = {"run": 2, "inject": 3, "arrange": 2}
"""The entries, and how many numbers each takes; the first is the address of the directory of tables."""


class EntryCode(NamedTuple):
    """What the compiler makes of one entry."""

    symbol: str
    code: bytes
    """An object file."""


class _Failure(ctypes.Structure):
    """What a function compiled by numba says of an exception: pickled, its class and arguments first.

    Source: numba 0.68, numba/core/callconv.py `excinfo_t`.
    """

    _fields_ = (("pickled", ctypes.c_void_p), ("size", ctypes.c_int32))


def pack_entries(entries: Mapping[str, EntryCode]) -> bytes:
    """All entries in one file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, entry in entries.items():
            archive.writestr(f"{name}/{entry.symbol}", entry.code)
    return packed.getvalue()


def unpack_entries(packed: bytes) -> dict[str, EntryCode] | None:
    """The entries of such a file; `None` when it is damaged."""
    entries: dict[str, EntryCode] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            for path in archive.namelist():
                name, _, symbol = path.partition("/")
                entries[name] = EntryCode(symbol, archive.read(path))
    except (zipfile.BadZipFile, EOFError):
        return None
    return entries if entries.keys() == _SIGNATURES.keys() else None


def link_entries(entries: Mapping[str, EntryCode]) -> Compiled:
    """The entries as functions that can be called."""
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_triple(binding.get_process_triple()).create_target_machine()
    # Entries bring the functions they share each for itself: they must not see each other's.
    linkers = {name: binding.create_mcjit_compiler(binding.parse_assembly(""), machine) for name in entries}
    for name, linker in linkers.items():
        linker.add_object_file(binding.ObjectFileRef.from_data(entries[name].code))
        linker.finalize_object()
    return Compiled(**{name: _callable(linkers[name], entries[name].symbol, n) for name, n in _SIGNATURES.items()})


def _callable(linker: Any, symbol: str, arguments: int) -> Callable[..., int]:
    """A linked function; called, it raises what the function raises.

    It takes where to put its result and where to put what it raises, and answers whether it succeeded.
    Source: numba 0.68, numba/core/callconv.py `CPUCallConv`.
    """
    places = (ctypes.c_void_p, ctypes.c_void_p)
    kind = ctypes.CFUNCTYPE(ctypes.c_int32, *places, *(ctypes.c_int64 for _ in range(arguments)))
    native = kind(linker.get_function_address(symbol))

    def call(*numbers: int, owner: Any = linker) -> int:
        result, failure = ctypes.c_int64(), ctypes.POINTER(_Failure)()
        if native(ctypes.addressof(result), ctypes.addressof(failure), *numbers):
            raised, details = pickle.loads(ctypes.string_at(failure.contents.pickled, failure.contents.size))[:2]
            raise raised(*details)
        return result.value

    return call
