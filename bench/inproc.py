#!/usr/bin/env python3
"""What a query costs in process: bytes of kept messages in, bytes of the responses out, one thread."""

from __future__ import annotations

import gc
import time
from pathlib import Path

import click

from messages import check_answer, count_queries, read_messages
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.program import one_line_errors
from resolver_grpc.server.senders import read_senders
from resolver_grpc.server.served import open_served
from resolver_grpc.snapshot.store import key_id_of
from resolver_grpc.times import parse_time
from serving import AS_OF

_EXISTING = click.Path(path_type=Path, exists=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--snapshot", type=_EXISTING, required=True, help="A snapshot's directory.")
@click.option("--keys", type=_EXISTING, required=True, help="The key file it was built with.")
@click.option("--senders", type=_EXISTING, required=True, help="The senders.")
@click.option("--rounds", type=click.IntRange(min=1), default=4, show_default=True, help="How often all are answered.")
@click.argument("files", metavar="MESSAGES", nargs=-1, type=_EXISTING, required=True)
@one_line_errors()
def main(snapshot: Path, keys: Path, senders: Path, rounds: int, files: tuple[Path, ...]) -> None:
    """Answers the messages of each file, round by round, and prints a line for each round.

    The first round warms the page cache: leave it out.

    \b
    Example:
      bench/inproc.py --snapshot snapshot --keys index.key --senders senders.toml full_name.messages
    """
    as_of = parse_time(AS_OF)
    key = read_key_ring(keys).of(key_id_of(snapshot))
    served = open_served(snapshot, key, read_senders(senders), as_of)
    for file in files:
        messages = read_messages(file)
        queries = sum(map(count_queries, messages))
        check_answer(messages[0], served.batches.answer(messages[0], as_of))
        gc.collect()
        gc.freeze()
        for _ in range(rounds):
            started = time.perf_counter()
            size = sum(len(served.batches.answer(message, as_of)) for message in messages)
            seconds = time.perf_counter() - started
            micros = seconds / queries * 1e6
            print(f"inproc: {micros:.3f} us/query, {queries / seconds:.0f} queries/s ({size} bytes out)", flush=True)
    served.snapshot.index.close()


if __name__ == "__main__":
    main()
