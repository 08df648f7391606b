"""The tables of the event core in the mode that is wished: interpreted, or compiled by numba.

This module alone imports numba. `MESHSIM_ENGINE` chooses (``numba`` or ``plain``); without numba the interpreted mode
is used, after one warning. The compiled code is kept in a file named by everything it depends on, so that a stale
result is never loaded and a read-only installation works; numba itself is imported only when there is no such file.

How the core is compiled. Each function of `meshsim.dataplane.core` is compiled once, on its own, with `State` being a
pointer to the directory that `meshsim.dataplane.storage.ArrayTables` keeps, a table a pointer to its line there and a
row a pointer into the table. Nothing is reference counted, so that a call costs a call and the compiler may decide what
to inline.
"""

from __future__ import annotations

import contextlib
import dis
import gc
import hashlib
import importlib.util
import operator
import os
import platform
import sys
import tempfile
import types
import warnings
import weakref
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from meshsim.dataplane import core, storage
from meshsim.dataplane.core import State
from meshsim.dataplane.machine_code import EntryCode, link_entries, pack_entries, unpack_entries
from meshsim.dataplane.storage import DTYPES, WIDTHS, ArrayTables, Compiled, Mode, PlainTables, Tables
from meshsim.errors import InternalError, UsageError

Notice = Callable[[str], None]

_FIRST_LINE: Final = frozenset({"host", "pod", "proxy"})
"""Tables of whose rows the first cache line is all that most requests need."""
COMPILING: Final = "compiling the engine (first run only)..."


def choose_mode(wish: str | None = None) -> Mode:
    """The mode to use: `wish`, else the environment's ``MESHSIM_ENGINE``, else numba where it is installed."""
    wish = wish or os.environ.get("MESHSIM_ENGINE") or Mode.NUMBA
    try:
        mode = Mode(wish)
    except ValueError:
        raise UsageError(
            f"'{wish}' is not an engine", None, f"MESHSIM_ENGINE is one of {', '.join(Mode)}", "MESHSIM_ENGINE"
        ) from None
    if mode is not Mode.PLAIN and importlib.util.find_spec("numba") is None:
        _warn_once()
        return Mode.PLAIN
    return mode


_warned: list[bool] = []


def _warn_once() -> None:
    if not _warned:
        _warned.append(True)
        warnings.warn("numba is not installed: the engine runs interpreted, up to 90 times slower", stacklevel=3)


def make_tables(mode: Mode, notice: Notice | None = None) -> Tables:
    """Empty tables for a mode; `notice` hears when the core has to be compiled first."""
    return PlainTables() if mode is Mode.PLAIN else ArrayTables(mode, _compiled(mode, notice))


# ---------------------------------------------------------------------------------------------------------------------
# The compiler's cache
# ---------------------------------------------------------------------------------------------------------------------


_SOURCES: Final = [Path(module).read_bytes() for module in (core.__file__, storage.__file__, __file__)]
"""What is compiled, as it was when it was loaded: an edit since then must not give its name to older code."""


def _cache_file(mode: Mode) -> Path:
    """Where compiled code for exactly this core, compiler, Python and processor belongs."""
    from llvmlite import binding

    parts = hashlib.blake2b(digest_size=8)
    for source in _SOURCES:
        parts.update(source)
    features = binding.get_host_cpu_features().flatten()
    versions = [version(name) for name in ("numba", "llvmlite", "numpy")]
    for text in (mode, *versions, sys.version, platform.machine(), binding.get_host_cpu_name()):
        parts.update(text.encode())
    parts.update(features.encode())
    return _cache_base() / f"engine-{parts.hexdigest()}.zip"


def _cache_base() -> Path:
    wish = os.environ.get("MESHSIM_CACHE_DIR")
    if wish:
        return Path(wish)
    home = os.environ.get("XDG_CACHE_HOME") or (Path.home() / ".cache")
    base = Path(home) / "meshsim"
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.gettempdir()) / "meshsim-cache"
    return base if os.access(base, os.W_OK) else Path(tempfile.gettempdir()) / "meshsim-cache"


KEEP: Final = 4
"""Files of compiled code that are kept, most recently used first."""


def _tidy(file: Path) -> None:
    """Remove code compiled for cores that have not been used for long."""
    others = [path for path in file.parent.glob("engine-*.zip") if path != file]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[KEEP - 1 :]:
        path.unlink(missing_ok=True)


