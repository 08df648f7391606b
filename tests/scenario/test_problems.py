"""Errors read as a person would say them and point at the place."""

from __future__ import annotations

from collections.abc import Callable

from meshsim.errors import InputError
from meshsim.scenario.problems import shown, suggestion

Complain = Callable[[str], list[InputError]]


def test_a_typo_is_one_error_with_a_suggestion(complain: Complain, first_line: int) -> None:
    body = "workloads:\n  - match: {app: cart}\n    calls: [{too: 'stock.depot:8080'}]\n"
    errors = complain(body)
    assert [str(error) for error in errors] == [
        f"shop.yaml:{first_line + 2}:14: error: unknown field 'too' (did you mean 'to'?)  [workloads[0].calls[0].too]"
    ]


def test_a_wrong_word_is_compared_with_those_that_exist(complain: Complain) -> None:
    error = complain("workloads:\n  - {match: {app: cart}, serve: {style: thread}}\n")[0]
    assert error.message == "'thread' is not one of 'threads' or 'async'"
    assert error.hint == "did you mean 'threads'?"


def test_a_wrong_value_is_pointed_at_not_its_key(complain: Complain, first_line: int) -> None:
    line = "  - {name: t, through: gateway, request: {host: a}, rate: 50}"
    error = complain(f"traffic:\n{line}\n")[0]
    assert error.position is not None
    assert (error.position.line, error.position.column) == (first_line + 1, line.index("50") + 1)


def test_a_missing_field_says_what_it_is_for(complain: Complain) -> None:
    error = complain("traffic:\n  - {name: t, through: gateway, rate: 1/s}\n")[0]
    assert (error.message, error.hint) == ("the field 'request' is missing", "what is asked for")


def test_a_word_that_yaml_reads_as_a_boolean(complain: Complain) -> None:
    error = complain("timeline:\n  - {id: y, at: 1s, kill: {pod: cart-1}}\n")[0]
    assert (error.message, error.hint) == ("expected text, 'y' is read as true", 'put it in quotes: "y"')


def test_types_are_named_in_words(complain: Complain) -> None:
    messages = [error.message for error in complain("workloads: {}\ntraffic: 5\nexpect:\n  - nacks\n")]
    assert messages == [
        "expected a list, got a mapping",
        "expected a list, got 5",
        "expected a mapping, got 'nacks'",
    ]


def test_a_list_with_a_bad_entry_is_not_also_too_short(complain: Complain) -> None:
    errors = complain("workloads:\n  - {match: {app: cart}, calls: [{parallel: [stock]}]}\n")
    assert len(errors) == 1
    assert "says no port" in errors[0].message


def test_suggestions_need_some_likeness() -> None:
    assert suggestion("sucess", ["success", "latency"]) == "did you mean 'success'?"
    assert suggestion("xyz", ["success", "latency"]) == ""


def test_long_values_are_cut() -> None:
    assert len(shown("x" * 500)) < 70
    assert shown(None) == "nothing"
    assert shown(True) == "true"
