"""Files of traces are told apart by what is in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from meshsim.errors import InputErrors
from meshsim.imports.trace_files import read_traces

from .test_jaeger import document as jaeger
from .test_jaeger import item as jaeger_span
from .test_otlp import document as otlp
from .test_otlp import item as otlp_span
from .test_span_table import HEAD

File = Callable[[str, str], Path]


def test_formats(file: File) -> None:
    one = json.dumps(otlp(otlp_span()))
    texts = {
        "jaeger.json": json.dumps(jaeger(jaeger_span()), indent=2),
        "trace.json": json.dumps(jaeger(jaeger_span())["data"][0]),
        "otlp.json": json.dumps(otlp(otlp_span()), indent=2),
        "lines.jsonl": f"{one}\n{one}\n",
        "tempo.json": json.dumps({"trace": otlp(otlp_span())}),
        "spans.csv": HEAD + "t,a,root,front-0,page,1000,9000,8\n",
    }
    counts = {name: len(read_traces([file(name, text)])) for name, text in texts.items()}
    assert counts == dict.fromkeys(texts, 1) | {"lines.jsonl": 2}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1}', "this is no file of traces (there are Jaeger's JSON"),
        ('{"data": []}', "there is no span in it"),
        ('{"data": [}', "it.json:1:11: error: not valid JSON"),
        ('{"resourceSpans": []}\n{"resourceSpans": [1]}\n', "expected a list of objects"),
        ('{"resourceSpans": []}\n{"resourceSpans": ]}\n', "it.json:2:19: error: not valid JSON"),
        ("a,b\n1,2\n", "a table of spans needs the columns"),
    ],
)
def test_what_is_none(file: File, text: str, said: str) -> None:
    with pytest.raises(InputErrors) as caught:
        read_traces([file("it.json", text)])
    assert said in str(caught.value)


def test_all_files_that_are_wrong_are_named(file: File, tmp_path: Path) -> None:
    with pytest.raises(InputErrors) as caught:
        read_traces([file("a.json", "{}"), tmp_path / "none.json"])
    assert [error.position.file for error in caught.value.errors if error.position] == [
        str(tmp_path / "a.json"),
        str(tmp_path / "none.json"),
    ]