_ready: dict[Mode, Compiled] = {}


def _compiled(mode: Mode, notice: Notice | None) -> Compiled:
    """The compiled entries of the core; says so when they have to be compiled first."""
    if mode not in _ready:
        _ready[mode] = link_entries(_entries(mode, notice))
    return _ready[mode]


def _entries(mode: Mode, notice: Notice | None) -> dict[str, EntryCode]:
    """Code from the cache, else from the compiler."""
    file = _cache_file(mode)
    with contextlib.suppress(OSError):
        kept = unpack_entries(file.read_bytes())
        if kept is not None:
            os.utime(file)
            return kept
    if notice is not None:
        notice(COMPILING)
    import numba

    with _settings(numba, {"LOOP_VECTORIZE": 0, "SLP_VECTORIZE": 0}):
        entries = _compile(numba, mode)
    _keep(file, pack_entries(entries))
    return entries


def _keep(file: Path, packed: bytes) -> None:
    """Write code into the cache in one step, since other processes look there; nothing where nothing can be written."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        _tidy(file)
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as unfinished:
            unfinished.write(packed)
        Path(unfinished.name).replace(file)


@contextlib.contextmanager
def _settings(numba: Any, wishes: dict[str, Any]) -> Iterator[None]:
    """Let numba work under other settings, without the garbage collector, which takes a fifth of the time."""
    before = {name: getattr(numba.config, name) for name in wishes}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for name, value in wishes.items():
            setattr(numba.config, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(numba.config, name, value)
        if collecting:
            gc.enable()


_PLAIN: Final = frozenset({"numba.core.typing.builtins", __name__})
"""Where meanings of operators between numbers, and for tables, are defined."""


@contextlib.contextmanager
def _meant_for_numbers(numba: Any) -> Iterator[None]:
    """Let operators mean what they mean between numbers and for tables: numba would ask at each what it might mean
    between texts, lists, sets and arrays, which takes a fifth of the time."""
    context = numba.core.registry.cpu_target.typing_context
    context.refresh()
    known: dict[Any, Any] = getattr(context, "_globals", {})
    before: dict[Any, Any] = {}
    for operation in map(weakref.ref, (bool, len, *filter(callable, vars(operator).values()))):
        function = known.get(operation)
        if isinstance(function, numba.types.Function):
            kept = [kind for kind in function.templates if any(base.__module__ in _PLAIN for base in kind.__mro__)]
            if kept:
                before[operation] = function
                known.update({operation: numba.types.Function(tuple(kept))})
    try:
        yield
    finally:
        known.update(before)


# ---------------------------------------------------------------------------------------------------------------------
# The compiler's view of the state
# ---------------------------------------------------------------------------------------------------------------------


def _compile(numba: Any, mode: Mode) -> dict[str, EntryCode]:
    """The core's functions once more, in a namespace of their own where each calls the compiled others.

    Every function is compiled before those that call it, for the one signature its annotations declare: so the
    compiler never nests and never makes a second version for a literal argument.
    """
    plain: dict[str, Any] = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    namespace = dict(vars(core))

    def compile_parts(part: Any) -> None:
        inner = {**plain, "pipeline_class": part}
        state = _state_type(numba, mode is Mode.CHECKED)
        intrinsics = {"fetch": _fetch(numba, state), "octave": _octave(numba)}
        namespace.update(intrinsics)
        with _meant_for_numbers(numba):
            for name in _callees_first():
                if name not in intrinsics:
                    function = getattr(core, name)
                    compiler = numba.njit(_signature(numba, function, state), forceinline=name in core.INLINE, **inner)
                    namespace[name] = compiler(_twin(function, namespace))
        namespace["as_state"] = _state_at(numba, state)

    entry = {**plain, "pipeline_class": _pipeline(numba, compile_parts)}
    return {
        "run": _entry(numba.njit("int64(int64, int64)", **entry)(_twin(_run_at, namespace))),
        "inject": _entry(numba.njit("void(int64, int64, int64)", **entry)(_twin(_inject_at, namespace))),
        "arrange": _entry(numba.njit("int64(int64, int64)", **entry)(_twin(_arrange_at, namespace))),
    }


def _entry(dispatcher: Any) -> EntryCode:
    """An entry's code. Raises `InternalError` when it calls what only numba has: it would not be there later."""
    (compiled,) = dispatcher.overloads.values()
    called = [function.name for function in compiled.library._final_module.functions if function.is_declaration]
    strange = [name for name in called if name.startswith(("numba_", "NRT_", "Py"))]
    if strange:
        raise InternalError(
            f"the compiled engine would need {', '.join(strange)} of numba {version('numba')}",
            None,
            "MESHSIM_ENGINE=plain runs without the compiler",
        )
    return EntryCode(compiled.fndesc.llvm_func_name, compiled.library._get_compiled_object())


