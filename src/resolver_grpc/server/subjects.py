"""A data subject's access and erasure: by number, on record before they are answered.

What belongs here: finding what is held of an owner, and having an owner erased. What it is called is
``owner_report.py``'s, who may ask is the gate's.
"""

from __future__ import annotations

import asyncio
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.changes.reasons import ChangeReason
from resolver_grpc.changes.state import OwnerState
from resolver_grpc.errors import ChangeIdTakenError, InvalidNumberError, MalformedRequestError, UnknownOwnerError
from resolver_grpc.index.layout import ALWAYS
from resolver_grpc.model import Fact
from resolver_grpc.rows.cells import parse_owner_number
from resolver_grpc.server.in_service import InService
from resolver_grpc.server.intake import Intake
from resolver_grpc.server.judging import Refused, read_sent
from resolver_grpc.server.owner_report import report_owner
from resolver_grpc.v1.change_pb2 import Change, Erased
from resolver_grpc.v1.change_service_pb2 import (
    EraseOwnerRequest,
    EraseOwnerResponse,
    GetOwnerRequest,
    GetOwnerResponse,
    SequencedChange,
)

_NOTHING: Final = "nothing is held of the owner of that number; check the number"


def read_number(request: GetOwnerRequest | EraseOwnerRequest) -> str:
    """Reads the number that is asked about.

    Raises:
        InvalidNumberError: it is none.
    """
    try:
        return parse_owner_number(request.number)
    except ValueError:
        raise InvalidNumberError("the number is no CPR or CVR number; check it") from None


async def tell_of(number: str, log: ChangeLog, in_service: InService) -> GetOwnerResponse:
    """Tells all that is held of an owner.

    Args:
        number: the owner's, or one that leads to it.
        log: where the owner's changes stand.
        in_service: what they are laid over.

    Raises:
        ChangeLogError: the log can't be read.
        UnknownOwnerError: nothing is held.
    """
    with in_service.batch() as served:
        assert served.overlaid, "a server that tells of owners has a log"
        async with served.batch():
            sequence, state = served.change_sequence, served.overlaid.state(number)
        if state is None or not _is_held(state):
            raise UnknownOwnerError(_NOTHING)
        numbers = {number, state.number, *state.old_numbers}
        changes = await asyncio.to_thread(_changes_of, numbers, log, sequence)
        return report_owner(state, changes, served.snapshot.manifest.snapshot_id, sequence)


async def erase(request: EraseOwnerRequest, number: str, intake: Intake) -> EraseOwnerResponse:
    """Erases an owner.

    Args:
        request: names the erasure.
        number: the owner's, or one that leads to it.
        intake: takes the change.

    Raises:
        ChangeIdTakenError: another change has its name.
        ChangeLogError: it can't be written.
        MalformedRequestError: it has no name, or too long a one.
        UnknownOwnerError: nothing is held.
    """
    # The same request is the same change whenever it is sent, and it counts from the beginning of time on.
    change = Change(
        change_id=request.change_id, number=number, effective_time=Timestamp(seconds=ALWAYS), erased=Erased()
    )
    (outcome,) = await (await intake.send([read_sent(change, ALWAYS, may_erase=True)]))
    if not isinstance(outcome, Refused):
        return EraseOwnerResponse(sequence=outcome)
    if outcome.reason is ChangeReason.UNKNOWN_OWNER:
        raise UnknownOwnerError(_NOTHING)
    if outcome.reason is ChangeReason.CHANGE_ID_TAKEN:
        raise ChangeIdTakenError("Another change has this id; give each change its own.")
    raise MalformedRequestError("change_id must hold 1 to 64 bytes")


def _is_held(state: OwnerState) -> bool:
    return Fact.MAILBOX in state.facts


def _changes_of(numbers: set[str], log: ChangeLog, last: int) -> list[SequencedChange]:
    """The changes of an owner by any of its numbers, up to a sequence."""
    found = []
    for read in log.read_from(log.first_sequence()):
        if read.sequence > last:
            break
        change = Change.FromString(read.content)
        named = [change.number, change.number_replaced.current_number]
        if not numbers.isdisjoint(parse_owner_number(number) for number in named if number):
            found.append(SequencedChange(sequence=read.sequence, change=change))
    return found
