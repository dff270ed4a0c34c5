"""Checks the chains of a folder: finds every record that was changed, dropped, added, moved or cut off.

What belongs here: what holds and what doesn't. A file is held to its own seals, to its head, to the files that go on
from it, and to checkpoints that were kept elsewhere. It may be read while servers write it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from resolver_grpc.audit.naming import End, chain_of_head, day_of, head_name, list_chains, list_heads
from resolver_grpc.audit.reading import Keyring, Opening, raw_lines, read_head, read_opening, stated_key
from resolver_grpc.audit.record import Body
from resolver_grpc.audit.sealing import MAX_LINE, Line, read_line, stated_seal


class Fault(NamedTuple):
    """Something that doesn't hold.

    Attributes:
        file: the chain file that it is about.
        line: the line, counted from 1; 0 where it is about the file as a whole.
        what: what is wrong.
    """

    file: str
    line: int
    what: str


@dataclass(slots=True)
class ChainReading:
    """What was read of a chain file.

    Attributes:
        name: its name.
        lines: how many of its lines hold.
        batches: how many of these are records.
        is_closed: whether its last line says that nothing more comes.
        unfinished: how many bytes stand behind its last line feed.
        end: its last line that holds; None where none does.
        continues: the ends that it goes on from.
        seals: the seals of lines that were asked for, by their number in the chain.
        faults: what doesn't hold.
    """

    name: str
    lines: int = 0
    batches: int = 0
    is_closed: bool = False
    unfinished: int = 0
    end: End | None = None
    continues: list[End] = field(default_factory=list)
    seals: dict[int, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def blame(self, line: int, what: str) -> None:
        """Notes a fault."""
        self.faults.append(Fault(self.name, line, what))


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found in a folder.

    Attributes:
        chains: what was read of each chain file, by its name.
        lost: what is wrong with files that aren't there.
    """

    chains: Mapping[str, ChainReading]
    lost: Sequence[Fault]

    @property
    def faults(self) -> list[Fault]:
        """All that doesn't hold."""
        return [*(fault for chain in self.chains.values() for fault in chain.faults), *self.lost]


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told while files are read.

    Attributes:
        on_batch: is given every record that holds.
        advance: is told how many bytes were read since its last call.
    """

    on_batch: Callable[[Body], None] = lambda _: None
    advance: Callable[[int], None] = lambda _: None


def verify_folder(
    folder: Path,
    keyring: Keyring,
    checkpoints: Collection[End] = (),
    kept_from: str = "",
    listener: Listener = Listener(),
) -> Verification:
    """Checks all chains of a folder.

    Args:
        folder: the audit's folder.
        keyring: the keys that its files may have been written under.
        checkpoints: ends that were kept elsewhere.
        kept_from: the day ``YYYY-MM-DD`` before which files may be missing; empty where none may.
        listener: is told of what is read.

    Raises:
        OSError: the folder or a file of it can't be read.
    """
    # A server may be writing: a file that is there now has a head, and what that states is in it once it is read.
    names = list_chains(folder)
    heads = {chain_of_head(name): read_head(folder / name, keyring) for name in list_heads(folder)}
    stated = [*checkpoints, *(head for head in heads.values() if head)]
    chains: dict[str, ChainReading] = {}
    for name in names:
        wanted = {end.sequence for end in stated if end.file == name}
        chains[name] = read_chain(folder / name, keyring, wanted, listener)
    lost = [*_hold_to_heads(folder, chains, heads, keyring), *_hold_to_checkpoints(chains, checkpoints, kept_from)]
    return Verification(chains, [*lost, *_hold_to_successors(chains, kept_from)])


def read_chain(path: Path, keyring: Keyring, wanted: Collection[int], listener: Listener) -> ChainReading:
    """Reads a chain file line by line.

    Args:
        path: the file.
        keyring: the keys that it may have been written under.
        wanted: the numbers of the lines whose seals are asked for.
        listener: is told of what is read.

    Raises:
        OSError: it can't be read.
    """
    reading = ChainReading(path.name)
    with path.open("rb") as file:
        first = file.readline(MAX_LINE)
        listener.advance(len(first))
        opening = read_opening(first, path.name, keyring)
        if not opening:
            reading.blame(1, _fault_of_opening(first, keyring))
            return reading
        reading.continues = opening.continues
        _take(reading, opening.line, wanted)
        _read_rest(file, reading, opening, wanted, listener)
    return reading


def _read_rest(
    file: BinaryIO, reading: ChainReading, opening: Opening, wanted: Collection[int], listener: Listener
) -> None:
    former: bytes | None = opening.line.seal
    for number, raw in enumerate(raw_lines(file), start=2):
        listener.advance(len(raw))
        if not raw.endswith(b"\n") and not reading.is_closed and len(raw) < MAX_LINE:
            reading.unfinished = len(raw)
            return
        line = read_line(opening.keys.lines, former, raw)
        former = stated_seal(raw)
        if not line:
            reading.blame(number, "is not what was written here: it was changed or added, or one before it is missing")
            continue
        _take(reading, line, wanted)
        if line.body["type"] == "batch":
            reading.batches += 1
            listener.on_batch(line.body)


def _take(reading: ChainReading, line: Line, wanted: Collection[int]) -> None:
    reading.lines += 1
    reading.end = End(reading.name, line.sequence, line.seal.hex())
    reading.is_closed = line.body["type"] == "close"
    if line.sequence in wanted:
        reading.seals[line.sequence] = line.seal.hex()


def _fault_of_opening(first: bytes, keyring: Keyring) -> str:
    stated = stated_key(first)
    if stated and stated not in keyring:
        return f"says that it was sealed under key {stated[:32]!a}, which the key file doesn't hold"
    return "is no first line of this file: it was changed or removed, or the file was renamed"


def _hold_to_heads(
    folder: Path, chains: Mapping[str, ChainReading], heads: Mapping[str, End | None], keyring: Keyring
) -> Iterable[Fault]:
    for name, chain in chains.items():
        head = heads.get(name)
        if head:
            _hold_to(chain, head, "its head states")
        else:
            chain.blame(0, "has no head that holds" if name in heads else "has no head: that was removed")
    for name in sorted(heads.keys() - chains.keys()):
        path = folder / head_name(name)
        # One that was begun a moment ago is not looked at yet; of one that never was, the head states its first line.
        if path.stat().st_size == 0:
            continue
        head = read_head(path, keyring)
        if (folder / name).exists():
            continue
        if head is None or head.sequence > 0:
            yield Fault(name, 0, "is gone, and its head is still there")


def _hold_to_checkpoints(
    chains: Mapping[str, ChainReading], checkpoints: Iterable[End], kept_from: str
) -> Iterable[Fault]:
    for checkpoint in checkpoints:
        chain = chains.get(checkpoint.file)
        if chain:
            _hold_to(chain, checkpoint, "a checkpoint states")
        elif day_of(checkpoint.file) >= kept_from:
            yield Fault(checkpoint.file, 0, "is gone, and a checkpoint states it")


def _hold_to_successors(chains: Mapping[str, ChainReading], kept_from: str) -> Iterable[Fault]:
    for successor in chains.values():
        for end in successor.continues:
            chain = chains.get(end.file)
            if chain and (chain.end != end or chain.unfinished):
                _blame_end(chain, end, successor.name)
            elif not chain and day_of(end.file) >= kept_from:
                yield Fault(end.file, 0, f"is gone, and {successor.name} goes on from it")


def _blame_end(chain: ChainReading, end: End, successor: str) -> None:
    if chain.end and chain.end.sequence >= end.sequence:
        chain.blame(0, f"goes on behind its end, or has another one than {successor} goes on from")
    else:
        chain.blame(0, f"was cut off: {successor} goes on from its line {end.sequence + 1}")


def _hold_to(chain: ChainReading, end: End, who: str) -> None:
    if chain.seals.get(end.sequence) == end.seal:
        return
    if chain.end and chain.end.sequence >= end.sequence:
        chain.blame(end.sequence + 1, f"is another one than {who}")
    else:
        chain.blame(0, f"was cut off: {who} line {end.sequence + 1}")