def _plain_passes(numba: Any) -> Any:
    """The passes that plain arithmetic, branches, loops and calls need, and no others."""
    manager = numba.core.compiler_machinery.PassManager("part")
    untyped, typed = numba.core.untyped_passes, numba.core.typed_passes
    manager.add_pass(untyped.TranslateByteCode, "bytecode")
    manager.add_pass(untyped.FixupArgs, "arguments")
    manager.add_pass(untyped.IRProcessing, "processing")
    manager.add_pass(untyped.ReconstructSSA, "single assignments")
    manager.add_pass(typed.NopythonTypeInference, "types")
    manager.add_pass(typed.PreLowerStripPhis, "no phi nodes")
    manager.add_pass(typed.IRLegalization, "legal form")
    manager.add_pass(typed.NativeLowering, "lowering")
    manager.add_pass(typed.NoPythonBackend, "backend")
    manager.finalize()
    return manager


def _libraries(numba: Any) -> tuple[Any, Any]:
    """Where numba keeps the code of one inner function, and of an entry with all it needs."""
    from llvmlite import binding

    codegen = numba.core.codegen
    often = frozenset((*core.INLINE, *core.OFTEN))

    class Unloaded:
        """What stands for the machine code of a part, which has no place in memory to write to."""

        def set_env(self, name: str, environment: Any) -> None:
            """Nothing: compiled code looks there for Python objects, and the core knows none."""

    class Part(codegen.JITCodeLibrary):  # type: ignore[misc,name-defined]
        """The code of one inner function, to be linked into an entry."""

        codegen = Unloaded()

        def add_ir_module(self, ir_module: Any) -> None:
            # numba promises that sums and products stay below 2^63; draws go beyond, and are cut to 62 bits.
            text = numba.core.cgutils.normalize_ir_text(str(ir_module)).replace(" nsw ", " ")
            module = binding.parse_assembly(text)
            if self.name not in often:
                for function in module.functions:
                    function.add_function_attribute("cold")
            self.add_llvm_module(module)

        def finalize(self) -> None:
            self._finalized = True

        def get_pointer_to_function(self, name: str) -> int:
            self._ensure_finalized()
            return 0

    class Whole(codegen.JITCodeLibrary):  # type: ignore[misc,name-defined]
        """The code of an entry and of all parts, which nobody else calls."""

        def _optimize_final_module(self) -> None:
            for function in self._final_module.functions:
                if function.linkage == binding.Linkage.linkonce_odr:
                    function.linkage = binding.Linkage.internal
            super()._optimize_final_module()

    return Part, Whole


