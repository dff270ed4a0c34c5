"""What the records of some days add up to: what was told to whom, which a breach report needs.

What belongs here: sums over records that were verified.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from resolver_grpc.audit.record import Body


class Asker(NamedTuple):
    """Who was told: a sender's caller in a role."""

    sender: str
    caller: str
    role: str


@dataclass(slots=True)
class Totals:
    """Sums by who asked.

    Attributes:
        first_day: the first day ``YYYY-MM-DD`` (UTC) that counts; empty for all.
        last_day: the last one; empty for all.
        sender: the one sender that counts; empty for all.
        batches: answered ones.
        refused: refused ones, by reason.
        outcomes: queries by ``ROUTE/REASON``.
        targets: persons and organisations told of; one that was told of twice counts twice.
    """

    first_day: str = ""
    last_day: str = ""
    sender: str = ""
    batches: Counter[Asker] = field(default_factory=Counter)
    refused: Counter[tuple[Asker, str]] = field(default_factory=Counter)
    outcomes: Counter[tuple[Asker, str]] = field(default_factory=Counter)
    targets: Counter[Asker] = field(default_factory=Counter)

    def add(self, body: Body) -> None:
        """Adds a record, if it counts."""
        day = str(body["time"])[:10]
        if day < self.first_day or (self.last_day and day > self.last_day):
            return
        asker = Asker(str(body["sender"]), str(body["caller"]), str(body["role"]))
        if self.sender and asker.sender != self.sender:
            return
        if refusal := body["refusal"]:
            self.refused[asker, str(refusal)] += 1
            return
        self.batches[asker] += 1
        counts, targets = body["counts"], body["targets"]
        assert isinstance(counts, dict)
        assert isinstance(targets, int)
        self.targets[asker] += targets
        for outcome, count in counts.items():
            self.outcomes[asker, outcome] += count
