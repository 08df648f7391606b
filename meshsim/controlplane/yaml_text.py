"""Short YAML texts inside annotations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from meshsim.errors import InputError


def read_yaml_mapping(text: str) -> Mapping[str, object]:
    """The mapping in an annotation; raises `InputError` when it is not one."""
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        value = yaml.load(text, Loader=loader)
    except yaml.YAMLError as problem:
        raise InputError(f"annotation is not YAML: {problem}", None, "correct the annotation") from problem
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError("annotation is not a mapping", None, "write 'key: value' lines")
    return {str(key): item for key, item in value.items()}
