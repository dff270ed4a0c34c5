#!/usr/bin/env python3
"""The whole job on a made-up register: population, snapshot, server, shipments, lists, and what came of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from resolver_grpc.client import Query, ResolverClient
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.model import Kind, Reason, Route
from resolver_grpc.program import one_line_errors

_TOOLS = Path(__file__).parent
_COMMAND = Path(sys.executable).with_name("resolver-grpc")
_NOON = "2026-11-01T11:00:00Z"
_SHIPMENTS = ("kommunen", "avisen", "nordkraft")
_SHOWN = "nordkraft"

Asked = tuple[tuple[str, bool], Query, tuple[int, int, list[str]]]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="A folder to work in.")
@click.option("--persons", default=50_000, show_default=True, help="How many people.")
@click.option("--queries", default=20_000, show_default=True, help="How many queries.")
@one_line_errors()
def main(out: Path, persons: int, queries: int) -> None:
    """Shows the whole job: from a register and a mailbox table to a shipment's decisions and lists.

    \b
    Example:
      tools/demo.py --out demo --persons 50000
    """
    console, started = Console(highlight=False), time.monotonic()
    _empty(out)
    _say(console, f"1. A register of {persons:,} people, with mailboxes, senders and {queries:,} queries")
    shipments = [word for sender_id in _SHIPMENTS for word in ("--shipment", sender_id)]
    made = (f"--persons={persons}", f"--queries={queries}", "--seed=1", f"--out={out}", *shipments)
    _run(console, _TOOLS / "generate_population.py", *made, quiet=True)
    _say(console, "2. A key, and the snapshot: an index of keyed hashes with its manifest")
    _run(console, _COMMAND, "keys", "new", out / "index.key")
    tables = [f"--{table}={out / table}.parquet" for table in ("persons", "mailboxes", "relations", "roads")]
    keys = f"--keys={out / 'index.key'}"
    rejects = f"--rejects={out / 'rejects.csv'}"
    _run(console, _TOOLS / "build_snapshot.py", *tables, keys, f"--out={out / 'snapshot'}", rejects, quiet=True)
    _run(console, _TOOLS / "inspect_snapshot.py", out / "snapshot")
    _say(console, "3. The server, judging everything as of noon on the register's day")
    with _serving(console, out) as target:
        _say(console, "4. Shipments, as three senders have them in their files")
        for sender_id in _SHIPMENTS:
            lists = out / f"lists-{sender_id}"
            arguments = (f"--sender={sender_id}", f"--server={target}", f"--out={lists}")
            quiet = sender_id != _SHOWN
            _run(console, _COMMAND, "resolve", out / f"shipment-{sender_id}.csv", *arguments, quiet=quiet)
        _show_error_list(console, out / f"lists-{_SHOWN}" / "fejlliste.csv")
        _say(console, "5. Every query of every sender, held against a brute-force reading of the rules")
        _compare(console, out / "queries.jsonl", target)
    _say(console, f"Done in {time.monotonic() - started:.0f} seconds; everything is in {out}/ to look at.")


def _empty(out: Path) -> None:
    """Clears what a former demo left, and nothing that it did not make."""
    if out.is_dir() and any(out.iterdir()):
        if not (out / "queries.jsonl").is_file():
            raise ConfigurationError(f"{out} holds something that is no demo; choose another folder for --out")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)


def _say(console: Console, sentence: str) -> None:
    console.print(f"\n[bold]{sentence}[/bold]")


def _run(console: Console, program: Path, *arguments: str | Path, quiet: bool = False) -> None:
    """Runs one of the project's programs as a person would, and shows the command."""
    _show_command(console, program, *arguments)
    command = [str(program)] if program == _COMMAND else [sys.executable, str(program)]
    done = subprocess.run([*command, *map(str, arguments)], check=False, stdout=subprocess.DEVNULL if quiet else None)
    if done.returncode:
        raise ConfigurationError(f"{program.name} failed; its error stands above")


def _show_command(console: Console, program: Path, *arguments: str | Path) -> None:
    shown = program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program
    console.print("$ " + " ".join(map(str, (shown, *arguments))), style="dim", soft_wrap=True, markup=False)