def _pipeline(numba: Any, compile_parts: Callable[[Any], None]) -> Any:
    """numba's compiler for an entry; unless the cache has it, `compile_parts` is first called with one for the rest.

    numba would optimise and assemble every function together with everything it calls, again and again up to the
    entries. Here the code of inner functions is kept as it is, and optimised once, inside the entry.
    """
    part_library, whole_library = _libraries(numba)
    parts: list[Any] = []

    class PartCompiler(numba.core.compiler.CompilerBase):  # type: ignore[misc]
        """Passes for one part, and where its code is kept."""

        def define_pipelines(self) -> Any:
            self.state.library = part_library(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
            parts.append(self.state.library)
            return [_plain_passes(numba)]

    class WholeCompiler(numba.core.compiler.Compiler):  # type: ignore[misc]
        """Everything numba does, on all parts together."""

        def define_pipelines(self) -> Any:
            if not parts:
                compile_parts(PartCompiler)
                self.state.typingctx.refresh()
                self.state.targetctx.refresh()
            library = whole_library(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
            library.enable_object_caching()
            # The linker takes from a part what is asked for by then: callers come before those they call.
            for part in reversed(parts):
                library.add_linking_library(part)
            for part in parts:
                for other in part._linking_libraries:
                    library.add_linking_library(other)
            self.state.library = library
            return super().define_pipelines()

    return WholeCompiler


def _callees_first() -> list[str]:
    """Names of the core's functions, each after all those it calls."""
    functions = {
        name: item
        for name, item in vars(core).items()
        if isinstance(item, types.FunctionType) and item.__module__ == core.__name__
    }
    order: dict[str, None] = {}

    def visit(name: str) -> None:
        for instruction in dis.get_instructions(functions[name]):
            callee = instruction.argval
            if instruction.opname == "LOAD_GLOBAL" and callee in functions and callee not in order:
                visit(callee)
        order[name] = None

    for name in functions:
        if name not in order:
            visit(name)
    return list(order)


def _signature(numba: Any, function: types.FunctionType, state: Any) -> Any:
    """A core function's signature as its annotations declare it."""
    nb = numba.types
    kinds = {"State": state, "i64": nb.int64, "float": nb.float64, "bool": nb.boolean, "None": nb.none}
    declared = {name: kinds[str(kind)] for name, kind in function.__annotations__.items()}
    return declared.pop("return")(*declared.values())


def _twin(function: Callable[..., Any], namespace: dict[str, Any]) -> types.FunctionType:
    """The same function with other globals."""
    twin = types.FunctionType(function.__code__, namespace, function.__name__)
    twin.__module__ = function.__module__
    return twin


def _run_at(directory: int, until: int) -> int:
    return run(as_state(directory), until)  # type: ignore[name-defined,no-any-return]  # noqa: F821


def _inject_at(directory: int, first: int, n: int) -> None:
    inject(as_state(directory), first, n)  # type: ignore[name-defined]  # noqa: F821


def _arrange_at(directory: int, n: int) -> int:
    return arrange(as_state(directory), n)  # type: ignore[name-defined,no-any-return]  # noqa: F821


def _state_at(numba: Any, state_type: Any) -> Any:
    """An intrinsic that takes a directory's address for the state."""

    def as_state(context: Any, address: Any) -> Any:
        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(state_type))

        return state_type(address), lower

    return numba.extending.intrinsic(as_state)


def _fetch(numba: Any, state_type: Any) -> Any:
    """An intrinsic that asks the memory for the cache lines of a row that are needed most."""
    from llvmlite import ir

    def fetch(context: Any, table: Any, row: Any) -> Any:
        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            word, small = ir.IntType(64), ir.IntType(32)
            pointer = ir.IntType(8).as_pointer()
            kind = ir.FunctionType(ir.VoidType(), [pointer, small, small, small])
            prefetch = numba.core.cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
            first = builder.load(builder.bitcast(arguments[0], word.as_pointer()))
            place = builder.add(first, builder.mul(arguments[1], ir.Constant(word, table.size)))
            for line in range(0, min(table.size, table.asked), 64):
                at = builder.inttoptr(builder.add(place, ir.Constant(word, line)), pointer)
                builder.call(prefetch, [at, ir.Constant(small, 0), ir.Constant(small, 3), ir.Constant(small, 1)])
            return context.get_dummy_value()

        return numba.types.none(table, numba.types.int64), lower

    return numba.extending.intrinsic(fetch)


def _octave(numba: Any) -> Any:
    """An intrinsic that counts the zeros before a number's first bit."""
    from llvmlite import ir

    def octave(context: Any, number: Any) -> Any:
        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            zeros = builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 1))
            return builder.sub(ir.Constant(ir.IntType(64), 63), zeros)

        return numba.types.int64(numba.types.int64), lower

    return numba.extending.intrinsic(octave)


def _state_type(numba: Any, checked: bool) -> Any:
    """The compiler's type of `core.State`, with its rules for typing and for code."""
    nb = numba.types

    class TableType(nb.Type):  # type: ignore[misc,name-defined]
        """A table of rows or a column, as a pointer to its line of the directory."""

        def __init__(self, name: str) -> None:
            dtype = DTYPES.get(name)
            self.element = nb.int64 if dtype is None else numba.from_dtype(dtype)
            self.size = WIDTHS.get(name, 8) if dtype is None else dtype.itemsize
            self.asked = 64 if name in _FIRST_LINE else 128
            super().__init__(f"{name} of an event core{' with checks' if checked else ''}")

    class StateType(nb.Type):  # type: ignore[misc,name-defined]
        """All tables, as a pointer to the directory."""

        def __init__(self) -> None:
            self.tables = {name: TableType(name) for name in State._fields}
            super().__init__(f"state of an event core{' with checks' if checked else ''}")

    for kind in (TableType, StateType):
        numba.extending.register_model(kind)(numba.extending.models.OpaqueModel)
    _register_typing(numba, StateType, TableType)
    _register_lowering(numba, StateType, TableType, checked)
    return StateType()


