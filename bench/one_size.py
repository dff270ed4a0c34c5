#!/usr/bin/env python3
"""Holds one snapshot open and answers kept messages whenever it is told to: one size of bench/scale.py.

A process of its own, so that its memory is that of one index alone, and so that several sizes can be open at once.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import click

from messages import check_answer, count_queries, read_messages
from processes import memory
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.fastpath.machine import find_kernel
from resolver_grpc.fastpath.way import FastWay
from resolver_grpc.handles import Handles
from resolver_grpc.index.layout import INDEX_FILE
from resolver_grpc.index.lmdb_index import LmdbIndex
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.keys import MasterKey
from resolver_grpc.program import one_line_errors
from resolver_grpc.resolve import Resolver
from resolver_grpc.server.batch import Batches
from resolver_grpc.server.fast_batches import FastBatches
from resolver_grpc.server.senders import read_senders
from resolver_grpc.snapshot.files import check_index_file, read_manifest
from resolver_grpc.snapshot.manifest import Manifest
from resolver_grpc.times import parse_time, register_window
from rounds import micros

_EXISTING = click.Path(path_type=Path, exists=True)


@dataclass(frozen=True, slots=True)
class Opening:
    """What is told once the snapshot is open.

    Attributes:
        keys: how many the index holds.
        index_bytes: of the index file.
        snapshot_id: the snapshot's.
        open_seconds: from a file whose digest was checked to the first decision's being possible.
        touch_seconds: for checking every page.
    """

    keys: int
    index_bytes: int
    snapshot_id: str
    open_seconds: float
    touch_seconds: float


@dataclass(frozen=True, slots=True)
class Round:
    """What is told of each round.

    Attributes:
        micros: of the processor, a query.
        own_bytes: the process's memory that stands in no file, without the messages that it holds.
    """

    micros: float
    own_bytes: int


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--snapshot", type=_EXISTING, required=True, help="A snapshot's directory.")
@click.option("--keys", type=_EXISTING, required=True, help="The key file it was built with.")
@click.option("--senders", type=_EXISTING, required=True, help="The senders.")
@click.option("--as-of", required=True, help="The instant that all is judged at.")
@click.argument("file", metavar="MESSAGES", type=_EXISTING)
@one_line_errors()
def main(snapshot: Path, keys: Path, senders: Path, as_of: str, file: Path) -> None:
    """Tells of the opening in a line of JSON, then of a round of answers for each line that it is given.

    \b
    Example:
      echo | bench/one_size.py --snapshot snapshot --keys index.key --senders senders.toml \\
        --as-of 2026-11-01T11:00:00Z full_name.messages
    """
    instant, manifest = parse_time(as_of), read_manifest(snapshot)
    # Untimed, and everything is in the page cache from here on.
    check_index_file(snapshot, manifest)
    key = read_key_ring(keys).of(manifest.key_id)
    index, batches, opening = _open(snapshot, manifest, key, senders, instant)
    messages = read_messages(file)
    check_answer(messages[0], batches.answer(messages[0], instant))
    _tell(opening)
    for told in _rounds(batches, messages, instant):
        _tell(told)
    index.close()


def _open(
    snapshot: Path, manifest: Manifest, key: MasterKey, senders: Path, instant: int
) -> tuple[LmdbIndex, FastBatches, Opening]:
    kernel = find_kernel()
    if not kernel:
        raise ConfigurationError("this installation has no compiled kernel; install it where there is a C compiler")
    path, known = snapshot / INDEX_FILE, read_senders(senders)
    valid_from, horizon = register_window(date.fromisoformat(manifest.register_date))
    started = time.perf_counter()
    index = LmdbIndex(path, key.columns_secret, bytes.fromhex(manifest.snapshot_id))
    handles = Handles([key.handles_secret])
    way = FastWay(kernel, index, key.index_keys, handles)
    for sender in known.values():
        way.judge(sender, instant, personal_content=False)
    opened = time.perf_counter()
    way.touch()
    touched = time.perf_counter()
    plain = Batches(Resolver(index, key.index_keys, valid_from, handles), manifest, known, horizon, instant)
    size, count = path.stat().st_size, manifest.counts["keys"]
    told = Opening(count, size, manifest.snapshot_id, opened - started, touched - opened)
    return index, FastBatches(plain, way), told


def _rounds(batches: FastBatches, messages: list[bytes], instant: int) -> Iterator[Round]:
    """Answers all messages, once for each line that is given."""
    queries = sum(map(count_queries, messages))
    held = sum(map(sys.getsizeof, messages))
    gc.collect()
    gc.freeze()

    def answer_all() -> None:
        for message in messages:
            batches.answer(message, instant)

    for _ in sys.stdin:
        yield Round(micros(answer_all, queries), memory(os.getpid()).own - held)


def _tell(what: Opening | Round) -> None:
    print(json.dumps(asdict(what)), flush=True)


if __name__ == "__main__":
    main()
