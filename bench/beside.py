#!/usr/bin/env python3
"""A stream of large messages from a process of its own, to measure what small calls feel beside it.

What belongs here: the program, and how another one starts it and waits for its end.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from loops import Plan, Run
from messages import check_answer, count_queries, read_messages
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.program import one_line_errors
from serving import Running, ended

_ASKING = "asking"
_WARM_UP = 0.5

MARGIN_SECONDS = 2.0
"""How much longer a stream goes on than what is measured beside it: for connecting, and for the last answers."""


@contextmanager
def asking_beside(server: Running, messages: Path, *, in_flight: int, seconds: float) -> Iterator[None]:
    """Keeps a stream of messages under way while the block runs.

    Args:
        server: whom to ask.
        messages: a file of them.
        in_flight: how many are under way at any time.
        seconds: how long; the block has to be done by then.

    Raises:
        ConfigurationError: the stream could not be had, broke, ended before the block did, or gave a wrong answer.
    """
    words: list[str | Path] = [sys.executable, __file__, server.address, messages, "--in-flight", str(in_flight)]
    with ended(subprocess.Popen([*words, "--seconds", str(seconds)], stdout=subprocess.PIPE, text=True)) as stream:
        assert stream.stdout
        with stream.stdout as said:
            if said.readline().strip() != _ASKING:
                raise ConfigurationError("the stream of large messages did not begin; what it said stands above")
            yield
            if stream.poll() is not None:
                raise ConfigurationError("the stream of large messages ended too early; measure on a calmer machine")
            if stream.wait():
                raise ConfigurationError("the stream of large messages failed; what it said stands above")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("server")
@click.argument("messages", type=click.Path(path_type=Path, exists=True))
@click.option("--in-flight", type=click.IntRange(min=1), default=2, show_default=True, help="Messages under way.")
@click.option("--seconds", type=click.FloatRange(min=0.1), default=5.0, show_default=True, help="How long to ask.")
@one_line_errors()
def main(server: str, messages: Path, in_flight: int, seconds: float) -> None:
    """Asks a server over one stream, and says so once it does; then holds some answers against what was asked.

    \b
    Example:
      bench/beside.py 127.0.0.1:50051 large.messages --seconds 10
    """
    asked = read_messages(messages)
    plan = Plan(streams=1, in_flight=in_flight, rate=None, unary=False, seconds=seconds, warm_up=_WARM_UP)
    run = Run(asked, count_queries(asked[0]), plan)
    # It looks twice: as it has warmed up, which whoever waits for it reads, and at its end, which nobody does.
    asyncio.run(run.send(server, lambda: print(_ASKING, flush=True)))
    if not run.answers or any(run.errors.values()):
        raise ConfigurationError("messages of the stream were left unanswered")
    for place, response in run.kept:
        check_answer(asked[place], response)


if __name__ == "__main__":
    main()
