"""Judging changes: each beside what its owner is after all changes before it, those of the same group included.

What belongs here: a change's message in, an entry of the log or a reason out. When that is done, and what becomes of an
entry, is ``intake.py``'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, TypeAlias

from resolver_grpc.changes.events import Change, Erased, NumberReplaced
from resolver_grpc.changes.log_sealing import Entry
from resolver_grpc.changes.machine import Worked
from resolver_grpc.changes.owner import apply_change
from resolver_grpc.changes.owner_keys import keys_of
from resolver_grpc.changes.parsing import parse_change
from resolver_grpc.changes.reasons import ChangeReason, RefusedChangeError
from resolver_grpc.changes.refusing import refusal
from resolver_grpc.changes.state import OwnerState
from resolver_grpc.model import Fact
from resolver_grpc.server.overlaid import Overlaid
from resolver_grpc.v1.change_pb2 import Change as ChangeMessage

MOST_SECONDS_AHEAD: Final = 366 * 86_400
"""How far ahead a change may be told of: a source that tells of more mistook a unit or a century."""


class Refused(NamedTuple):
    """Why a change isn't taken, and the path of the field."""

    reason: ChangeReason
    field: str


Outcome: TypeAlias = int | Refused
"""The sequence of a change that was taken, or why it wasn't."""
ID_TAKEN: Final = Refused(ChangeReason.CHANGE_ID_TAKEN, "change_id")


@dataclass(frozen=True, slots=True)
class Sent:
    """A change as a source sent it.

    Attributes:
        change_id: the source's name for it.
        content: the bytes that the log keeps.
        read: what it says, or why it can't be read.
    """

    change_id: str = field(repr=False)
    content: bytes = field(repr=False)
    read: Change | Refused

    @property
    def event(self) -> str:
        """The name of its event; empty of one that can't be read."""
        return "" if isinstance(self.read, Refused) else type(self.read.event).__name__


def read_sent(message: ChangeMessage, instant: int, *, may_erase: bool = False) -> Sent:
    """Reads a change.

    Args:
        message: the change.
        instant: now, in seconds of UTC.
        may_erase: whether it may be an erasure, which has an RPC of its own.
    """
    content = message.SerializeToString(deterministic=True)
    try:
        change = parse_change(message)
    except RefusedChangeError as error:
        return Sent(message.change_id, content, Refused(error.reason, error.field))
    if change.instant > instant + MOST_SECONDS_AHEAD:
        path = "effective_day" if message.effective_day else "effective_time"
        return Sent(message.change_id, content, Refused(ChangeReason.INVALID_TIME, path))
    if isinstance(change.event, Erased) and not may_erase:
        return Sent(message.change_id, content, Refused(ChangeReason.INVALID_EVENT, "erased"))
    return Sent(message.change_id, content, change)


class Draft:
    """The owners as they are after the changes of a group so far, each by the changes that name it.

    What changes do to others it doesn't know. A claim that moved away needs not be known: it is looked for where the
    change is laid down, and no change is refused for a claim that still stands. Two mailboxes that met and were closed
    must be.

    Args:
        overlaid: the changes before the group.

    Attributes:
        is_over: whether mailboxes of which it doesn't know were closed, so that no other change may be judged by it.
    """

    def __init__(self, overlaid: Overlaid) -> None:
        self._overlaid = overlaid
        self._states: dict[str, OwnerState] = {}
        # What the machine worked out, by number: of each owner it stands here or its state stands there.
        self._afters: dict[str, bytes] = {}
        self.is_over = False

    def judge(self, sent: Sent) -> Entry | Refused:
        """Takes a change into the draft, or tells why it can't be taken."""
        change = sent.read
        if isinstance(change, Refused):
            return change
        worked = self._worked_out(change)
        if worked is None:
            return self._judge_plainly(sent, change)
        keys, after = worked
        self._afters[change.number] = after
        return Entry(sent.change_id, sent.content, keys, after)

    def _worked_out(self, change: Change) -> Worked | None:
        """What a change comes to by the machine; None where the plain way is to judge it."""
        if change.number in self._states:
            return None
        return self._overlaid.work_out(change, self._afters.get(change.number))

    def _judge_plainly(self, sent: Sent, change: Change) -> Entry | Refused:
        before = self._state(change.number)
        reason = refusal(before, change)
        if reason:
            return Refused(reason, _PATHS.get(reason, "number"))
        after = apply_change(before, change)
        self.is_over = isinstance(change.event, NumberReplaced) and self._has_mailbox(
            change.event.current_number, before
        )
        self._note(after)
        keys = keys_of(after, self._overlaid.keys)
        # What a change before it in the group did to others is not known here: whoever follows looks for that.
        return Entry(sent.change_id, sent.content, keys, self._overlaid.after(change, after, keys))

    def _note(self, state: OwnerState) -> None:
        numbers = (state.number, *state.old_numbers)
        self._states |= dict.fromkeys(numbers, state)
        for number in numbers:
            self._afters.pop(number, None)

    def _has_mailbox(self, number: str, owner: OwnerState | None) -> bool:
        """Whether a number leads to a mailbox of somebody else than an owner."""
        found = self._state(number)
        if found is None or Fact.MAILBOX not in found.facts:
            return False
        return owner is None or found.number not in {owner.number, *owner.old_numbers}

    def _state(self, number: str) -> OwnerState | None:
        drafted = self._drafted(number)
        if drafted:
            return drafted
        found = self._overlaid.state(number)
        drafted = self._drafted(found.number) if found else None
        if found and drafted:
            # An old number that nobody had asked for yet.
            olds = tuple(sorted({*drafted.old_numbers, *found.old_numbers}))
            return replace(drafted, old_numbers=olds)
        return found

    def _drafted(self, number: str) -> OwnerState | None:
        """An owner after the changes of the group that touched it; None where none did."""
        after = self._afters.get(number)
        return self._overlaid.state_in(after) if after else self._states.get(number)


def judge_group(changes: Iterable[Sent], found: Iterable[Outcome | None], draft: Draft) -> Iterator[Outcome | Entry]:
    """Judges changes one after the other.

    Args:
        changes: the group.
        found: of each what the log knows of its id: its sequence, that it is another's, or nothing.
        draft: the owners before the group.

    Yields:
        For each change what is known of it, why it is refused, or the entry to be written; one that comes twice has
        the same entry. Of those behind one after which the draft is over nothing: they are the next group's.
    """
    entries: dict[str, Entry] = {}
    for sent, known in zip(changes, found, strict=True):
        if draft.is_over:
            return
        entry = entries.get(sent.change_id)
        if known is not None:
            yield known
        elif entry:
            yield entry if entry.content == sent.content else ID_TAKEN
        else:
            judged = draft.judge(sent)
            if isinstance(judged, Entry):
                entries[sent.change_id] = judged
            yield judged


_PATHS: Final = {
    ChangeReason.CONTRADICTORY_NUMBER: "number_replaced.current_number",
    ChangeReason.NO_OPT_OUT: "opt_out_cancelled.sender_id",
    ChangeReason.OPT_OUT_IN_FORCE: "opt_out_cancelled.sender_id",
    ChangeReason.NO_FORWARDING: "forwarding_changed",
}
"""The field that a change is refused for; of others the number."""
