"""Conditions in the Common Expression Language, as parsed trees (google.api.expr.v1alpha1.Expr).

Rules: Envoy source/extensions/filters/common/expr (attributes, which functions a builder has) and the CEL specification
(errors that a logical operator absorbs, equality and order across number types); measured on Envoy 1.40. What cannot be
evaluated at run time is an error, and an error is no match.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from meshsim.dataplane.decide.re2 import compile_re2
from meshsim.dataplane.decide.rejected import NotModelledError, ResourceRejectedError
from meshsim.dataplane.decide.strings import Notes
from meshsim.dataplane.decide.subjects import Subject
from meshsim.xds.messages import cel_syntax_pb2

Value: TypeAlias = "bool | int | float | str | bytes | Sequence[Value] | Mapping[Value, Value] | Attributes | None"
Expression: TypeAlias = Callable[[Subject], Value]

_MIN, _MAX, _UNSIGNED_MAX = -(2**63), 2**63 - 1, 2**64 - 1


class _CelError(Exception):
    """A value that cannot be had: an absent key, an operand of a wrong type, a division by zero."""


class _CelAbortError(Exception):
    """An error that no operator absorbs: a constant pattern on something that is no text (regex_match_step.cc)."""


class Unsigned(int):
    """An unsigned number, which arithmetic keeps apart from signed ones."""


class Attributes:
    """A group of attributes such as ``request``: each is made when it is asked for."""

    def __init__(self, readers: Mapping[str, Callable[[Subject], Value]], subject: Subject) -> None:
        self._readers = readers
        self._subject = subject

    def get(self, name: object) -> Value:
        """The attribute; raises `_CelError` when it is absent."""
        reader = self._readers.get(name) if isinstance(name, str) else None
        if reader is None:
            raise _CelError(f"no attribute {name}")
        return reader(self._subject)


class HeaderAttributes(Attributes):
    """``request.headers``: names in any case, lines joined with commas."""

    def __init__(self, subject: Subject) -> None:
        super().__init__({}, subject)

    def get(self, name: object) -> Value:
        """The header; raises `_CelError` when it is absent."""
        values = self._subject.headers.all(name.lower()) if isinstance(name, str) else []
        if not values:
            raise _CelError(f"no header {name}")
        return ",".join(values)


class CelOptions(NamedTuple):
    """What a policy switches on (`cel_config`)."""

    conversion: bool = False
    concatenation: bool = False
    functions: bool = False


# ---- attributes -----------------------------------------------------------------------------------------------------


def _header(name: str) -> Callable[[Subject], Value]:
    def read(subject: Subject) -> Value:
        value = subject.headers.get(name)
        if value is None:
            raise _CelError(f"no {name}")
        return value

    return read


def _query(subject: Subject) -> Value:
    return (subject.headers.get(":path") or "").partition("?")[2].partition("#")[0]


def _size(subject: Subject) -> Value:
    length = subject.headers.get("content-length") or "0"
    return int(length) if length.isascii() and length.isdigit() else 0


def _peer(subject: Subject) -> str:
    """The client; what an x-forwarded-for entry names has no port."""
    forwarded = subject.remote != subject.direct_remote
    return f"{subject.remote}:{0 if forwarded else subject.source_port}"


def _certificate(pick: Callable[[Subject], Sequence[str]]) -> Callable[[Subject], Value]:
    def read(subject: Subject) -> Value:
        names = pick(subject) if subject.tls else ()
        if not names:
            raise _CelError("no such name in a certificate")
        return names[0]

    return read


_GROUPS: Final[Mapping[str, Mapping[str, Callable[[Subject], Value]]]] = {
    "request": {
        "path": _header(":path"),
        "url_path": lambda s: (s.headers.get(":path") or "").partition("?")[0],
        "host": _header(":authority"),
        "scheme": _header(":scheme"),
        "method": _header(":method"),
        "query": _query,
        "referer": _header("referer"),
        "useragent": _header("user-agent"),
        "id": _header("x-request-id"),
        "headers": HeaderAttributes,
        "size": _size,
    },
    "source": {"address": _peer, "port": lambda s: int(_peer(s).rpartition(":")[2])},
    "destination": {
        "address": lambda s: f"{s.destination}:{s.destination_port}",
        "port": lambda s: s.destination_port,
    },
    "connection": {
        "mtls": lambda s: s.tls and s.certificate is not None,
        "requested_server_name": lambda s: s.sni,
        "uri_san_peer_certificate": _certificate(lambda s: s.certificate.uris if s.certificate else ()),
        "dns_san_peer_certificate": _certificate(lambda s: s.certificate.dns_names if s.certificate else ()),
        "subject_peer_certificate": _certificate(lambda s: (s.certificate.subject,) if s.certificate else ()),
    },
    "metadata": {"filter_metadata": lambda s: _plain(s.metadata)},
}
_NOT_HERE: Final[Mapping[str, frozenset[str]]] = {
    "request": frozenset({"time", "protocol", "duration", "total_size"}),
    "connection": frozenset(
        {"id", "termination_details", "tls_version", "transport_failure_reason", "sha256_peer_certificate_digest"}
        | {f"{what}_local_certificate" for what in ("subject", "uri_san", "dns_san")}
    ),
    "xds": frozenset(),
    "filter_state": frozenset(),
}
"""Attributes that Envoy has and the model has not; all of a group for an empty set."""


def _plain(value: object) -> Value:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value if isinstance(value, bool | float | str) or value is None else str(value)


# ---- compiling ------------------------------------------------------------------------------------------------------


def compile_condition(message: cel_syntax_pb2.Expr, options: CelOptions, notes: Notes) -> Callable[[Subject], bool]:
    """The condition of a policy; raises `ResourceRejectedError` for what Envoy's builder does not take."""
    expression = _Compiler(options, notes).compile(message)

    def holds(subject: Subject) -> bool:
        try:
            return expression(subject) is True
        except (_CelError, _CelAbortError):
            return False

    return holds


