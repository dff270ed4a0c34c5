"""Metrics: what a process counts, for Prometheus.

What belongs here: the metrics and their names. Labels are the names of routes, reasons, folds and status codes;
nothing of a query, an owner or a sender stands in one. Where they are shown is ``metrics_page.py``'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NoReturn

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from resolver_grpc.fastpath.way import Memory
from resolver_grpc.model import Reason, Route

if TYPE_CHECKING:
    from resolver_grpc.server.budgeting import Budgeting
    from resolver_grpc.server.served import InService, Served

_SECONDS_BETWEEN_LOOKS: Final = 5.0
_BATCH_SIZES: Final = (1, 10, 100, 1_000, 2_500, 5_000, 10_000)
_BATCH_SECONDS: Final = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class Metrics:
    """What one process counts.

    Args:
        registry: where its metrics are registered; each name once.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "resolver_batch_seconds",
            "Seconds from when a batch was taken up to its response, small steps of others in between included.",
            buckets=_BATCH_SECONDS,
            registry=registry,
        )
        self._queries = Counter(
            "resolver_queries", "Queries answered, by route and reason.", ["route", "reason"], registry=registry
        )
        self._sizes = Histogram(
            "resolver_batch_queries", "Queries in a batch.", buckets=_BATCH_SIZES, registry=registry
        )
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
        self._counters: dict[tuple[int, int], Counter] = {}
        self._memories: Mapping[str, Memory] = {}
        self._served: Served | None = None

    def note_batch(self, counts: Mapping[tuple[int, int], int], seconds: float) -> None:
        """Counts a batch that was answered.

        Args:
            counts: how many of its queries got each route and reason, by their numbers.
            seconds: how long it took.
        """
        for outcome, count in counts.items():
            if outcome not in self._counters:
                route, reason = outcome
                self._counters[outcome] = self._queries.labels(Route(route).name, Reason(reason).name)
            self._counters[outcome].inc(count)
        self._sizes.observe(sum(counts.values()))
        self._seconds.observe(seconds)

    def note_refusal(self, code: str) -> None:
        """Counts a call that was refused with a status of gRPC's."""
        self._refused.labels(code).inc()

    def note_over_budget(self, reason: str) -> None:
        """Counts a call that was refused because a budget was used up, by the error's reason."""
        self._over_budget.labels(reason).inc()

    def look(self, served: Served, instant: int) -> None:
        """Looks at what is in service: its age, and how well the words of queries are remembered."""
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
