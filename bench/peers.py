#!/usr/bin/env python3
"""What a query costs with the lookups swapped: the same messages, the same front, LMDB, Redis, PostgreSQL."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

import postgres_peer
import redis_peer
from contest import Contender, Taken, check_equal, measure_in_turn
from machine import describe_machine
from peer_index import KnownAnswers, Lookup, Peer, SwappedIndex
from peer_site import BATCH, HIT_RATE, SENDER, Existing, Site, check_hits, prepare, read_pairs
from resolver_grpc.handles import Handles
from resolver_grpc.model import Query
from resolver_grpc.program import one_line_errors
from resolver_grpc.resolve import Resolver
from resolver_grpc.server.batch import Batches, decision_row, for_any_sender, parse_message
from resolver_grpc.server.served import Served, open_served
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest

_LMDB, _FRONT, _SERVED, _FAST = (
    "plain way, LMDB",
    "plain way, front alone",
    "plain way, LMDB, as served",
    "fast way, LMDB",
)
_KINDS_OF_PEER = (redis_peer, postgres_peer)
_NOON = 12 * 3600


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--mailboxes", type=click.IntRange(min=100, max=20_000_000), default=5_000_000, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="What the country follows from.")
@click.option("--tables", type=click.Path(path_type=Path, exists=True, file_okay=False), help="The country's tables.")
@click.option("--snapshot", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Its snapshot.")
@click.option("--keys", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="The snapshot's key file.")
@click.option("--messages", type=click.IntRange(min=1), default=100, show_default=True, help="Of 1,000 queries each.")
@click.option("--rounds", type=click.IntRange(min=2), default=7, show_default=True, help="The first is left out.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the table, as Markdown.")
@one_line_errors()
def main(
    *,
    mailboxes: int,
    seed: int,
    tables: Path | None,
    snapshot: Path | None,
    keys: Path | None,
    messages: int,
    rounds: int,
    out: Path | None,
) -> None:
    """Measures the plain way with its lookups in LMDB, in Redis and in PostgreSQL, and the fast way beside them.

    Redis and PostgreSQL are started where they are installed, in temporary folders, and ended again.

    \b
    Ends with one line and exit code 2 where the responses are not equal, byte for byte.

    \b
    Examples:
      bench/peers.py --mailboxes 5000000 --out bench/results/peers.md
      bench/peers.py --mailboxes 20000 --messages 20
    """
    if bool(snapshot) != bool(keys):
        raise click.UsageError("--snapshot and --keys go together")
    with ExitStack() as ends:
        work = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="bench-peers-")))
        site = prepare(mailboxes, seed, messages, Existing(tables, snapshot, keys), work)
        peers, missing = _start_peers(site, ends)
        served = _open(site, ends)
        if served.batches is served.plain:
            missing[_FAST] = "The fast way is not compiled here, or turned off (RESOLVER_FASTPATH)."
        contenders = list(_contenders(served, site, peers))
        check_hits(check_equal(contenders, site.messages))
        _forget_what_is_done()
        taken = measure_in_turn(contenders, site.messages, len(site.messages) * BATCH, rounds)
        remarks = [*missing.values(), *(peer.about for peer in peers)]
        text = "\n".join([*_report(served, messages, rounds, taken, list(missing)), *(f"- {one}" for one in remarks)])
    print(text)
    if out:
        out.write_text(text + "\n", encoding="utf-8")


def _start_peers(site: Site, ends: ExitStack) -> tuple[list[Peer], dict[str, str]]:
    """Starts every peer that is installed; tells of the others why not."""
    missing = {_name(kind.NAME): why for kind in _KINDS_OF_PEER if (why := kind.why_not())}
    # The snapshot is read and closed again before it is opened to be served: LMDB opens a file once in a process.
    pairs = read_pairs(site)
    peers = [ends.enter_context(kind.holding(pairs)) for kind in _KINDS_OF_PEER if _name(kind.NAME) not in missing]
    return peers, missing


def _open(site: Site, ends: ExitStack) -> Served:
    served = open_served(site.snapshot, site.key, {SENDER.id: SENDER}, None)
    ends.callback(served.snapshot.index.close)
    served.touch()
    return served


def _contenders(served: Served, site: Site, peers: list[Peer]) -> Iterator[Contender]:
    """Everyone who answers, the first of whom the others are held to; one more takes one more line."""
    find = served.snapshot.index.find
    yield Contender(_SERVED, partial(served.plain.answer, instant=_instant(served)))
    yield _plain(served, site, _LMDB, find)
    yield _plain(served, site, _FRONT, KnownAnswers(find))
    for peer in peers:
        yield _plain(served, site, _name(peer.name), peer.lookup, peer.process)
    if served.batches is not served.plain:
        yield Contender(_FAST, partial(served.batches.answer, instant=_instant(served)))


def _plain(served: Served, site: Site, name: str, lookup: Lookup, process: int = 0) -> Contender:
    """The plain way over the snapshot's index with its lookups swapped."""
    index = SwappedIndex(served.snapshot.index, lookup)
    handles = Handles([site.key.handles_secret])
    batches = replace(served.plain, resolver=Resolver(index, site.key.index_keys, served.valid_from, handles))
    return Contender(name, partial(_answer_at_once, batches, _instant(served)), index, process)


