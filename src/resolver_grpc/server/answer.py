"""What one request came to: the response's bytes, and what the audit is to say of them.

What belongs here: counting what was told. Both ways count alike, each what it wrote itself.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from resolver_grpc.model import Decision, Kind, Query
from resolver_grpc.resolve import Counted

_KINDS: Final = frozenset(map(int, Kind))


@dataclass(slots=True)
class Tally:
    """How often each outcome was told so far.

    Attributes:
        by_kind: queries by the numbers of kind, route and reason.
        targets: how many targets their decisions have.
        counted: what budgets count of them.
    """

    by_kind: dict[tuple[int, int, int], int] = field(default_factory=dict)
    targets: int = 0
    # Each way in an order of its own.
    counted: Counted = field(default_factory=Counted, compare=False)

    @property
    def counts(self) -> dict[tuple[int, int], int]:
        """Queries by the numbers of route and reason."""
        counts: dict[tuple[int, int], int] = {}
        for (_, route, reason), count in self.by_kind.items():
            counts[route, reason] = counts.get((route, reason), 0) + count
        return counts

    def add_decisions(self, queries: Iterable[Query], decisions: Iterable[Decision]) -> None:
        """Counts what the plain way decided, of each query in turn."""
        for query, decision in zip(queries, decisions, strict=True):
            # A kind that nobody knows is none.
            kind = query.kind if query.kind in _KINDS else Kind.UNSPECIFIED
            outcome = kind, decision.route, decision.reason
            self.by_kind[outcome] = self.by_kind.get(outcome, 0) + 1
            self.targets += len(decision.targets)

    def add_counts(self, counts: Mapping[tuple[int, int, int], int], targets: int) -> None:
        """Adds what the kernel counted."""
        # A `Counter` would take as long for it as the kernel for a query.
        for outcome, count in counts.items():
            self.by_kind[outcome] = self.by_kind.get(outcome, 0) + count
        self.targets += targets

    def add_counted(self, misses: bytes, addresses: bytes) -> None:
        """Adds the keys that the kernel gathered, of 16 bytes each."""
        self.counted.misses.append(misses)
        self.counted.addresses.append(addresses)


class Answer(NamedTuple):
    """The answer to one request.

    Attributes:
        response: a ``ResolveBatchResponse`` in wire format.
        sender_id: the sender that was answered.
        shipment_id: the sender's name for the shipment.
        told: what the response tells.
    """

    response: bytes
    sender_id: str
    shipment_id: str
    told: Tally


Steps: TypeAlias = Generator[None, None, Answer]
"""An answer under way: it lets others go first at each step, and returns what it came to."""
