"""A new snapshot out of an old one and what the changes after it come to, without the register.

What belongs here: a content with an amendment, its owners in order, and what its manifest says. What is otherwise
``changes.compaction`` works out. Names, homes and e-mail addresses are in neither: there are keys, and facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from resolver_grpc.build.bulk.numbers import number_of
from resolver_grpc.build.bulk.owners import number_part
from resolver_grpc.build.report import Progress, Stages, count_content
from resolver_grpc.build.writing import publish_content
from resolver_grpc.bulk_keys import bulk_keys
from resolver_grpc.canonical import CANONICAL_VERSION
from resolver_grpc.index.amendment import AmendedOwner, Amendment
from resolver_grpc.index.content import Content, content_digest
from resolver_grpc.index.intervals import Intervals, Timeline, intervals_of
from resolver_grpc.index.layout import INDEX_FILE, KEY_BYTES, NUMBER_BYTES
from resolver_grpc.index.pages import Keys, Ordinals
from resolver_grpc.index.pairs import Pairs, SpilledPairs
from resolver_grpc.index.reader import SpannedIndex
from resolver_grpc.index.restoring import read_content
from resolver_grpc.index.sorting import order_of_keys
from resolver_grpc.keys import KeyKind, MasterKey
from resolver_grpc.rows.cells import Span
from resolver_grpc.snapshot.identity import identity_context
from resolver_grpc.snapshot.manifest import Manifest
from resolver_grpc.snapshot.publish import check_target
from resolver_grpc.snapshot.store import open_snapshot
from resolver_grpc.times import format_instant, register_window

_GONE = -1

Places = npt.NDArray[np.int64]
"""By ordinal before, the ordinal afterwards; ``_GONE`` for none."""
IsErased = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.bool_]]
"""Tells which of some numbers, as integers, were erased."""


class Compacted(NamedTuple):
    """What came of it.

    Attributes:
        manifest: the new snapshot's.
        erased: how many owners were left out because their numbers are on the list.
        is_new: whether the snapshot is new.
    """

    manifest: Manifest
    erased: int
    is_new: bool


def nobody(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Leaves nobody out."""
    return np.zeros(len(numbers), np.bool_)


class Compacting(NamedTuple):
    """What is made of what.

    Attributes:
        directory: the old snapshot.
        amend: works out what the changes after it come to, of its index and its horizon.
        sequence: that of the last of them.
        target: the directory of the new snapshot, which must not exist yet.
        is_erased: whom to leave out.
    """

    directory: Path
    amend: Callable[[SpannedIndex, Span], Amendment]
    sequence: int
    target: Path
    is_erased: IsErased


def compact_snapshot(work: Compacting, key: MasterKey, build_instant: int, progress: Progress) -> Compacted:
    """Makes the new snapshot and publishes it.

    Args:
        work: what is made of what.
        key: the secret of the old snapshot, and of the new one.
        build_instant: now, for the manifest; seconds of UTC.
        progress: shows how far the work is.

    Raises:
        SnapshotError: the old snapshot is not whole, or something else stands at the target.
        OSError: the disk is full, or the target's parent can't be written.
    """
    check_target(work.target)
    stages = Stages(progress)
    with stages(0, "opening the snapshot"):
        snapshot = open_snapshot(work.directory, key.columns_secret, key.key_id, CANONICAL_VERSION)
    former = snapshot.manifest
    try:
        with stages(0, "working out the changes"):
            window = Span(*register_window(date.fromisoformat(former.register_date)))
            amendment = work.amend(snapshot.index, window)
    finally:
        snapshot.index.close()
    with stages(0, "reading the snapshot"):
        snapshot_id = bytes.fromhex(former.snapshot_id)
        content = read_content(work.directory / INDEX_FILE, key.columns_secret, snapshot_id).content
    with SpilledPairs(work.target.absolute().parent) as pairs:
        with stages(0, "taking the changes in"):
            amended, erased = amended_content(content, amendment, work.is_erased, key, pairs)
        with stages(content.pairs.counts.pairs, "sorting keys") as advance:
            pairs.sort(advance)
        with stages(0, "naming the content"):
            manifest = _manifest_of(former, amended, work.sequence, key, build_instant)
        manifest, is_new = publish_content(work.target, amended, manifest, key.columns_secret, stages)
    return Compacted(manifest, erased, is_new)