class _Compiler:
    """One condition on its way from a tree to a function."""

    def __init__(self, options: CelOptions, notes: Notes) -> None:
        self.options = options
        self.notes = notes

    def compile(self, message: cel_syntax_pb2.Expr) -> Expression:
        kind = message.WhichOneof("expr_kind")
        if kind == "const_expr":
            constant = _constant(message.const_expr)
            return lambda subject: constant
        if kind == "ident_expr":
            return self._identifier(message.ident_expr.name)
        if kind == "select_expr":
            return self._select(message.select_expr)
        if kind == "call_expr":
            return self._call(message.call_expr)
        if kind == "list_expr":
            elements = [self.compile(e) for e in message.list_expr.elements]
            return lambda subject: [e(subject) for e in elements]
        if kind == "struct_expr":
            return self._struct(message.struct_expr)
        if kind == "comprehension_expr":
            raise ResourceRejectedError("failed to create an expression: Comprehension support is disabled")
        raise ResourceRejectedError("failed to create an expression: Invalid empty expression")

    def _identifier(self, name: str) -> Expression:
        readers = _GROUPS.get(name)
        if readers is None:
            if name in _NOT_HERE:
                self.notes.append(f"CEL attributes {name}")
            return _absent
        return lambda subject: Attributes(readers, subject)

    def _select(self, select: cel_syntax_pb2.Expr.Select) -> Expression:
        operand, name = self.compile(select.operand), select.field
        group = select.operand.ident_expr.name
        if name in _NOT_HERE.get(group, ()):
            self.notes.append(f"CEL attribute {group}.{name}")
        if not select.test_only:
            return lambda subject: _item(operand(subject), name)

        def has(subject: Subject) -> Value:
            held = operand(subject)
            try:
                _item(held, name)
            except _CelError:
                return False
            return True

        return has

    def _struct(self, struct: cel_syntax_pb2.Expr.CreateStruct) -> Expression:
        if struct.message_name:
            raise ResourceRejectedError(
                f"failed to create an expression: Invalid message creation: {struct.message_name}"
            )
        entries = [(self.compile(e.map_key), self.compile(e.value)) for e in struct.entries]
        return lambda subject: {_key(k(subject)): v(subject) for k, v in entries}

    def _call(self, call: cel_syntax_pb2.Expr.Call) -> Expression:
        name = call.function
        parts = [*([call.target] if call.HasField("target") else ()), *call.args]
        arguments = [self.compile(p) for p in parts]
        lazy = _LAZY.get(name)
        if lazy is not None:
            return lazy(arguments)
        if name in _TIMES:
            self.notes.append(f"CEL function {name}")
            return _absent
        pattern = parts[-1].const_expr if parts else None
        if name == "matches" and pattern and pattern.WhichOneof("constant_kind") and not _folded(parts[0]):
            return _matching(arguments[0], pattern.string_value)
        function = self._function(name)
        if function is None:
            raise ResourceRejectedError(
                f"failed to create an expression: No overload found in reference resolve step for {name}"
            )

        def apply(subject: Subject) -> Value:
            values = [a(subject) for a in arguments]
            try:
                return function(*values)
            except (TypeError, ValueError, OverflowError, ArithmeticError) as error:
                raise _CelError(str(error)) from error

        return apply

    def _function(self, name: str) -> Callable[..., Value] | None:
        if name == "_+_":
            return _concatenate if self.options.concatenation else _add
        if name == "string" and self.options.conversion:
            return _text
        if self.options.functions and name in _STRING_FUNCTIONS:
            return _STRING_FUNCTIONS[name]
        return _FUNCTIONS.get(name)


