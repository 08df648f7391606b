"""Write docs/scenario.md and docs/scenario.schema.json from the model of the scenario file.

Usage: ``python tools/scenario_reference.py`` writes both, ``--check`` only says whether they are up to date.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from meshsim.scenario import Scenario  # noqa: E402
from meshsim.scenario.descriptions import descriptions  # noqa: E402
from meshsim.scenario.node import Node  # noqa: E402
from meshsim.scenario.schema import nodes, schema, schema_text  # noqa: E402

PAGE: Final = ROOT / "docs" / "scenario.md"
SCHEMA: Final = ROOT / "docs" / "scenario.schema.json"
EXAMPLE: Final = ROOT / "scenarios" / "canary.yaml"

_HEAD: Final = """# The scenario file

One YAML document says which mesh there is (real manifests), what its services and clients do, what happens meanwhile,
and what is expected of it. This page is made from the model by `python tools/scenario_reference.py`; the same model
makes the JSON Schema [scenario.schema.json](scenario.schema.json), with which editors complete and check. Put this line
on top of a scenario, with the path of the schema (`meshsim schema --write` makes a copy and prints the line):

```yaml
# yaml-language-server: $schema=docs/scenario.schema.json
```

## Rules

- Unknown keys are errors, with a suggestion. All errors of a file and of the manifests it names come at once.
- Quantities carry units; a bare number is refused. A key without a value counts as not given.
- Manifests are the real ones. They are named by file, folder or glob beside the scenario, or stand inline.
- The timeline does what an operator, a cluster or a failure can do. HTTP faults are Istio's own `fault:`.
- An entry with `for` is undone after that time.

## Words

| word | what is written | examples |
|---|---|---|
| duration | number and unit: `ns`, `us`, `ms`, `s`, `m`, `h`; several add up | `200ms`, `1.5s`, `1m30s` |
| rate | number, optionally `k` or `M`, a slash and `ms`, `s`, `m`, `h` or `d` | `50/s`, `3k/m` |
| percentage | number and `%` | `99%`, `0.1%` |
| size | number and `B`, `KB`, `MB`, `GB` (thousands) or `KiB`, `MiB`, `GiB` (1,024) | `512B`, `20KB`, `4MiB` |
| bandwidth | number, optionally `k`, `M`, `G` or `T`, and `bit/s` or `B/s` | `1Gbit/s`, `125MB/s` |
| distribution | `exponential(mean)`, `lognormal(median, geometric standard deviation)`, `gamma(mean, shape)`, `pareto(least, tail index)`, `uniform(least, most)`, `empirical(p0 least, p50 median, ..., p100 most)` with any percentiles between, even between two of them, or a duration, which is always that | `lognormal(8ms, 1.4)`, `5ms` |
| instant | a duration since the start, a timeline id, or `start` or `end` of the run; with `+` or `-` and a duration. `id.end` is when that entry is undone | `90s`, `shift+5s`, `slow-v2.end`, `end-1m` |
| windows | a timeline id (the time it is in force), a pair `[from, to]` of instants, or a list of such pairs | `slow-v2`, `[shift+5s, slow-v2]`, `[[0s, 1m], [5m, 6m]]` |
| source | path of a file, folder or glob beside the scenario, or an inline object | `bookinfo/`, `networking/*.yaml` |

"""  # noqa: E501


def render() -> str:
    """The page."""
    document = schema()
    parts = [_HEAD, f"## Example\n\n```yaml\n{EXAMPLE.read_text(encoding='utf-8').rstrip()}\n```\n\n"]
    parts += [_section(node, document) for node in nodes()]
    return "".join(parts).rstrip() + "\n"


def _section(node: type[Node], document: dict[str, Any]) -> str:
    described = document if node is Scenario else document["$defs"][node.__name__]
    required = set(described.get("required", ()))
    texts = descriptions(node)
    lines = [f"## {_title(node)}\n", f"{_summary(node)}\n", "| key | value | default | meaning |", "|---|---|---|---|"]
    for name, info in node.model_fields.items():
        key = info.alias or name
        part = described["properties"][key]
        default = "required" if key in required else _default(part)
        lines.append(f"| `{key}` | {_type(part, document)} | {default} | {_cell(texts[name])} |")
    return "\n".join(lines) + "\n\n"


def _title(node: type[Node]) -> str:
    return "Scenario: the whole file" if node is Scenario else node.__name__


def _summary(node: type[Node]) -> str:
    return inspect.cleandoc(node.__doc__ or "").replace("\n", " ")


def _default(part: dict[str, Any]) -> str:
    if part.get("default") in (None, ""):
        return ""
    value = part["default"]
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(part: dict[str, Any], document: dict[str, Any]) -> str:
    if "x-type" in part:
        return str(part["x-type"])
    if "$ref" in part:
        return _reference(part["$ref"], document)
    if "const" in part:
        return f"`{part['const']}`"
    if "anyOf" in part:
        return _choices(part["anyOf"], document)
    kind = part.get("type")
    if kind == "array":
        fixed = part.get("prefixItems")
        inner = _type(fixed[0] if fixed else part.get("items", {}), document)
        return f"two of {inner}" if fixed else f"list of {inner}"
    if kind == "object":
        return "mapping of text"
    return {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}[str(kind)]


def _choices(parts: list[dict[str, Any]], document: dict[str, Any]) -> str:
    names = [_type(part, document) for part in parts]
    if len(names) == 2 and names[1] == f"list of {names[0]}":
        return f"{names[0]}, or a list of them"
    return " or ".join(dict.fromkeys(names))


def _reference(target: str, document: dict[str, Any]) -> str:
    name = target.rpartition("/")[2]
    choices = document["$defs"][name].get("enum")
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    return f"[{name}](#{name.lower()})"


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")


def main() -> int:
    """Write or check both files; returns the exit code."""
    wanted = {PAGE: render(), SCHEMA: schema_text() + "\n"}
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    names = ", ".join(path.relative_to(ROOT).as_posix() for path in stale)
    if "--check" in sys.argv[1:]:
        print(f"out of date: {names}" if stale else "up to date")
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    print(f"written: {names}" if stale else "up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
