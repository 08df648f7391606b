"""The page of a run opens anywhere and says everything."""

from __future__ import annotations

import re
from pathlib import Path

from meshsim.checks import Verdict
from meshsim.recording import Run, open_run
from meshsim.reporting.html import notebook_html, write_report
from meshsim.reporting.summary import Summary
from meshsim.testing.recordings import write_bookshop


def test_the_page_refers_to_nothing_outside(tmp_path: Path, verdicts: tuple[Verdict, ...]) -> None:
    run = open_run(write_bookshop(tmp_path))
    page = write_report(run, verdicts, 4.2).read_text()
    links = re.findall(r'(?:src|href|url)\s*[=(]\s*["\']?(?!#|data:)([^"\')\s>]+)', page)
    assert [link for link in links if not link.startswith("#")] == []
    assert "<script" not in page
    assert page.count("<svg") == 4
    for text in ("2 of 3 expectations met", "shop.yaml:30", "worst window", "shift", "meshsim run bookshop.yaml"):
        assert text in page


def test_names_from_files_are_escaped(run: Run) -> None:
    from dataclasses import replace

    from meshsim.checks import load_verdicts

    row = {"name": "<script>x</script>", "kind": "nacks", "outcome": "met", "observed": "0", "limit": "<= 0"}
    (verdict,) = load_verdicts([{**row, "value": 0, "samples": 1}])
    html = notebook_html(Summary(run, [replace(verdict, causes=("<b>",))]))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "&lt;b&gt;" in html


def test_the_short_form_for_a_notebook(run: Run, verdicts: tuple[Verdict, ...]) -> None:
    html = notebook_html(Summary(run, verdicts))
    assert html.lstrip().startswith("<div")
    assert html.count("<svg") == 1
    assert "<html" not in html