def _folded(message: cel_syntax_pb2.Expr) -> bool:
    """Whether an expression is made into a constant beforehand (cel-cpp constant folding, as measured): nothing with an
    attribute, a logical operator or an empty list or map in it."""
    kind = message.WhichOneof("expr_kind")
    if kind == "const_expr":
        return True
    if kind == "select_expr":
        return _folded(message.select_expr.operand)
    call, struct = message.call_expr, message.struct_expr
    if call.function in _LAZY:
        return False
    parts = [*([call.target] if call.HasField("target") else ()), *call.args, *message.list_expr.elements]
    parts += [part for entry in struct.entries for part in (entry.map_key, entry.value)]
    return bool(parts) and all(_folded(part) for part in parts)


def _absent(subject: Subject) -> Value:
    raise _CelError("no such attribute")


def _constant(message: cel_syntax_pb2.Constant) -> Value:
    kind = message.WhichOneof("constant_kind")
    if kind is None or kind == "null_value":
        return None
    value = getattr(message, kind)
    if kind == "uint64_value":
        return Unsigned(value)
    return value if isinstance(value, bool | int | float | str | bytes) else None


def _item(held: Value, key: Value) -> Value:
    """A field, an entry of a map, an element of a list."""
    if isinstance(held, Attributes):
        return held.get(key)
    if isinstance(held, Mapping):
        wanted = _key(key)
        if wanted in held:
            return held[wanted]
    elif isinstance(held, Sequence) and not isinstance(held, str | bytes):
        index = int(key) if _is_number(key) and float(key) == int(key) else -1  # type: ignore[arg-type]
        if 0 <= index < len(held):
            return held[index]
    raise _CelError(f"no item {key!r}")


