"""Starts the builder's and the publisher's programs, most of which don't live to the end; see ``nursery.py``.

A line holds how and when the program is to die, the folder that it works in, a file for what it says, its name and
its words. It dies ``after S`` seconds, at ``step N`` of what it asks of the operating system about the folder, at
``stage N`` as its Nth stage begins or ends, or ``never``.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location

from click.testing import CliRunner

from nursery import die, die_at_step, serve, tool


@cache
def load(name):
    spec = spec_from_file_location(name, tool(name))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_here(name, *words):
    """Runs a program within this process, which saves its start; gives its ``exit_code``, ``stdout`` and ``stderr``."""
    return CliRunner().invoke(load(name).main, list(map(str, words)), env={"COLUMNS": "200"})


TOOLS = {name: load(name) for name in ("build_snapshot", "publish_snapshot", "erase_owners")}


def dying_progress(fatal):
    """A progress that shows nothing, and dies as the Nth stage begins or ends."""
    met = 0

    def pass_or_die():
        nonlocal met
        met += 1
        if met == fatal:
            die()

    @contextmanager
    def progress(_total, _stage):
        pass_or_die()
        yield lambda _amount: None
        pass_or_die()

    return progress


def run(how, when, folder, said, name, *words):
    said_to = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(said_to, stream)
    if how == "step":
        die_at_step(int(when), folder)
    if how == "stage":
        TOOLS[name].progress = dying_progress(int(when))
    sys.argv = [name, *words]
    TOOLS[name].main(words)


if __name__ == "__main__":
    serve(run)
