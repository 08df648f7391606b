"""The terminal summary says what happened, line by line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from meshsim.checks import Outcome, Verdict
from meshsim.recording import Run, begin_recording, open_run
from meshsim.reporting.columns import Style
from meshsim.reporting.summary import Summary, failures, verdict_line
from meshsim.testing.recordings import write_bookshop


def test_the_whole_of_it(run: Run, verdicts: tuple[Verdict, ...]) -> None:
    lines = Summary(run, verdicts, 4.21, "results/x/report.html").lines()
    assert lines[0] == "bookshop  seed 1  Istio 1.31 defaults  4 workloads, 4 proxies"
    assert lines[1] == "  20s  shift  apply VirtualService books/reviews  4 proxies in 0.60 s (p99)"
    assert lines[2].endswith("4 proxies in 0.60 s (p99), undone at 45s")
    assert lines[4].split() == ["from", "to", "rps", "ok", "p50", "p99", "v1/v2"]
    assert lines[5].split()[:3] == ["shoppers", "istio-ingressgateway", "100.0"]
    assert lines[6].split()[:3] == ["istio-ingressgateway", "productpage", "100.0"]
    text = "\n".join(lines)
    assert "  PASS  split, 90:10" in text
    assert "10 % +- 1 % (95 % interval 9.4" in text
    assert "n = 4,000)" in text
    assert "  FAIL  shoppers are served" in text
    assert "shop.yaml:30" in text
    assert "        worst window 40s-45s" in text
    assert "  note  few: p999 of n =" in text
    assert lines[-1] == "2 of 3 expectations met   1m00s simulated in 4.2 s   results/x/report.html"


def test_no_escape_codes_without_a_terminal(run: Run, verdicts: tuple[Verdict, ...]) -> None:
    assert "\x1b" not in "\n".join(Summary(run, verdicts).lines())
    coloured = Summary(run, verdicts, style=Style(True)).lines()
    assert any("\x1b[31mFAIL" in line for line in coloured)


def test_only_the_failures(verdicts: tuple[Verdict, ...]) -> None:
    lines = failures(verdicts, Style(False))
    assert lines[0].startswith("  FAIL  shoppers are served  99.")
    assert ", expected >= 99.9 %" in lines[0]
    assert lines[0].endswith("shop.yaml:30")
    assert len(lines) == 1 + len(verdicts[1].causes)


def test_the_count_of_expectations(verdicts: tuple[Verdict, ...]) -> None:
    assert verdict_line(()) == "no expectations"
    assert verdict_line(verdicts[:1]) == "1 of 1 expectation met"
    skipped = replace(verdicts[0], outcome=Outcome.NOT_JUDGED)
    assert verdict_line((*verdicts[:2], skipped)) == "1 of 2 expectations met, 1 not judged"


def test_proxies_of_several_replications_count_once(tmp_path: Path) -> None:
    pending = begin_recording(tmp_path, "bookshop")
    for seed in (1, 2):
        write_bookshop(pending.seed_folder(seed, 2), seed)
    first = open_run(pending.folder / "seed-1").manifest
    replace(first, seeds=(1, 2)).write(pending.folder)
    head = Summary(open_run(pending.commit()), ()).head()
    assert head == "bookshop  seed 1, 2  Istio 1.31 defaults  4 workloads, 4 proxies"


def test_what_the_mesh_config_says_is_named(tmp_path: Path) -> None:
    run = open_run(write_bookshop(tmp_path))
    replace(run.manifest, mesh_config=("enableAutoMtls", "outboundTrafficPolicy")).write(tmp_path)
    assert "  Istio 1.31 with enableAutoMtls, outboundTrafficPolicy  " in Summary(open_run(tmp_path), ()).head()