def amended_content(
    content: Content, amendment: Amendment, is_erased: IsErased, key: MasterKey, pairs: SpilledPairs
) -> tuple[Content, int]:
    """Lays out a content with an amendment, its owners in the order of the keyed hashes of their numbers.

    Args:
        content: as it was.
        amendment: what is otherwise.
        is_erased: whom to leave out.
        key: the secret of the index.
        pairs: takes the keys with their ordinals; they are not sorted yet.

    Returns:
        The content, and how many owners were left out as erased.
    """
    numbers = _numbers(content, amendment)
    integers = np.array([number_of(one.decode()) for one in numbers.tolist()], np.int64)
    erased = is_erased(integers)
    gone = erased.copy()
    gone[sorted(amendment.removed)] = True
    left = np.flatnonzero(~gone)
    order = left[order_of_keys(bulk_keys(key.index_keys, KeyKind.OWNER, [number_part(integers[left])]))]
    places = np.full(len(numbers), _GONE, np.int64)
    places[order] = np.arange(len(order))
    for keys, ordinals in _pairs(content.pairs, amendment):
        held = places[ordinals] != _GONE
        pairs.add(keys[held], places[ordinals[held]].astype(np.uint32))
    forwarding = {one: address for one, address in content.forwarding.items() if one not in amendment.owners}
    forwarding |= {one: owner.forwarding_address for one, owner in amendment.owners.items() if owner.forwarding_address}
    names = content.facts.keys() | {name for owner in amendment.owners.values() for name in owner.facts}
    facts = {name: _fact(content.facts.get(name), name, amendment.owners, places) for name in sorted(names)}
    made = Content(
        owners=len(order),
        pairs=pairs,
        facts={name: intervals for name, intervals in facts.items() if len(intervals.ordinals)},
        numbers=numbers[order],
        address_numbers=_dense(_address_numbers(content, amendment)[order]),
        forwarding={int(places[one]): address for one, address in forwarding.items() if places[one] != _GONE},
        roads=content.roads,
    )
    return made, int(np.count_nonzero(erased))


def _numbers(content: Content, amendment: Amendment) -> npt.NDArray[np.bytes_]:
    """The numbers by ordinal, of the new ones too."""
    total = max([content.owners, *(ordinal + 1 for ordinal in amendment.owners)])
    numbers = np.zeros(total, f"S{NUMBER_BYTES}")
    numbers[: content.owners] = content.numbers
    for ordinal, owner in amendment.owners.items():
        numbers[ordinal] = owner.number.encode()
    return numbers


def _address_numbers(content: Content, amendment: Amendment) -> Ordinals:
    total = max([content.owners, *(ordinal + 1 for ordinal in amendment.owners)])
    found = np.zeros(total, np.uint32)
    found[: content.owners] = content.address_numbers
    for ordinal, owner in amendment.owners.items():
        found[ordinal] = owner.address_number
    return found


def _dense(address_numbers: Ordinals) -> Ordinals:
    """Numbers addresses anew from 1, in the order of those who live there first: nothing tells which are new."""
    distinct, first, places = np.unique(address_numbers, return_index=True, return_inverse=True)
    ranks = np.empty(len(distinct), np.uint32)
    lived_at = np.flatnonzero(distinct)
    ranks[distinct == 0] = 0
    ranks[lived_at[np.argsort(first[lived_at])]] = np.arange(1, len(lived_at) + 1)
    return ranks[places]


def _pairs(pairs: Pairs, amendment: Amendment) -> Iterator[tuple[Keys, Ordinals]]:
    """The content's pairs but those that are otherwise, then those of the keys that changes told."""
    told = np.array(sorted(amendment.keys), f"S{KEY_BYTES}")
    kept_keys = {one: owner.kept_keys for one, owner in amendment.owners.items() if owner.kept_keys is not None}
    limited = np.array(sorted(kept_keys), np.uint32)
    for keys, ordinals in pairs.partitions():
        # Of keys of one length numpy's texts, which end before zeros, are equal where the keys are.
        kept = ~np.isin(np.ascontiguousarray(keys).view(f"S{KEY_BYTES}").reshape(-1), told)
        for place in np.flatnonzero(kept & np.isin(ordinals, limited)).tolist():
            kept[place] = keys[place].tobytes() in kept_keys[int(ordinals[place])]
        yield keys[kept], ordinals[kept]
    led = [(key, ordinal) for key, ordinals in amendment.keys.items() for ordinal in ordinals]
    keys = np.frombuffer(b"".join(key for key, _ in led), np.uint8).reshape(-1, KEY_BYTES)
    yield keys, np.array([ordinal for _, ordinal in led], np.uint32)


def _fact(
    fact: Intervals | Timeline | None, name: str, owners: Mapping[int, AmendedOwner], places: Places
) -> Intervals:
    said = [(ordinal, *span) for ordinal, owner in owners.items() for span in owner.facts.get(name, ())]
    columns = np.array(said, np.uint32).reshape(-1, 3)
    if fact is not None:
        stated = intervals_of(fact) if isinstance(fact, Timeline) else fact
        kept = ~np.isin(stated.ordinals, np.array(sorted(owners), np.uint32))
        rows = np.stack([stated.ordinals[kept], stated.starts[kept], stated.ends[kept]], axis=1)
        columns = np.concatenate([rows, columns])
    columns = columns[places[columns[:, 0]] != _GONE]
    return Intervals(places[columns[:, 0]].astype(np.uint32), columns[:, 1].copy(), columns[:, 2].copy())


def _manifest_of(former: Manifest, content: Content, sequence: int, key: MasterKey, build_instant: int) -> Manifest:
    context = identity_context(key.key_id, former.canonical_version, former.register_date, sequence)
    return replace(
        former,
        snapshot_id=content_digest(content, key.snapshot_secret, context).hex(),
        owners=content.owners,
        counts=count_content(content),
        change_sequence=sequence,
        build_time=format_instant(build_instant),
        report={},
    )
