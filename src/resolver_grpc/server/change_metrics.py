"""What one process counts of changes, for Prometheus.

What belongs here: their metrics and names; see ``metrics.py``. Labels are the names of events and of reasons.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge


class ChangeMetrics:
    """What one process counts of changes.

    Args:
        registry: where its metrics are registered; each name once.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._sent = Counter(
            "resolver_changes",
            "Changes that were sent, by event and by what became of them: TAKEN, or why they were refused.",
            ["event", "outcome"],
            registry=registry,
        )
        self._sequence = Gauge(
            "resolver_change_sequence",
            "The sequence of the last change that decisions take account of.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._behind = Gauge(
            "resolver_changes_behind",
            "Changes of the log that a process has not laid over its snapshot yet; no batch begins before it has.",
            registry=registry,
            multiprocess_mode="livemax",
        )

    def note_sent(self, changes: Iterable[tuple[str, str]]) -> None:
        """Counts changes that were answered, each by the name of its event, and of its outcome."""
        for labels, count in Tally(changes).items():
            self._sent.labels(*labels).inc(count)

    def note_sequence(self, sequence: int, behind: int) -> None:
        """Notes up to which change decisions take account of them, and how many lie beyond."""
        self._sequence.set(sequence)
        self._behind.set(behind)
