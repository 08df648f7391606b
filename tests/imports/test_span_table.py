"""Tables of spans."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.errors import InputError, InputErrors
from meshsim.imports.span_table import read_span_table

FILE = Path("it.csv")
HEAD = "TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano,Duration\n"


def test_rows() -> None:
    text = HEAD + "t,a,root,front-579b9bff58-t2dbm,page,1000,9000,8\nt,b,a,stock-0,items,2000,3000,1\n"
    front, stock = read_span_table(text, FILE)
    assert (front.service, front.instance, front.parent) == ("front", "front-579b9bff58-t2dbm", "")
    assert (stock.service, stock.parent, stock.end - stock.start) == ("stock", "a", 1000)


def test_a_column_that_is_missing() -> None:
    with pytest.raises(InputError) as caught:
        read_span_table("TraceID,SpanID\n", FILE)
    assert str(caught.value).startswith("it.csv:1:1: error: a table of spans needs the columns ParentID, ")


def test_values_that_are_no_times_have_their_line() -> None:
    with pytest.raises(InputErrors) as caught:
        read_span_table(HEAD + "t,a,root,front-0,page,1000,9000,8\nt,b,a,stock-0,items,soon,3000,1\n", FILE)
    assert 'got "soon"  [line 3.StartTimeUnixNano]' in str(caught.value)
