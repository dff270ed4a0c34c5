"""What the audit says of one call, and nothing else.

What belongs here: the record and its shape on disk. It tells who asked for whom and how often which outcome was
told; no name, reference, number, key or handle has a place in it, and a shipment's id stands in it as a keyed hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from resolver_grpc.model import Reason, Route
from resolver_grpc.times import format_instant

Counts: TypeAlias = Mapping[tuple[int, int], int]
"""How many queries of a batch got each route and reason, by the numbers of ``Route`` and ``Reason``."""

Body: TypeAlias = dict[str, object]
"""What a line of the audit says, by field; values are texts, whole numbers, and tables and lists of such."""

_NONE: Final[Counts] = MappingProxyType({})
_OUTCOMES: Final[dict[tuple[int, int], str]] = {
    (route, reason): f"{route.name}/{reason.name}" for route in Route for reason in Reason
}


BATCH: Final = "batch"
CHANGES: Final = "changes"
"""What a record is of: changes that came in one message."""
ACCESS: Final = "access"
"""A data subject's access."""
ERASURE: Final = "erasure"
"""A data subject's erasure."""


class Record(NamedTuple):
    """One call, or message of a stream, answered or refused as a whole: a batch, or what a registrar asked for.

    Attributes:
        judged: the instant that its queries were judged at, in seconds of UTC.
        caller: the name that the caller is known by.
        role: the role that it had.
        snapshot_id: the snapshot that it was answered from.
        change_sequence: the last change that the decisions take account of.
        policy_version: the version of the decision table.
        sender_id: the onboarded sender that it asked for; empty where there is none.
        shipment: the keyed hash of the shipment's id, as ``hash_shipment`` makes it.
        targets: how many targets the response holds: persons and organisations that it told of.
        refusal: why all of it was refused, as the error's reason; empty where it was answered.
        act: what it is of; of what is no batch the next three tell.
        subject: the keyed hash of the owner's number, as ``hash_subject`` makes it; empty where there is none.
        taken: how many changes were taken.
        refused: how many were refused.
        counts: what its queries got.
    """

    judged: int
    caller: str
    role: str
    snapshot_id: str
    change_sequence: int
    policy_version: int
    sender_id: str = ""
    shipment: str = ""
    targets: int = 0
    refusal: str = ""
    act: str = BATCH
    subject: str = ""
    taken: int = 0
    refused: int = 0
    counts: Counts = _NONE


def record_body(record: Record) -> Body:
    """A record as a line of the audit has it."""
    if record.act != BATCH:
        return _registrars_body(record)
    return {
        "type": BATCH,
        "judged": format_instant(record.judged),
        "caller": record.caller,
        "role": record.role,
        "sender": record.sender_id,
        "shipment": record.shipment,
        "counts": {_OUTCOMES[outcome]: count for outcome, count in record.counts.items()},
        "targets": record.targets,
        "snapshot": record.snapshot_id,
        "change_sequence": record.change_sequence,
        "policy_version": record.policy_version,
        "refusal": record.refusal,
    }


def _registrars_body(record: Record) -> Body:
    return {
        "type": record.act,
        "judged": format_instant(record.judged),
        "caller": record.caller,
        "role": record.role,
        "subject": record.subject,
        "taken": record.taken,
        "refused": record.refused,
        "snapshot": record.snapshot_id,
        "change_sequence": record.change_sequence,
        "refusal": record.refusal,
    }
