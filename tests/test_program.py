import errno
import io

import pytest
from rich.console import Console

from resolver_grpc.errors import TableError
from resolver_grpc.program import one_line_errors, progress


def failing(error):
    @one_line_errors()
    def program():
        raise error

    return program


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (TableError("the table is torn:\nmend it", row=3), "error: the table is torn: mend it\n"),
        (OSError(errno.ENOSPC, "No space left on device"), "error: No space left on device\n"),
        (PermissionError(errno.EACCES, "Permission denied", "out.csv"), "error: Permission denied: out.csv\n"),
        (OSError("0101801239"), "error: the operating system refused\n"),
    ],
)
def test_an_error_becomes_one_line_and_exit_code_2(capsys, error, line):
    with pytest.raises(SystemExit) as caught:
        failing(error)()
    assert caught.value.code == 2
    assert capsys.readouterr() == ("", line)


@pytest.mark.parametrize(
    "error", [BrokenPipeError(errno.EPIPE, "Broken pipe"), ZeroDivisionError(), KeyboardInterrupt()]
)
def test_a_closed_pipe_and_what_is_no_error_of_the_project_pass(error):
    with pytest.raises(type(error)):
        failing(error)()


def test_a_program_that_ends_well_returns_what_it_returns(capsys):
    @one_line_errors()
    def program():
        return 7

    assert program() == 7
    assert capsys.readouterr() == ("", "")


def lines_of(amounts, clock, total=200):
    written = io.StringIO()
    with progress(total, "reading", console=Console(file=written), clock=clock) as advance:
        for amount in amounts:
            advance(amount)
    return written.getvalue().splitlines()


def test_without_a_terminal_progress_is_a_line_every_ten_seconds():
    seconds = iter([0.0, 4.0, 10.0, 19.9, 20.0, 100.0])
    assert lines_of([20, 30, 40, 50, 60], lambda: next(seconds)) == [
        "reading: 25 %, 50 of 200, 5 a second, 30 s left",
        "reading: 70 %, 140 of 200, 7 a second, 9 s left",
        "reading: 100 %, 200 of 200, 2 a second, 0 s left",
    ]


def test_a_short_work_tells_nothing_without_a_terminal():
    assert lines_of([100, 100], lambda: 0.0) == []


def test_work_of_unknown_size_can_be_told():
    seconds = iter([0.0, 10.0])
    assert lines_of([5], lambda: next(seconds), total=0) == ["reading: 5, 0 a second"]


def test_progress_speaks_on_stderr(capsys):
    seconds = iter([0.0, 10.0])
    with progress(1, "reading", clock=lambda: next(seconds)) as advance:
        advance(1)
    assert capsys.readouterr() == ("", "reading: 100 %, 1 of 1, 0 a second, 0 s left\n")


def test_a_terminal_gets_a_bar():
    written = io.StringIO()
    with progress(10, "reading", console=Console(file=written, force_terminal=True, width=80)) as advance:
        advance(10)
    assert "━" in written.getvalue()
    assert "100%" in written.getvalue()
