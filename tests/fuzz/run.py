#!/usr/bin/env python3
"""Fuzzes every target for a while, one after the other, led by what their code reaches (atheris, libFuzzer).

What a run reached is kept in its corpus, so that the next one goes on from there; an input that breaks a target is
kept among the tests, which try it again for good.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import click
from fuzz_paths import FOUND, TESTS

sys.path.append(str(TESTS.parent / "bench"))
from fuzz_targets import TARGETS

from machine import describe_machine

# Of the clock, so that a machine that others keep busy is not taken for a hang; an input takes milliseconds.
_SECONDS_OF_AN_INPUT, _MIB = 20, 2_048
_SUFFIXES = ("crash-", "timeout-", "oom-", "leak-", "slow-unit-")
_COVERED = re.compile(rb"cov: (\d+)")
_EXECUTED = re.compile(rb"stat::number_of_executed_units: (\d+)")
_LASTED = re.compile(rb"^Done \d+ runs in (\d+) second", re.MULTILINE)
_HEADINGS = ("target", "seconds", "inputs", "branches", "findings")


class Fuzzed(NamedTuple):
    """What came of a target: seconds of fuzzing, inputs, branches that they reached, and how many broke it.

    What was done before an input broke the target isn't counted.
    """

    target: str
    seconds: int
    inputs: int
    branches: int
    findings: int

    @property
    def cells(self) -> list[str]:
        """The row of a table."""
        return [self.target, f"{self.seconds:,}", f"{self.inputs:,}", f"{self.branches:,}", str(self.findings)]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", type=click.IntRange(min=1), default=60, show_default=True, help="For each target.")
@click.option("--target", "names", multiple=True, type=click.Choice([*TARGETS]), help="This one; all unless told.")
@click.option(
    "--corpus", type=click.Path(path_type=Path), default=Path("build/fuzz"), show_default=True, help="What was reached."
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A table that gets a row for this run.")
def main(seconds: int, names: tuple[str, ...], corpus: Path, out: Path | None) -> None:
    """Fuzzes, and tells of each target what came of it; ends with exit code 1 where an input broke one.

    Examples:
      make fuzz FUZZ_SECONDS=300
    """
    results = []
    click.echo(_row(_HEADINGS))
    for name in names or TARGETS:
        results.append(_fuzz(name, seconds, corpus / name))
        click.echo(_row(results[-1].cells))
    if out:
        _note(out, results)
    if any(result.findings for result in results):
        click.echo(f"error: inputs broke targets; they are in {FOUND}, and the tests try them", err=True)
        sys.exit(1)


def _row(cells: tuple[str, ...] | list[str]) -> str:
    return f"{cells[0]:<12}" + "".join(f"{cell:>12}" for cell in cells[1:])


def _fuzz(name: str, seconds: int, corpus: Path) -> Fuzzed:
    """Fuzzes one target in a process of its own, which libFuzzer ends."""
    corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        program = str(TESTS / "fuzz" / "fuzz_one.py")
        options = [f"-max_total_time={seconds}", f"-timeout={_SECONDS_OF_AN_INPUT}", f"-rss_limit_mb={_MIB}"]
        words = [program, name, str(corpus), folder, *options, "-print_final_stats=1"]
        # Files that an input makes go with the folder, however the process ends.
        environment = os.environ | {"TMPDIR": folder}
        done = subprocess.run([sys.executable, *words], stderr=subprocess.PIPE, env=environment, check=False)
        found = [path for path in Path(folder).iterdir() if path.name.startswith(_SUFFIXES)]
        _keep(name, found, done)
    covered, executed, lasted = (
        [int(one) for one in pattern.findall(done.stderr)] for pattern in (_COVERED, _EXECUTED, _LASTED)
    )
    findings = len(found) or int(done.returncode != 0)
    return Fuzzed(name, sum(lasted), sum(executed), max(covered, default=0), findings)


def _keep(name: str, found: list[Path], done: subprocess.CompletedProcess[bytes]) -> None:
    """Keeps the inputs that broke a target, and shows how they did."""
    for path in found:
        kept = FOUND / name / path.name
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(path.read_bytes())
    if found or done.returncode:
        click.echo(done.stderr[-4_000:].decode(errors="replace"), err=True)


def _note(out: Path, results: list[Fuzzed]) -> None:
    """Adds a run to a table, which begins with what its columns are."""
    if not out.exists():
        out.write_text(
            f"# Fuzzing\n\n{_ABOUT}\n\n| when | {' | '.join(_HEADINGS)} | on |\n|{_RULES}\n", encoding="utf-8"
        )
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M}"
    all_of = Fuzzed(
        f"{len(results)} targets" if len(results) > 1 else results[0].target,
        sum(result.seconds for result in results),
        sum(result.inputs for result in results),
        sum(result.branches for result in results),
        sum(result.findings for result in results),
    )
    with out.open("a", encoding="utf-8") as file:
        file.write(f"| {when} | {' | '.join(all_of.cells)} | {describe_machine()} |\n")


_ABOUT = """What `make fuzz` came to, run by run: how long all targets together were fuzzed, with how many inputs, how
many branches of the Python code these reached, and how many broke a target. The properties are those of
`tests/fuzz`."""
_RULES = " --- | --- | ---: | ---: | ---: | ---: | --- |"


if __name__ == "__main__":
    main()
