"""The decision table as a role is told it, run once for a sender over all facts and kept as bytes: a decision is then
an index away.

What belongs here: the layout of that index, and the compiling. No rule: every route and reason comes from
``table`` by way of ``disclosure``. What is left out because no row looks at it (``_telling``) is a shortcut, which a
test that enumerates all facts holds against the table.

The facts of a query and of its one owner are a number of 13 bits, the *code*:

| bits | what | values |
| --- | --- | --- |
| 0 | the owner is exempt from digital post | ``EXEMPT`` |
| 1 | the owner opted out of the sender | ``OPTED_OUT`` |
| 2 | an agreement with the sender requires the mailbox | ``BOUND`` |
| 3 | the owner subscribes to the sender | ``SUBSCRIBED`` |
| 4 | an organisation's forwarding is in force | ``FORWARDING`` |
| 5-6 | candidates, from ``CANDIDATES_SHIFT`` on | numbers of ``Candidates``; the unused 3 gets what SEVERAL gets |
| 7 | a letter could be sent | ``CAN_BE_POSTED`` |
| 8-10 | the query's kind, from ``KIND_SHIFT`` on | numbers of ``Kind``; 0 gets INVALID_KIND |
| 11 | the address as text leads to several roads | ``SEVERAL_ROADS``; counts for ADDRESS only |
| 12 | the letters hold personal content | ``PERSONAL_CONTENT``; counts for ADDRESS only |

A query that can't be read has no code: it is refused before, with its own reason; nor has one with a handle, whose
rows hang on the kind that the handle came from. Whoever finds owners by
other means (a kernel) is handed these constants and the bytes, and knows no rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from resolver_grpc.model import Kind, Reason, Role, Sender
from resolver_grpc.policy.disclosure import tells_numbers, tells_targets, told
from resolver_grpc.policy.table import Candidates, Facts, reaches_resident

EXEMPT: Final = 1 << 0
OPTED_OUT: Final = 1 << 1
BOUND: Final = 1 << 2
SUBSCRIBED: Final = 1 << 3
FORWARDING: Final = 1 << 4
CANDIDATES_SHIFT: Final = 5
CAN_BE_POSTED: Final = 1 << 7
KIND_SHIFT: Final = 8
SEVERAL_ROADS: Final = 1 << 11
PERSONAL_CONTENT: Final = 1 << 12

OWNER_CODES: Final = 1 << 5
"""How many codes the five flags of an owner make."""

CODES: Final = 1 << 13
"""How many codes there are."""

TELLS_HANDLE: Final = 1 << 0
TELLS_NUMBER: Final = 1 << 1

_OWNER_MASK = OWNER_CODES - 1
_CANDIDATES_MASK = 3
_KIND_MASK = 7


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """The decision table of one sender as one role is told it, each ``bytes`` an array of one byte per code.

    Attributes:
        routes: the number of the ``Route`` by code; ``CODES`` long.
        reasons: the number of the ``Reason`` by code; ``CODES`` long.
        reaches_resident: whether an ADDRESS query reaches a resident, 1 or 0, by the owner's five flags
            alone; ``OWNER_CODES`` long. An ADDRESS query's own code then carries no flags, and as candidates
            SEVERAL if anybody is reached, else NONE.
        targets: what is told of each target, by the number of the ``Kind``: 0 for a decision without targets, else
            ``TELLS_HANDLE``, with ``TELLS_NUMBER`` where the number is told, too.
    """

    routes: bytes
    reasons: bytes
    reaches_resident: bytes
    targets: bytes


def code_of(facts: Facts) -> int:
    """The code of these facts: the layout, said in Python.

    Args:
        facts: of a query that could be read (``unreadable`` is none) and has no handle (``came_from`` is none).

    Returns:
        A number below ``CODES``, another one for other facts.
    """
    assert facts.unreadable is None
    assert facts.came_from is None
    return (
        EXEMPT * facts.exempt
        | OPTED_OUT * facts.opted_out
        | BOUND * facts.bound
        | SUBSCRIBED * facts.subscribed
        | FORWARDING * facts.forwarding
        | facts.candidates << CANDIDATES_SHIFT
        | CAN_BE_POSTED * facts.can_be_posted
        | facts.kind << KIND_SHIFT
        | SEVERAL_ROADS * facts.several_roads
        | PERSONAL_CONTENT * facts.personal_content
    )


def compile_policy(sender: Sender, role: Role) -> CompiledPolicy:
    """Runs the decision table (domain rules, section 7) over all facts for one sender and one role.

    Takes milliseconds: meant to be done once for each sender and role, and kept.

    Args:
        sender: whose table it is; the result holds for equal senders.
        role: the caller's.

    Returns:
        What ``told`` and ``reaches_resident`` say, for every code.
    """
    telling = _telling_codes()
    outcomes = {code: told(_facts_of(code), sender, role) for code in set(telling)}
    residents = (_facts_of(Kind.ADDRESS << KIND_SHIFT | owner) for owner in range(OWNER_CODES))
    return CompiledPolicy(
        routes=bytes([outcomes[code].route for code in telling]),
        reasons=bytes([outcomes[code].reason for code in telling]),
        reaches_resident=bytes([reaches_resident(resident, sender) for resident in residents]),
        targets=bytes([_told_of_target(kind, role) for kind in Kind]),
    )


def _told_of_target(kind: Kind, role: Role) -> int:
    if not tells_targets(kind, role):
        return 0
    return TELLS_HANDLE | TELLS_NUMBER if tells_numbers(role) else TELLS_HANDLE


@cache
def _telling_codes() -> tuple[int, ...]:
    """For each code the one that stands for it; the same for all senders."""
    return tuple(_telling(code) for code in range(CODES))


def _telling(code: int) -> int:
    """The code without what no row of the table looks at, so that equal decisions are made once."""
    kind = code >> KIND_SHIFT & _KIND_MASK
    if kind == Kind.UNSPECIFIED:
        return 0
    candidates = min(code >> CANDIDATES_SHIFT & _CANDIDATES_MASK, Candidates.SEVERAL)
    code = code & ~(_CANDIDATES_MASK << CANDIDATES_SHIFT) | candidates << CANDIDATES_SHIFT
    if kind == Kind.ADDRESS:
        return code
    code &= ~(SEVERAL_ROADS | PERSONAL_CONTENT)
    return code if candidates == Candidates.ONE else code & ~_OWNER_MASK


def _facts_of(code: int) -> Facts:
    """The facts that ``code_of`` gives this code; a query without a kind is one that can't be read."""
    kind = Kind(code >> KIND_SHIFT & _KIND_MASK)
    return Facts(
        kind,
        can_be_posted=bool(code & CAN_BE_POSTED),
        unreadable=Reason.INVALID_KIND if kind is Kind.UNSPECIFIED else None,
        personal_content=bool(code & PERSONAL_CONTENT),
        several_roads=bool(code & SEVERAL_ROADS),
        candidates=Candidates(code >> CANDIDATES_SHIFT & _CANDIDATES_MASK),
        exempt=bool(code & EXEMPT),
        opted_out=bool(code & OPTED_OUT),
        bound=bool(code & BOUND),
        subscribed=bool(code & SUBSCRIBED),
        forwarding=bool(code & FORWARDING),
    )