def _register_typing(numba: Any, state_type: Any, table_type: Any) -> None:
    templates = numba.core.typing.templates
    nb = numba.types

    @templates.infer_getattr
    class StateAttributes(templates.AttributeTemplate):  # type: ignore[misc,name-defined]
        key = state_type

        def generic_resolve(self, state: Any, name: str) -> Any:
            return state.tables.get(name)

    @templates.infer_global(operator.getitem)
    class GetItem(templates.AbstractTemplate):  # type: ignore[misc,name-defined]
        def generic(self, arguments: Any, keywords: Any) -> Any:
            table, index = arguments
            if isinstance(table, table_type) and isinstance(index, nb.Integer):
                return templates.signature(table.element, table, nb.int64)
            return None

    @templates.infer_global(operator.setitem)
    class SetItem(templates.AbstractTemplate):  # type: ignore[misc,name-defined]
        def generic(self, arguments: Any, keywords: Any) -> Any:
            table, index, _ = arguments
            if isinstance(table, table_type) and table.element == nb.int64 and isinstance(index, nb.Integer):
                return templates.signature(nb.none, table, nb.int64, nb.int64)
            return None

    @templates.infer_global(len)
    class Len(templates.AbstractTemplate):  # type: ignore[misc,name-defined]
        def generic(self, arguments: Any, keywords: Any) -> Any:
            (table,) = arguments
            return templates.signature(nb.int64, table) if isinstance(table, table_type) else None


def _register_lowering(numba: Any, state_type: Any, table_type: Any, checked: bool) -> None:
    from llvmlite import ir

    nb = numba.types
    word = ir.IntType(64)

    def line(builder: Any, table: Any, part: int) -> Any:
        """Address (part 0) or length (part 1) of a table; neither changes while compiled code runs."""
        place = builder.gep(builder.bitcast(table, word.as_pointer()), [ir.Constant(word, part)])
        value = builder.load(place)
        value.set_metadata("invariant.load", builder.module.add_metadata([]))
        return value

    def number(table: Any) -> Any:
        """The kind of number that a column holds."""
        return ir.IntType(8 * table.size)

    def element(context: Any, builder: Any, table: Any, pointer: Any, index: Any) -> Any:
        if checked:
            outside = builder.icmp_unsigned(">=", index, line(builder, pointer, 1))
            with builder.if_then(outside, likely=False):
                context.call_conv.return_user_exc(builder, IndexError, (f"{table.name}: no such row",))
        offset = builder.mul(index, ir.Constant(word, table.size))
        return builder.inttoptr(
            builder.add(line(builder, pointer, 0), offset),
            number(table).as_pointer() if table.element == nb.int64 else context.get_value_type(table.element),
        )

    @numba.core.imputils.lower_getattr_generic(state_type)  # type: ignore[untyped-decorator]
    def get_table(context: Any, builder: Any, state: Any, value: Any, name: str) -> Any:
        place = builder.bitcast(value, word.as_pointer())
        place = builder.gep(place, [ir.Constant(word, 2 * State._fields.index(name))])
        return builder.bitcast(place, context.get_value_type(state.tables[name]))

    @numba.extending.lower_builtin(operator.getitem, table_type, nb.Integer)  # type: ignore[untyped-decorator]
    def get_item(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = element(context, builder, signature.args[0], *arguments)
        if signature.return_type != nb.int64:
            return place
        value = builder.load(place)
        return builder.sext(value, word) if signature.args[0].size < 8 else value

    @numba.extending.lower_builtin(operator.setitem, table_type, nb.Integer, nb.Integer)  # type: ignore[untyped-decorator]
    def set_item(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        table, value = signature.args[0], arguments[2]
        if table.size < 8:
            value = builder.trunc(value, number(table))
        builder.store(value, element(context, builder, table, *arguments[:2]))
        return context.get_dummy_value()

    @numba.extending.lower_builtin(len, table_type)  # type: ignore[untyped-decorator]
    def get_length(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return line(builder, arguments[0], 1)
