"""Write docs/limitations.md from the ``DEVIATION:`` paragraphs in the code's comments and docstrings.

Usage: ``python tools/limitations.py`` writes the page, ``--check`` only says whether it is up to date.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "limitations.md"
MARK: Final = "DEVIATION:"
_HEAD: Final = """# Limitations

What meshsim does in another way than the real thing, collected from the code by `python tools/limitations.py`. Anything
else that differs is a bug.
"""


class Deviation(NamedTuple):
    """One known difference, and the module that holds it."""

    module: str
    line: int
    text: str


def collect(root: Path = ROOT) -> list[Deviation]:
    """All deviations of the package, by module and line."""
    found: list[Deviation] = []
    for path in sorted((root / "meshsim").rglob("*.py")):
        module = path.relative_to(root).as_posix()
        source = path.read_text(encoding="utf-8")
        if MARK not in source:
            continue
        paragraphs = [*_comments(source), *_docstrings(source)]
        found.extend(Deviation(module, line, text) for line, text in sorted(paragraphs))
        if len(paragraphs) != source.count(MARK):
            raise SystemExit(f"{module}: '{MARK}' stands outside of comments and docstrings, or twice in a sentence")
    return found


def _comments(source: str) -> list[tuple[int, str]]:
    """Deviations in comments; a paragraph goes on over the comment lines right below."""
    comments = {
        token.start[0]: token.string.lstrip("#").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found: list[tuple[int, str]] = []
    for line, text in comments.items():
        if MARK not in text:
            continue
        parts = [text.partition(MARK)[2]]
        below = line + 1
        while comments.get(below) and MARK not in comments[below]:
            parts.append(comments[below])
            below += 1
        found.append((line, _joined(parts)))
    return found


def _docstrings(source: str) -> list[tuple[int, str]]:
    """Deviations in texts that stand alone as a statement; a paragraph ends at an empty line or at the next mark."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
            continue
        text = node.value.value
        if not isinstance(text, str) or MARK not in text:
            continue
        lines = text.split("\n")
        for offset, line in enumerate(lines):
            if MARK not in line:
                continue
            parts = [line.partition(MARK)[2]]
            for following in lines[offset + 1 :]:
                if not following.strip() or MARK in following:
                    break
                parts.append(following)
            found.append((node.lineno + offset, _joined(parts)))
    return found


def _joined(parts: list[str]) -> str:
    text = " ".join(" ".join(parts).replace("``", "`").split())
    return text[:1].upper() + text[1:]


def render(deviations: list[Deviation]) -> str:
    """The page: one section a room, one line a deviation."""
    rooms: dict[str, list[Deviation]] = {}
    for deviation in deviations:
        rooms.setdefault(deviation.module.split("/")[1].removesuffix(".py"), []).append(deviation)
    lines = [_HEAD]
    for room in sorted(rooms):
        lines.append(f"## {room}\n")
        lines.extend(f"- {deviation.text} (`{deviation.module}`)" for deviation in rooms[room])
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    """Write or check the page; the exit code says whether it was right."""
    page = render(collect())
    current = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if "--check" in sys.argv[1:]:
        return 0 if page == current else 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
