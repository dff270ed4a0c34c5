"""Changes of the usual mix, of owners of a snapshot: what the benchmarks of changes are fed with.

What belongs here: which events there are how often, and their fields. The homes are made up: who moves comes to live
where nobody of the snapshot does, most of the time.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, overload

from google.protobuf.timestamp_pb2 import Timestamp

from resolver_grpc.errors import ConfigurationError
from resolver_grpc.rows.cells import is_cpr
from resolver_grpc.v1 import change_pb2 as pb

if TYPE_CHECKING:
    from resolver_grpc.index.reader import Index

ROUND = 20
"""The mix is that of so many changes: 4 consents, 4 logins, 6 relations, 4 moves, a verification and a closing."""

_NAMES = "anne bo carl dorte erik fie gert hanne ib jane karl lis mads nina ole pia rikke sune tina uffe".split()
_SENDERS = 40
_SECONDS_BACK = 40_000


class Persons(Sequence[str]):
    """The CPR numbers of a snapshot's persons, each read when it is asked for: of millions few bytes are held.

    Raises:
        ConfigurationError: there are none.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._ordinals = array("I", (one for one in range(index.owners) if is_cpr(index.number(one))))
        if not self._ordinals:
            raise ConfigurationError("the snapshot has no persons; name one of a country")

    def __len__(self) -> int:
        return len(self._ordinals)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self._index.number(ordinal) for ordinal in self._ordinals[place]]
        return self._index.number(self._ordinals[place])


def draw_changes(numbers: Sequence[str], count: int, instant: int, seed: int) -> Iterator[pb.Change]:
    """Draws changes of persons, each of whom changes once if there are enough; equal arguments give equal changes.

    Args:
        numbers: the CPR numbers to draw from.
        count: how many changes.
        instant: they took effect within half a day before it.
        seed: what the draw follows from.
    """
    dice = random.Random(seed)  # noqa: S311 - a choice of test data
    order = array("I", dice.sample(range(len(numbers)), min(count, len(numbers))))
    for place in range(count):
        number = numbers[order[place % len(order)]]
        effective = Timestamp(seconds=instant - 1 - place % _SECONDS_BACK)
        change = pb.Change(change_id=f"feed-{seed}-{place:012}", number=number, effective_time=effective)
        _fill(change, place, dice)
        yield change


def _fill(change: pb.Change, place: int, dice: random.Random) -> None:
    """Says what happened."""
    kind = place % ROUND
    if kind < 4:  # noqa: PLR2004 - the mix, as it stands above
        change.address_consent_given.person.CopyFrom(_person(dice))
        change.address_consent_given.evidence_reference = f"archive/{place}"
    elif kind < 8:  # noqa: PLR2004
        change.logged_in.SetInParent()
    elif kind < 14:  # noqa: PLR2004
        event = (change.subscribed, change.opted_out, change.bound)[place % 3]
        event.sender_id = f"afsender-{1 + place % _SENDERS:02}"
    elif kind < 18:  # noqa: PLR2004
        change.moved.person.CopyFrom(_person(dice))
    elif kind == 18:  # noqa: PLR2004
        change.email_verified.email_address = f"anne{place}@post.dk"
    else:
        change.mailbox_closed.SetInParent()


def _person(dice: random.Random) -> pb.Person:
    first, middle, last = dice.choices(_NAMES, k=3)
    return pb.Person(
        status="01",
        full_name=f"{first} {middle} {last}sen",
        municipality_code=f"{dice.randrange(101, 860):04}",
        road_code=f"{dice.randrange(1, 2_000):04}",
        short_street_name=f"{dice.choice(_NAMES)}vej {dice.choice(_NAMES)}",
        house_number=str(dice.randrange(1, 200)),
        floor=str(dice.randrange(1, 5)),
        door=dice.choice(["tv", "th"]),
        postal_code=str(dice.randrange(1_000, 9_990)),
    )
