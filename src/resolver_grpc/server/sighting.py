"""What one look at a store sees, cheap enough to be asked every second.

What belongs here: which generation ``CURRENT`` names, and marks of the files by which a change is told. Nothing
is read of a snapshot here, and nothing is judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import INDEX_FILE
from resolver_grpc.snapshot.generations import CURRENT_FILE, current_number, generation_path
from resolver_grpc.snapshot.manifest import MANIFEST_FILE


class Mark(NamedTuple):
    """What tells a file from every other, and from itself before it was changed in any way.

    Attributes:
        device: the file system that it lies on.
        inode: its number there.
        size: in bytes.
        changed: when its content, rights or names last changed, in nanoseconds.
    """

    device: int
    inode: int
    size: int
    changed: int


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a look at a store saw. Two that are equal saw the same, untouched in between.

    Attributes:
        number: the generation that ``CURRENT`` names; 0 where it names none.
        current: the mark of ``CURRENT``; None here and below where there is no such file.
        manifest: the mark of the generation's manifest.
        index: the mark of its index file.
    """

    number: int
    current: Mark | None
    manifest: Mark | None
    index: Mark | None

    def is_of_same_index(self, other: Sighting) -> bool:
        """Tells whether both saw one index file as one generation, whatever became of its rights or names.

        A number alone would not do: where a store was removed and made anew, its numbers begin again.
        """
        if self.number != other.number or self.index is None or other.index is None:
            return False
        return self.index[:2] == other.index[:2]


def sight(store: Path) -> Sighting:
    """Looks at a store; whatever is wrong with it is left to the opening to say."""
    try:
        number = current_number(store)
    except (SnapshotError, OSError):
        number = 0
    generation = generation_path(store, number)
    return Sighting(
        number, mark_of(store / CURRENT_FILE), mark_of(generation / MANIFEST_FILE), mark_of(generation / INDEX_FILE)
    )


def mark_of(path: Path) -> Mark | None:
    """The mark of a file; None where there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return Mark(found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns)
