#!/usr/bin/env python3
"""Verifies the audit of a folder, and adds up what was told to whom on some days."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from resolver_grpc.audit.naming import CHAIN_SUFFIX, End, day_of, worker_of
from resolver_grpc.audit.sealing import AuditKeys
from resolver_grpc.audit.totals import Asker, Totals
from resolver_grpc.audit.verify import ChainReading, Listener, Verification, verify_folder
from resolver_grpc.errors import AuditError
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.program import one_line_errors, progress
from resolver_grpc.times import parse_day

_PATH = click.Path(path_type=Path)
_TAMPERED = 1
_MOST_FAULTS = 100
_SEAL = re.compile(r"[0-9a-f]{32}")


def _day(_context: click.Context, parameter: click.Parameter, text: str) -> str:
    try:
        return text and str(parse_day(text))
    except ValueError as error:
        raise click.BadParameter(f"{parameter.name}: {error}") from None


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", type=_PATH)
@click.option("--keys", "key_file", required=True, type=_PATH, help="The key file of the servers that wrote it.")
@click.option("--from", "first_day", default="", callback=_day, help="Add up from this day (UTC) on.")
@click.option("--until", "last_day", default="", callback=_day, help="Add up to this day (UTC), which counts, too.")
@click.option("--sender", default="", help="Add up for this sender alone.")
@click.option("--checkpoints", type=_PATH, help="A log of the servers, kept elsewhere, to hold the folder to.")
@click.option("--kept-from", default="", callback=_day, help="Files of days before this one may have been removed.")
@one_line_errors()
def main(
    folder: Path,
    key_file: Path,
    first_day: str,
    last_day: str,
    sender: str,
    checkpoints: Path | None,
    kept_from: str,
) -> None:
    """Verifies all chains of the audit in FOLDER; a server may be writing them.

    Prints a table of the files, what doesn't hold, and the totals of the records that hold, by sender, caller, role,
    route and reason. All files are verified, whatever days are added up.

    Exit code 0: all holds. 1: something was changed, dropped, added, moved or cut off. 2: it could not be verified.

    \b
    Examples:
      tools/verify_audit.py /srv/resolver/audit --keys index.key
      tools/verify_audit.py /srv/resolver/audit --keys index.key --from 2026-11-01 --until 2026-11-30 --sender nordkraft
      tools/verify_audit.py /srv/resolver/audit --keys index.key --checkpoints server.log --kept-from 2024-12-01
    """
    keyring = {keys.key_id: keys for keys in map(AuditKeys.of, read_key_ring(key_file))}
    if not folder.is_dir():
        raise AuditError(f"{folder}: no folder; name the one that `serve --audit` was given")
    kept = _read_checkpoints(checkpoints) if checkpoints else []
    totals = Totals(first_day, last_day, sender)
    size = sum(path.stat().st_size for path in folder.glob(f"*{CHAIN_SUFFIX}"))
    with progress(size, "verifying, bytes") as advance:
        found = verify_folder(folder, keyring, kept, kept_from, Listener(totals.add, advance))
    _print_files(found)
    _print_totals(totals)
    _print_faults(found)
    sys.exit(_TAMPERED if found.faults else 0)


def _read_checkpoints(path: Path) -> list[End]:
    """The checkpoints among the lines of a log; everything else in it is passed over."""
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            continue
        end = _checkpoint_of(said) if isinstance(said, dict) else None
        if end:
            kept.append(end)
    return kept


def _checkpoint_of(said: dict[str, object]) -> End | None:
    file, sequence, seal = said.get("file"), said.get("sequence"), said.get("seal")
    if said.get("event") != "audit checkpoint" or not isinstance(file, str) or not isinstance(seal, str):
        return None
    if not isinstance(sequence, int) or not day_of(file) or not _SEAL.fullmatch(seal):
        return None
    return End(file, sequence, seal)


def _print_files(found: Verification) -> None:
    table = Table("file", "worker", "lines", "batches", "ends", "holds", title="Files", title_justify="left")
    continued = {end.file for chain in found.chains.values() for end in chain.continues}
    for name, chain in found.chains.items():
        numbers = [str(worker_of(name)), f"{chain.lines:,}", f"{chain.batches:,}"]
        table.add_row(name, *numbers, _how_it_ends(chain, continued), "NO" if chain.faults else "yes")
    Console().print(table)


def _how_it_ends(chain: ChainReading, continued: set[str]) -> str:
    if chain.is_closed:
        return "closed"
    if chain.name in continued:
        return "broken off, continued"
    return "in an unfinished line" if chain.unfinished else "in use, or broken off"


def _print_totals(totals: Totals) -> None:
    span = f"{totals.first_day or 'the first day'} to {totals.last_day or 'the last day'}"
    table = Table("sender", "caller", "role", "what", "how many", title=f"From {span}, UTC", title_justify="left")
    for asker in sorted({*totals.batches, *(asker for asker, _ in totals.refused)}):
        for what, count in _sums(totals, asker):
            table.add_row(*asker, what, f"{count:,}")
        table.add_section()
    Console().print(table)


def _sums(totals: Totals, asker: Asker) -> Iterator[tuple[str, int]]:
    if totals.batches[asker]:
        yield "batches", totals.batches[asker]
        yield from sorted((outcome, count) for (one, outcome), count in totals.outcomes.items() if one == asker)
        yield "targets told", totals.targets[asker]
    yield from sorted((f"refused, {reason}", count) for (one, reason), count in totals.refused.items() if one == asker)


def _print_faults(found: Verification) -> None:
    console, faults = Console(), found.faults
    for fault in faults[:_MOST_FAULTS]:
        where = f"{fault.file}, line {fault.line}" if fault.line else fault.file
        console.print(f"{where}: {fault.what}", highlight=False, markup=False, soft_wrap=True)
    if len(faults) > _MOST_FAULTS:
        console.print(f"… and {len(faults) - _MOST_FAULTS:,} more", highlight=False)
    console.print(f"{len(faults):,} faults" if faults else "all of it holds", highlight=False)


if __name__ == "__main__":
    main()
