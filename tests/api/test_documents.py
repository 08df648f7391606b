"""A text to documents, with the line each starts on and one clear error for each that cannot be read."""

from __future__ import annotations

import pytest

from meshsim.api.documents import parse_documents, template_error
from meshsim.api.objects import Origin


def _errors(text: str) -> list[str]:
    return [str(error) for error in parse_documents(text, "m.yaml").errors]


def test_documents_keep_their_lines_and_texts() -> None:
    text = "# head\na: 1\n---\n\n# nothing\n---  # two\nb: |\n  x\n   ---\n...\n---\nc: 3\n"
    documents = parse_documents(text, "m.yaml").documents
    assert [document.value for document in documents] == [{"a": 1}, {"b": "x\n ---\n"}, {"c": 3}]
    assert [document.origin.line for document in documents] == [1, 6, 11]
    assert documents[2].origin.text == "---\nc: 3\n"


def test_directives_belong_to_the_document_after_them() -> None:
    documents = parse_documents("%YAML 1.1\n---\na: 1\n---\nb: 2\n", "m.yaml").documents
    assert [document.value for document in documents] == [{"a": 1}, {"b": 2}]


def test_json_with_tabs_byte_order_mark_and_windows_lines() -> None:
    assert parse_documents('\ufeff{\r\n\t"a": [1]\r\n}', "m.json").documents[0].value == {"a": [1]}


def test_one_bad_document_does_not_hide_the_others() -> None:
    read = parse_documents("a: [1\n---\nb: 2\n---\nc: 1\nc: 2\n", "m.yaml")
    assert [document.value for document in read.documents] == [{"b": 2}]
    assert [error.position and error.position.line for error in read.errors] == [2, 6]


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("a: [::1]\n", 1, 'put an IPv6 address in quotes inside [ ] or { }, as in ["::1"]'),
        ("a:\n\tb: 1\n", 2, "indent with spaces; YAML does not allow tabs"),
        ("a: b: c\n", 1, "a text with ': ' in it needs quotes"),
        ("a: *b\n", 1, "a text that starts with * or & needs quotes"),
        ("a: @b\n", 1, "needs quotes"),
        ("a: 'b\x01'\n", 1, "the character U+0001 may not stand in a text file"),
        ("a: '\n", 2, "not valid YAML"),
    ],
)
def test_syntax_errors_say_what_to_do(text: str, line: int, expected: str) -> None:
    (error,) = _errors(text)
    assert error.startswith(f"m.yaml:{line}")
    assert expected in error


@pytest.mark.parametrize(
    "text",
    [
        "{{- if .Values.on }}\nkind: Pod\n{{- end }}\n",
        "kind: Pod\nmetadata:\n  name: {{ .Release.Name }}\n",
        "a: {{ .x }}\n---\nb: {{ .y }}\n",
    ],
)
def test_templates_are_recognised_once(text: str) -> None:
    (error,) = _errors(text)
    assert "this is a template, not a manifest (render it first (helm template" in error


def test_template_marks_in_texts_are_fine() -> None:
    text = 'kind: ConfigMap\ndata:\n  alert: "{{ $labels.pod }} is down"\n  page: |\n    {{ range . }}\n'
    assert _errors(text) == []
    error = template_error(Origin("m.yaml", 5, text))
    assert error is not None
    assert error.position is not None
    assert (error.position.line, error.position.column) == (7, 11)
