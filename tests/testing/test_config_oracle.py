"""Reasons are compared without what differs from run to run."""

from __future__ import annotations

from meshsim.testing.config_oracle import ModelOracle, reason_class
from meshsim.testing.refusals import cases


def test_a_text_dump_behind_a_random_marker_does_not_count() -> None:
    constraint = "Proto constraint validation failed (ClusterValidationError.Name: value length)"
    first = f'goo.gle/debugonly  \nname: ""\n: {constraint}'
    assert reason_class(first) == reason_class(first.replace("debugonly  ", "debugproto ")) == constraint
    where = "Error adding/updating cluster(s) new: "
    assert reason_class(f"{where}goo.gle/debugstr \n: {constraint}") == reason_class(where + constraint)


def test_a_bad_duration_does_not_show_which() -> None:
    assert reason_class("Invalid duration: Expected positive duration: goo.gle/debugstr \nseconds: -1\n") == (
        "Invalid duration: Expected positive duration"
    )


def test_other_reasons_stay_whole() -> None:
    assert reason_class("missing ): (abc\n") == "missing ): (abc"
    assert reason_class("missing ): (abc") != reason_class("missing ): (ab")


def test_the_model_says_what_the_cases_promise() -> None:
    model = ModelOracle(80)
    for case in cases(81, 80):
        verdict = model.judge(case.resources, case.type_url)
        assert verdict.accepted is case.accepted, case.name
        assert bool(verdict.reason) is not verdict.accepted
