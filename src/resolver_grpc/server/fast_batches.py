"""A request's bytes to a response's bytes, the fast way: the kernel decides what it can, the plain way the rest.

What is unusual about the whole request is the plain way's, too: it words every refusal. Both give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from resolver_grpc.errors import BudgetFileError, OverBudgetError, ResolverError
from resolver_grpc.fastpath.way import FastWay
from resolver_grpc.model import Query, Role, Sender
from resolver_grpc.policy.disclosure import MISSES
from resolver_grpc.server.answer import Answer, Steps, Tally
from resolver_grpc.server.batch import (
    MAX_QUERIES,
    QUERIES_AT_ONCE,
    Batches,
    MayActFor,
    decision_row,
    finish,
    for_any_sender,
    parse_message,
)
from resolver_grpc.server.counting import frame_queries
from resolver_grpc.server.metering import UNMETERED, Meter
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest

if TYPE_CHECKING:
    from resolver_grpc.fastpath._kernel import Batch

_REASONS: Final = 128
_MISSED: Final = bytes(reason in MISSES for reason in range(_REASONS))


class FastBatches:
    """Answers requests from one snapshot.

    Args:
        plain: answers the plain way.
        way: the fast way through the same snapshot's index.
    """

    def __init__(self, plain: Batches, way: FastWay) -> None:
        self.plain = plain
        self.way = way

    @property
    def as_of(self) -> int | None:
        """The instant that everything is judged at, where a past day is replayed."""
        return self.plain.as_of

    @property
    def senders(self) -> Mapping[str, Sender]:
        """The onboarded senders by id."""
        return self.plain.senders

    def answer(self, request: bytes, instant: int, *, role: Role = Role.DELIVERY) -> bytes:
        """Resolves one request at once, in any sender's name, and gives the response; see ``Batches``."""
        return finish(self.steps(request, instant, for_any_sender, role)).response

    def steps(
        self, request: bytes, instant: int, may_act_for: MayActFor, role: Role, meter: Meter = UNMETERED
    ) -> Steps:
        """Resolves one request, some queries at a time; see ``Batches``."""
        batch = self.way.batch(request, MAX_QUERIES)
        sender = self.senders.get(batch.sender_id.decode()) if batch.usual else None
        if sender and may_act_for(sender.id):
            try:
                return (yield from self._resolve(batch, sender, role, instant, meter))
            except (OverBudgetError, BudgetFileError):
                raise
            except ResolverError:
                pass
        # A request that is to be refused, and what is refused in it first, is the plain way's.
        return (yield from self.plain.steps(request, instant, may_act_for, role, meter))

    def _resolve(self, batch: Batch, sender: Sender, role: Role, instant: int, meter: Meter) -> Steps:
        self.plain.check_sequence(batch.at_least_sequence)
        self.plain.resolver.check_instant(instant)
        meter.admit(sender, batch.count)
        written: list[bytes] = []
        told = Tally()
        done = 0
        while done < batch.count:
            if done:
                yield
            # Changes may have been taken since the last slice: a row is decided as of one state of things.
            judge = self.way.judge(sender, instant, personal_content=batch.personal_content, role=role)
            rows, left = self.way.run(batch, judge, done)
            others: dict[int, bytes] = {}
            for first in range(0, len(left), QUERIES_AT_ONCE):
                if first:
                    yield
                some = left[first : first + QUERIES_AT_ONCE]
                others |= zip(some, self._plainly(batch, some, sender, role, instant, told), strict=True)
            handles = self.way.handles.encipher(sender.id, batch.handle_blocks())
            written.append(batch.write(judge, others, handles))
            told.add_counts(*batch.counts())
            told.add_counted(*batch.counted(_MISSED))
            done += rows
        meter.settle(sender, told.counted)
        # What a response says beside its decisions, it ends with.
        response = b"".join([*written, self.plain.response().SerializeToString()])
        return Answer(response, sender.id, batch.shipment_id.decode(), told)

    def _plainly(  # noqa: PLR0913, PLR0917 - what the plain way is asked with, and where it counts
        self, batch: Batch, rows: Sequence[int], sender: Sender, role: Role, instant: int, told: Tally
    ) -> list[bytes]:
        request = frame_queries([batch.row(row) for row in rows])
        queries: Sequence[Query] = parse_message(ResolveBatchRequest, request).queries
        decisions = self.plain.resolver.resolve(
            queries, sender, instant, personal_content=batch.personal_content, role=role, counted=told.counted
        )
        told.add_decisions(queries, decisions)
        return [decision_row(*pair).SerializeToString() for pair in zip(queries, decisions, strict=True)]
