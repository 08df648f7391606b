"""Exceptions on their way to a person."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.cli.failing import explain, internal, keep_traceback
from meshsim.errors import InputError, InternalError, Position


def test_the_details_of_a_bug_are_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no such thing") as caught:
        raise ValueError("no such thing\nsecond line")
    assert internal(caught.value) == 3
    err = capsys.readouterr().err
    assert err.startswith("internal error: ValueError: no such thing\n")
    path = Path(err.strip().rpartition(" ")[2])
    assert "second line" in path.read_text()
    assert "Traceback" in path.read_text()
    path.unlink()


def test_our_own_bugs_are_bugs_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(InternalError("wrong")) == 3
    assert "this is a bug of meshsim" in capsys.readouterr().err


def test_input_errors_point_at_their_place(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("kind: X\n")
    assert explain(InputError("odd", Position(str(file), 1, 7))) == 2
    err = capsys.readouterr().err
    assert f"{file}:1:7: error: odd" in err
    assert err.splitlines()[2].endswith("^")


def test_where_no_file_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("full")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    assert keep_traceback(ValueError()) is None


def test_what_cannot_be_written_is_no_bug(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        (tmp_path / "nowhere" / "x.xml").write_text("x")
    assert explain(caught.value) == 2
    assert capsys.readouterr().err == f"error: '{tmp_path}/nowhere/x.xml': No such file or directory\n"
    assert explain(OSError(28, "No space left on device")) == 2
    assert capsys.readouterr().err == "error: No space left on device\n"
