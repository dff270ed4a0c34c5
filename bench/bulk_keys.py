#!/usr/bin/env python3
"""What a key costs in bulk beside hashlib in the same run: a row's parts as indices in, 16 bytes out."""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections.abc import Callable, Sequence

import click
import numpy as np
from numpy.typing import NDArray

from resolver_grpc._bulk_keys import WIDE, fill_keys
from resolver_grpc.bulk_keys import Part, Texts, bulk_keys
from resolver_grpc.keys import SEPARATOR, IndexKeys, KeyKind

_KEYS = IndexKeys(b"k" * 32)
_ROWS = 1_000_000
_KINDS = {
    # how many distinct texts, and how many letters each
    KeyKind.EMAIL: [(_ROWS, 24)],
    KeyKind.CPR: [(_ROWS, 10)],
    KeyKind.TEXT_FULL_NAME: [(1_000, 4), (60_000, 14), (2_000, 3), (60, 2), (60, 2), (1, 0), (30_000, 7), (90_000, 8)],
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rounds", default=5, show_default=True, help="How often each is measured; the best counts.")
def main(rounds: int) -> None:
    """Measures nanoseconds a key, wall clock: hashlib in a loop, one thread of the kernel, all cores."""
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores\n")
    print("| kind | hashlib | kernel, one thread, row by row | four rows at once | all cores | hashlib / all cores |")
    print("| --- | --- | --- | --- | --- | --- |")
    rng = np.random.default_rng(1)
    for kind, sizes in _KINDS.items():
        parts = [Part(_texts(rng, *size), _indices(rng, size[0])) for size in sizes]
        costs = _costs(kind, parts, rounds)
        print(f"| {kind.name} | " + " | ".join(f"{cost:.0f}" for cost in costs) + f" | {costs[0] / costs[-1]:.0f} |")


def _texts(rng: np.random.Generator, count: int, letters: int) -> Texts:
    data = rng.integers(ord("a"), ord("z"), count * letters, dtype=np.uint8)
    return Texts(data, np.arange(count + 1, dtype=np.int64) * letters)


def _indices(rng: np.random.Generator, count: int) -> NDArray[np.uint32]:
    """Texts of which there are as many as rows come in their order, others in none."""
    return np.arange(_ROWS, dtype=np.uint32) if count == _ROWS else rng.integers(0, count, _ROWS, dtype=np.uint32)


def _costs(kind: KeyKind, parts: Sequence[Part], rounds: int) -> list[float]:
    """Nanoseconds a key of each way, all having made the same keys; hashlib takes a tenth of the rows."""
    few = [Part(part.texts, part.indices[: _ROWS // 10]) for part in parts]
    ways: list[tuple[int, Callable[[], NDArray[np.uint8]]]] = [
        (_ROWS // 10, _hashlib_way(kind, few)),
        (_ROWS, lambda: _one_thread(kind, parts, wide=False)),
        (_ROWS, lambda: _one_thread(kind, parts, wide=WIDE)),
        (_ROWS, lambda: bulk_keys(_KEYS, kind, parts)),
    ]
    seconds: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds):
        made = []
        for (_, way), taken in zip(ways, seconds, strict=True):
            start = time.perf_counter()
            made.append(way())
            taken.append(time.perf_counter() - start)
        assert all((keys[: _ROWS // 10] == made[0]).all() for keys in made)
    return [min(taken) / count * 1e9 for (count, _), taken in zip(ways, seconds, strict=True)]


def _hashlib_way(kind: KeyKind, parts: Sequence[Part]) -> Callable[[], NDArray[np.uint8]]:
    """What a careful loop would do: texts encoded beforehand, joined and hashed row by row."""
    texts = [[part.texts.at(index).encode() for index in range(len(part.texts))] for part in parts]
    columns = [[texts[number][index] for index in part.indices.tolist()] for number, part in enumerate(parts)]
    first, separator, secret, blake2b = bytes((kind,)), SEPARATOR.encode(), _KEYS.secret, hashlib.blake2b

    def way() -> NDArray[np.uint8]:
        made = [
            blake2b(first + separator.join(row), digest_size=16, key=secret).digest()
            for row in zip(*columns, strict=True)
        ]
        return np.frombuffer(b"".join(made), np.uint8).reshape(-1, 16)

    return way


def _one_thread(kind: KeyKind, parts: Sequence[Part], *, wide: bool) -> NDArray[np.uint8]:
    made = np.empty((len(parts[0].indices), 16), np.uint8)
    columns = [(part.texts.data, part.texts.edges, part.indices) for part in parts]
    fill_keys(_KEYS.secret, kind, ord(SEPARATOR), columns, 0, made, wide=wide)
    return made


if __name__ == "__main__":
    main()
