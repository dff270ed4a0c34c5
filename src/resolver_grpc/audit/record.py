"""What the audit says of one batch, and nothing else.

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


class Record(NamedTuple):
    """One batch, answered or refused as a whole.

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
        refusal: why the whole batch was refused, as the error's reason; empty where it was answered.
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
    counts: Counts = _NONE


def record_body(record: Record) -> Body:
    """A record as a line of the audit has it."""
    return {
        "type": "batch",
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