def _answer_at_once(batches: Batches, instant: int, request: bytes) -> bytes:
    """Does what ``Batches.answer`` does, with one lookup for the whole message.

    The server resolves a few queries at a time, so that others can go first; a peer would be asked as often.
    """
    message = parse_message(ResolveBatchRequest, request)
    sender = batches.sender(message.sender_id, for_any_sender)
    queries: Sequence[Query] = message.queries
    decisions = batches.resolver.resolve(queries, sender, instant, personal_content=message.personal_content)
    response = batches.response()
    response.decisions.extend(map(decision_row, queries, decisions))
    return response.SerializeToString()


def _instant(served: Served) -> int:
    """Noon of the register date."""
    return served.valid_from + _NOON


def _forget_what_is_done() -> None:
    """Collects what preparing left, and spares the collector the rest, so that no contender pays for it."""
    gc.collect()
    gc.freeze()


def _name(peer: str) -> str:
    return f"plain way, {peer}"


def _report(served: Served, messages: int, rounds: int, taken: dict[str, Taken], missing: list[str]) -> Iterator[str]:
    manifest = served.snapshot.manifest
    yield "# Peers: the lookups swapped\n"
    yield (
        f"{manifest.owners:,} owners, {manifest.counts['keys']:,} keys; snapshot {manifest.snapshot_id}; "
        f"{describe_machine()}. {messages:,} messages of {BATCH:,} queries of kind FULL_NAME with address fields, "
        f"{HIT_RATE:.0%} of them hits; bytes in, bytes out, in process, one thread. Each contender answers all of them "
        f"in turn; medians of {rounds - 1} rounds after a first, at a load average of {os.getloadavg()[0]:.1f}. All "
        "responses are equal to LMDB's, byte for byte.\n"
    )
    yield (
        "Only the lookup of keys is a peer's: facts, numbers and roads stay those of the snapshot's own index, and the "
        "front (reading, keys, rules, writing) is the same plain way, asked for a whole message at once. *Front alone* "
        "has its lookups from a dictionary of whole messages; *as served* takes some queries of a message at a time, "
        "as the server does; *fast way* is the kernel's.\n"
    )
    yield (
        "| microseconds a query | all | of it in lookups | processor, here | processor, the peer's process | all, "
        "times LMDB's | all, times the fast way's | lookups, times LMDB's |"
    )
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    yield from (_row(name, one, taken[_LMDB], taken.get(_FAST)) for name, one in taken.items())
    yield from (f"| {name} | - | - | - | - | - | - | - |" for name in missing)
    yield ""


def _row(name: str, one: Taken, lmdb: Taken, fast: Taken | None) -> str:
    values = [
        one.wall,
        one.lookup,
        one.own,
        one.other,
        one.wall / lmdb.wall,
        one.wall / fast.wall if fast else 0,
        one.lookup / lmdb.lookup,
    ]
    return f"| {name} | {' | '.join(f'{value:.2f}' if value else '-' for value in values)} |"


if __name__ == "__main__":
    main()