def _key(value: Value) -> Value:
    """A map's key: numbers of all kinds are one, truth values another."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        return value
    raise _CelError("no key")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# ---- operators and functions ----------------------------------------------------------------------------------------


def _truth(value: Value) -> bool:
    if not isinstance(value, bool):
        raise _CelError("no truth value")
    return value


def _logical(arguments: Sequence[Expression], absorbing: bool) -> Expression:
    """``&&`` and ``||``: the absorbing value wins over an error on the other side."""

    def evaluate(subject: Subject) -> Value:
        failed: _CelError | None = None
        for argument in arguments:
            try:
                if _truth(argument(subject)) is absorbing:
                    return absorbing
            except _CelError as error:
                failed = error
        if failed is not None:
            raise failed
        return not absorbing

    return evaluate


def _choose(arguments: Sequence[Expression]) -> Expression:
    condition, first, second = arguments
    return lambda subject: first(subject) if _truth(condition(subject)) else second(subject)


_LAZY: Final[Mapping[str, Callable[[Sequence[Expression]], Expression]]] = {
    "_&&_": lambda arguments: _logical(arguments, False),
    "_||_": lambda arguments: _logical(arguments, True),
    "_?_:_": _choose,
}


def _equal(a: Value, b: Value) -> bool:
    if _is_number(a) and _is_number(b):
        return a == b
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_equal(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b))
    if isinstance(a, Attributes) or isinstance(b, Attributes):
        raise _CelError("no equality")
    return type(a) is type(b) and a == b


def _ordered(test: Callable[[float], bool]) -> Callable[[Value, Value], Value]:
    """A comparison by the sign of the difference."""

    def compare(a: Value, b: Value) -> Value:
        comparable = (_is_number(a) and _is_number(b)) or (type(a) is type(b) and isinstance(a, bool | str | bytes))
        if not comparable:
            raise _CelError("no order")
        return test((a > b) - (a < b))  # type: ignore[operator]

    return compare


def _arithmetic(whole: Callable[[int, int], int], real: Callable[[float, float], float] | None) -> Callable[..., Value]:
    """An operator on two numbers of one kind; whole ones must fit 64 bits."""

    def apply(a: Value, b: Value) -> Value:
        if isinstance(a, float) and isinstance(b, float) and real is not None:
            return real(a, b)
        if isinstance(a, bool) or isinstance(b, bool) or not (isinstance(a, int) and isinstance(b, int)):
            raise _CelError("no such operator")
        if isinstance(a, Unsigned) is not isinstance(b, Unsigned):
            raise _CelError("signed and unsigned")
        unsigned = isinstance(a, Unsigned)
        result = whole(int(a), int(b))
        low, high = (0, _UNSIGNED_MAX) if unsigned else (_MIN, _MAX)
        if not low <= result <= high:
            raise _CelError("overflow")
        return Unsigned(result) if unsigned else result

    return apply


def _quotient(a: int, b: int) -> int:
    result = abs(a) // abs(b)
    return result if (a < 0) is (b < 0) else -result


def _divide(a: float, b: float) -> float:
    if b:
        return a / b
    return math.nan if not a or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)


_add: Final = _arithmetic(lambda a, b: a + b, lambda a, b: a + b)


def _concatenate(a: Value, b: Value) -> Value:
    return a + b if isinstance(a, str) and isinstance(b, str) else _add(a, b)


def _negate(value: Value) -> Value:
    if isinstance(value, bool | Unsigned) or not isinstance(value, int | float):
        raise _CelError("no negative")
    if value == _MIN:
        raise _CelError("overflow")
    return -value


def _contained(item: Value, holder: Value) -> Value:
    if isinstance(holder, list):
        return any(_equal(item, element) for element in holder)
    if isinstance(holder, Mapping | Attributes):
        _key(item)
        try:
            _item(holder, item)
        except _CelError:
            return False
        return True
    raise _CelError("no container")


def _length(value: Value) -> Value:
    if isinstance(value, str | bytes | list | Mapping):
        return len(value)
    raise _CelError("no size")


def _of_texts(test: Callable[[str, str], bool]) -> Callable[[Value, Value], Value]:
    def apply(a: Value, b: Value) -> Value:
        if not isinstance(a, str) or not isinstance(b, str):
            raise _CelError("no text")
        return test(a, b)

    return apply


def _matches(text: str, pattern: str) -> bool:
    try:
        return compile_re2(pattern).search(text) is not None
    except (ResourceRejectedError, NotModelledError) as error:
        raise _CelError(error.message) from error


def _matching(operand: Expression, pattern: str) -> Expression:
    """``matches`` with a constant pattern, which Envoy compiles beforehand."""

    def evaluate(subject: Subject) -> Value:
        try:
            text = operand(subject)
        except _CelError as error:
            raise _CelAbortError(str(error)) from error
        if not isinstance(text, str):
            raise _CelAbortError("no text to match")
        return _matches(text, pattern)

    return evaluate


def _to_int(value: Value) -> Value:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _CelError("no number")
    number = int(value)
    if not _MIN <= number <= _MAX or (isinstance(value, str) and value.strip() != value):
        raise _CelError("no number")
    return number


def _to_unsigned(value: Value) -> Value:
    number = _to_int(value) if not isinstance(value, Unsigned) else value
    if not isinstance(number, int) or number < 0:
        raise _CelError("no unsigned number")
    return Unsigned(number)


def _to_double(value: Value) -> Value:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _CelError("no number")
    return float(value)


def _text(value: Value) -> Value:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, int | str):
        return str(value)
    raise _CelError("no text")


_TYPES: Final = ((bool, "bool"), (Unsigned, "uint"), (int, "int"), (float, "double"), (str, "string"), (bytes, "bytes"))


def _type(value: Value) -> Value:
    return next((name for kind, name in _TYPES if isinstance(value, kind)), type(value).__name__)


_FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "!_": lambda a: not _truth(a),
    "-_": _negate,
    "_==_": _equal,
    "_!=_": lambda a, b: not _equal(a, b),
    "_<_": _ordered(lambda sign: sign < 0),
    "_<=_": _ordered(lambda sign: sign <= 0),
    "_>_": _ordered(lambda sign: sign > 0),
    "_>=_": _ordered(lambda sign: sign >= 0),
    "_-_": _arithmetic(lambda a, b: a - b, lambda a, b: a - b),
    "_*_": _arithmetic(lambda a, b: a * b, lambda a, b: a * b),
    "_/_": _arithmetic(_quotient, _divide),
    "_%_": _arithmetic(lambda a, b: a - b * _quotient(a, b), None),
    "_[_]": _item,
    "@in": _contained,
    "_in_": _contained,
    "in": _contained,
    "size": _length,
    "contains": _of_texts(lambda a, b: b in a),
    "startsWith": _of_texts(str.startswith),
    "endsWith": _of_texts(str.endswith),
    "matches": _of_texts(_matches),
    "int": _to_int,
    "uint": _to_unsigned,
    "double": _to_double,
    "dyn": lambda a: a,
    "type": _type,
}
_STRING_FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "lowerAscii": lambda text: text.lower() if text.isascii() else text,
    "upperAscii": lambda text: text.upper() if text.isascii() else text,
    "replace": lambda text, old, new, most=-1: text.replace(old, new, most),
}
_TIMES: Final = frozenset(
    {"timestamp", "duration"}
    | {f"get{what}" for what in ("FullYear", "Month", "DayOfYear", "DayOfMonth", "Date", "DayOfWeek")}
    | {f"get{what}" for what in ("Hours", "Minutes", "Seconds", "Milliseconds")}
)
"""Functions on times, which the model does not have in a decision."""
