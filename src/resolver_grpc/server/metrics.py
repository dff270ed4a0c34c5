"""Metrics: what a process counts, for Prometheus.

What belongs here: the metrics and their names. Labels are the names of routes, reasons, folds and status codes;
nothing of a query, an owner or a sender stands in one. What is counted for every batch lies in ``sums.py``'s plain
numbers; where all of it is shown is ``metrics_page.py``'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NoReturn

from prometheus_client import CollectorRegistry, Counter, Gauge

from resolver_grpc.fastpath.way import Memory
from resolver_grpc.server import sums
from resolver_grpc.server.change_metrics import ChangeMetrics
from resolver_grpc.server.sums import Outcome, Stage, SumsCollector

if TYPE_CHECKING:
    from resolver_grpc.server.budgeting import Budgeting
    from resolver_grpc.server.in_service import InService
    from resolver_grpc.server.served import Served

_SECONDS_BETWEEN_LOOKS: Final = 5.0


class Metrics:
    """What one process counts.

    Args:
        registry: where its metrics are registered; each name once.

    Attributes:
        changes: what it counts of changes.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._sums = sums.open_sums()
        registry.register(SumsCollector(lambda: [self._sums]))
        self._refused = Counter("resolver_refused_calls", "Calls refused, by gRPC status.", ["code"], registry=registry)
        self._remembered = Counter(
            "resolver_words_remembered",
            "Words whose form the fast way remembered, by fold.",
            ["fold"],
            registry=registry,
        )
        self._asked = Counter(
            "resolver_words_asked",
            "Words whose form the fast way had to ask for, by fold.",
            ["fold"],
            registry=registry,
        )
        self._places = Gauge(
            "resolver_word_places",
            "Words that the fast way has room for in one process, by fold.",
            ["fold"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._snapshot_age = Gauge(
            "resolver_snapshot_age_seconds",
            "Seconds since the snapshot in service was built.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._register_age = Gauge(
            "resolver_register_age_seconds",
            "Seconds since the beginning of the register date of the snapshot in service.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._generation = Gauge(
            "resolver_generation",
            "The generation in service; 0 for a snapshot that stands in no store.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._over_budget = Counter(
            "resolver_over_budget_calls",
            "Calls refused because a sender had used up a budget, by which.",
            ["reason"],
            registry=registry,
        )
        self._budget_share = Gauge(
            "resolver_budget_share",
            "The share of a daily budget that is used up, of the sender who used up most of one.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.changes = ChangeMetrics(registry)
        self._memories: Mapping[str, Memory] = {}
        self._served: Served | None = None

    def note_batch(self, counts: Mapping[tuple[int, int, int], int], seconds: float) -> None:
        """Counts a batch that was answered.

        Args:
            counts: how many of its queries of each kind got each route and reason, by their numbers.
            seconds: how long it took.
        """
        own, places, queries = self._sums, sums.QUERIES.places, 0
        for outcome, count in counts.items():
            own[places[outcome]] += count
            queries += count
        sums.BATCH_QUERIES.observe(own, queries)
        sums.BATCH_SECONDS.observe(own, seconds)

    def note_stage(self, stage: Stage, seconds: float) -> None:
        """Counts how long a stage of a batch took."""
        sums.STAGE_SECONDS.observe(self._sums, seconds, stage)

    def note_audit_write(self, records: int, seconds: float, *, is_written: bool) -> None:
        """Counts a write of the audit.

        Args:
            records: how many it was to hold; none for a mere checkpoint.
            seconds: how long it took.
            is_written: whether it is on the disk.
        """
        sums.AUDIT_SECONDS.observe(self._sums, seconds)
        if is_written:
            sums.AUDIT_RECORDS.add(self._sums, records)
        else:
            sums.AUDIT_FAILURES.add(self._sums, 1)

    def note_generation(self, outcome: Outcome) -> None:
        """Counts a new live generation."""
        sums.GENERATIONS.add(self._sums, 1, outcome)

    def note_refusal(self, code: str) -> None:
        """Counts a call that was refused with a status of gRPC's."""
        self._refused.labels(code).inc()

    def note_over_budget(self, reason: str) -> None:
        """Counts a call that was refused because a budget was used up, by the error's reason."""
        self._over_budget.labels(reason).inc()

    def look(self, served: Served, instant: int) -> None:
        """Looks at what is in service: its age, and how well the words of queries are remembered."""
        self._snapshot_age.set(instant - served.built)
        self._register_age.set(instant - served.valid_from)
        self._generation.set(served.generation)
        memories = served.memories()
        # Another snapshot's memories begin at nothing.
        known = self._memories if served is self._served else {}
        for fold, memory in memories.items():
            former = known.get(fold, Memory(memory.places, 0, 0))
            self._remembered.labels(fold).inc(memory.hits - former.hits)
            self._asked.labels(fold).inc(memory.misses - former.misses)
            self._places.labels(fold).set(memory.places)
        self._served, self._memories = served, memories

    async def watch(
        self, in_service: InService, clock: Callable[[], int], budgets: Budgeting | None = None
    ) -> NoReturn:
        """Looks at what is in service, and at the budgets, again and again, until cancelled."""
        while True:
            self.look(in_service.served, clock())
            if budgets:
                self._budget_share.set(budgets.highest_share())
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
