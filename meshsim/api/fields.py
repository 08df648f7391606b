"""Typed reading of one YAML mapping.

Documents stay as they were written; rooms read them through `Fields`, never through bare dictionaries. The field tables
of `meshsim.api` have checked types and names when the document was loaded, so a getter here only has to convert:
protobuf JSON leaves default values out, so a missing field reads as the default of its type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from meshsim.errors import InputError
from meshsim.units import Nanos, parse_duration

_EMPTY: Final[Mapping[str, object]] = {}
MAPPINGS: Final = (dict, Mapping)
"""What a mapping may be; a plain one, as nearly all are, is found at once."""
_LISTS: Final = (list, Sequence)


class Fields:
    """A read-only mapping of a document with typed getters; `path` is where it stands, such as ``spec.http[0]``."""

    __slots__ = ("_body", "path")

    def __init__(self, body: Mapping[str, object] | None, path: str = "") -> None:
        self._body: Mapping[str, object] = body if body is not None else _EMPTY
        self.path = path

    def __contains__(self, key: str) -> bool:
        """Whether the field is given and not null."""
        return self._body.get(key) is not None

    def __bool__(self) -> bool:
        return bool(self._body)

    def __iter__(self) -> Iterator[str]:
        return iter(self._body)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fields) and self._body == other._body

    def __hash__(self) -> int:
        raise TypeError("Fields are compared by content and cannot be hashed")

    def __repr__(self) -> str:
        return f"Fields({self._body!r}, path={self.path!r})"

    @property
    def body(self) -> Mapping[str, object]:
        """The raw mapping, for printing and for messages without a view of their own (Struct fields)."""
        return self._body

    def at(self, key: str) -> str:
        """Path of a field of this mapping."""
        return f"{self.path}.{key}" if self.path else key

    def value(self, key: str) -> object:
        """The raw value, ``None`` when absent."""
        return self._body.get(key)

    def text(self, key: str, default: str = "") -> str:
        """A string; numbers and booleans as YAML prints them."""
        value = self._body.get(key)
        if isinstance(value, str):
            return value
        return default if value is None else _text(value)

    def integer(self, key: str, default: int = 0) -> int:
        """A whole number; protobuf JSON also writes 64-bit numbers as strings.

        Raises `InputError` for a text that is none, which only documents without a checked type can have.
        """
        value = self._body.get(key)
        if isinstance(value, bool) or value is None:
            return default
        try:
            return int(value) if isinstance(value, int | float | str) else default
        except (ValueError, OverflowError) as error:
            raise InputError(f"no whole number: {value!r}", subject=f"{self.path}.{key}".lstrip(".")) from error

    def optional_integer(self, key: str) -> int | None:
        """A whole number, ``None`` when absent (protobuf wrapper types)."""
        return self.integer(key) if key in self else None

    def number(self, key: str, default: float = 0.0) -> float:
        """A real number."""
        value = self._body.get(key)
        if isinstance(value, bool) or value is None:
            return default
        return float(value) if isinstance(value, int | float | str) else default

    def flag(self, key: str, default: bool = False) -> bool:
        """A boolean."""
        value = self._body.get(key)
        return value if isinstance(value, bool) else default

    def optional_flag(self, key: str) -> bool | None:
        """A boolean, ``None`` when absent (protobuf BoolValue)."""
        value = self._body.get(key)
        return value if isinstance(value, bool) else None

    def duration(self, key: str) -> Nanos | None:
        """A protobuf/Kubernetes duration such as ``1.5s`` or ``2m`` in nanoseconds, ``None`` when absent."""
        value = self._body.get(key)
        return parse_duration(value) if isinstance(value, str) else None

    def fields(self, key: str) -> Fields:
        """A sub-message; empty when absent. Ask ``key in self`` where presence matters."""
        value = self._body.get(key)
        return Fields(value if value is not None and isinstance(value, MAPPINGS) else None, self.at(key))

    def items(self, key: str) -> tuple[Fields, ...]:
        """A list of sub-messages."""
        value = self._body.get(key)
        if value is None or not isinstance(value, _LISTS) or isinstance(value, str):
            return ()
        here = self.at(key)
        return tuple(
            Fields(item if isinstance(item, MAPPINGS) else None, f"{here}[{index}]") for index, item in enumerate(value)
        )

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        value = self._body.get(key)
        if value is None or not isinstance(value, _LISTS) or isinstance(value, str):
            return ()
        return tuple(item if isinstance(item, str) else str(item) for item in value)

    def integers(self, key: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        value = self._body.get(key)
        if value is None or not isinstance(value, _LISTS) or isinstance(value, str):
            return ()
        return tuple(int(item) for item in value if isinstance(item, int | float | str))

    def text_map(self, key: str) -> dict[str, str]:
        """A map from strings to strings, in the order written."""
        value = self._body.get(key)
        if value is None or not isinstance(value, MAPPINGS):
            return {}
        return {str(k): _text(v) for k, v in value.items()}

    def fields_map(self, key: str) -> dict[str, Fields]:
        """A map from strings to sub-messages, in the order written."""
        value = self._body.get(key)
        if value is None or not isinstance(value, MAPPINGS):
            return {}
        here = self.at(key)
        return {str(k): Fields(v if isinstance(v, MAPPINGS) else None, f"{here}.{k}") for k, v in value.items()}


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