@contextmanager
def _serving(console: Console, out: Path) -> Iterator[str]:
    """Starts the server on a free port, tells where, and drains it at the end."""
    arguments = [f"--snapshot={out / 'snapshot'}", f"--keys={out / 'index.key'}", f"--senders={out / 'senders.toml'}"]
    command = ["serve", *arguments, "--insecure", "--listen=127.0.0.1:0", f"--as-of={_NOON}"]
    _show_command(console, _COMMAND, *command)
    with (out / "server.log").open("w", encoding="utf-8") as log:
        server = subprocess.Popen([str(_COMMAND), *command], stderr=subprocess.PIPE, text=True, encoding="utf-8")
        try:
            assert server.stderr is not None
            first = server.stderr.readline()
            log.write(first)
            if not first.startswith("{"):
                raise ConfigurationError(first.removeprefix("error: ").strip() or "the server did not start")
            console.print(first.strip(), soft_wrap=True, markup=False)
            yield json.loads(first)["address"]
        finally:
            server.terminate()
            log.write(server.communicate()[1])


def _show_error_list(console: Console, error_list: Path) -> None:
    console.print(f"The first lines of {error_list}:")
    for line in error_list.read_text(encoding="utf-8-sig").splitlines()[:4]:
        console.print("  " + line, style="dim", soft_wrap=True, markup=False)


def _compare(console: Console, queries: Path, target: str) -> None:
    """Asks everything once more through the Python client and sets the decisions against the expected ones."""
    by_envelope: dict[tuple[str, bool], list[Asked]] = {}
    with queries.open(encoding="utf-8") as lines:
        for asked in map(_parse, lines):
            by_envelope.setdefault(asked[0], []).append(asked)
    counts: Counter[tuple[int, int, int]] = Counter()
    agreed, seconds = 0, time.monotonic()
    with ResolverClient(target) as client:
        for (sender_id, personal_content), rows in by_envelope.items():
            decisions = client.resolve(
                (query for _, query, _ in rows), sender_id=sender_id, personal_content=personal_content
            )
            for (_, query, expected), decision in zip(rows, decisions, strict=True):
                numbers = [target.number for target in decision.targets]
                agreed += (decision.route, decision.reason, numbers) == expected
                counts[decision.route, decision.reason, query.kind] += 1
    seconds = time.monotonic() - seconds
    console.print(_table(counts))
    total = counts.total()
    console.print(f"{agreed:,} of {total:,} decisions are the expected ones; {total / seconds:,.0f} queries a second.")
    if agreed != total:
        raise ConfigurationError("server and brute force disagree; run `make agree` to see where")


def _parse(line: str) -> Asked:
    row = json.loads(line)
    expected = row.pop("expected")
    envelope = row.pop("sender_id"), row.pop("personal_content")
    kind, handle = row.pop("kind"), bytes.fromhex(row.pop("handle", ""))
    fields = row | {"kind": Kind[kind].value if kind in Kind.__members__ else kind, "handle": handle}
    numbers = [target["number"] for target in expected["targets"]]
    return envelope, Query(**fields), (Route[expected["route"]], Reason[expected["reason"]], numbers)


def _table(counts: Counter[tuple[int, int, int]]) -> Table:
    """How often each route and reason came, and of which kinds; malformed queries share a line."""
    table = Table("route", "reason", "queries", "of kinds")
    table.columns[2].justify = "right"
    invalid = sum(count for (_, reason, _), count in counts.items() if reason >= Reason.INVALID_KIND)
    for route, reason in sorted({(route, reason) for route, reason, _ in counts if reason < Reason.INVALID_KIND}):
        of_kind = {Kind(kind).name: count for (*outcome, kind), count in counts.items() if outcome == [route, reason]}
        kinds = " ".join(kind.name for kind in Kind if kind.name in of_kind)
        table.add_row(Route(route).name, Reason(reason).name, f"{sum(of_kind.values()):,}", kinds)
    reasons = len({reason for _, reason, _ in counts if reason >= Reason.INVALID_KIND})
    table.add_row("REJECT", f"malformed, {reasons} reasons", f"{invalid:,}", "any")
    return table


if __name__ == "__main__":
    main()
