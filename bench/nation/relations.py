"""The relations between a country's owners and its senders.

What belongs here: the plan of the relations table as one sorted array, and its columns. The rows come sender
by sender, as each sender's list would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nation.columns import instants, texts
from nation.drawing import SECONDS_OF_A_DAY, Integers, Random, day_number, distinct, draw_between, pick, pick_zipf
from nation.mailboxes import owner_numbers
from resolver_grpc.build.population.senders import SENDERS

if TYPE_CHECKING:
    from nation.columns import Column
    from nation.mailboxes import Mailboxes

SENDER_IDS = (*(sender.id for sender in SENDERS), *(f"afsender-{number:02}" for number in range(1, 25)))
RELATIONS = ("SUBSCRIBED", "BOUND", "OPTED_OUT")
_WEIGHTS = (0.93, 0.05, 0.02)
_SPARE = 1.04
_FIRST_DAY, _LAST_DAY = day_number("2015-01-01"), day_number("2026-11-20")


@dataclass(frozen=True, slots=True)
class Relations:
    """The relations: who (a place among the mailboxes), with whom and which (places in lists), since when."""

    mailbox: Integers
    sender: Integers
    relation: Integers
    effective: Integers


def make_relations(rng: Random, mailboxes: int) -> Relations:
    """Makes about one relation for each mailbox; none stands twice."""
    count = int(mailboxes * _SPARE)
    sender = pick_zipf(rng, len(SENDER_IDS), count, flat=1.0)
    relation = pick(rng, _WEIGHTS, count)
    owner = rng.integers(0, mailboxes, count)
    codes = distinct((sender.astype(np.int64) * len(RELATIONS) + relation) * mailboxes + owner)
    which, owner = np.divmod(codes, mailboxes)
    return Relations(
        mailbox=owner.astype(np.int32),
        sender=(which // len(RELATIONS)).astype(np.int32),
        relation=(which % len(RELATIONS)).astype(np.int32),
        effective=draw_between(rng, _FIRST_DAY, _LAST_DAY, len(codes)) * SECONDS_OF_A_DAY,
    )


def relation_columns(relations: Relations, mailboxes: Mailboxes, chosen: slice) -> dict[str, Column]:
    """Rows of the relations table."""
    return {
        "number": owner_numbers(mailboxes, relations.mailbox[chosen]),
        "sender_id": texts(SENDER_IDS, relations.sender[chosen]),
        "relation": texts(RELATIONS, relations.relation[chosen]),
        "effective_time": instants(relations.effective[chosen]),
    }
