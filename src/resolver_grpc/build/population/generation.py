"""A whole population, block after block: people, mailboxes, relations, roads, and judged queries.

What belongs here: the order of things. Each block is made, spoiled, asked about and let go, so that memory
holds the plan of the roads and one block. The same settings give the same rows and
queries, and the people are the same however many queries there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import TYPE_CHECKING

from resolver_grpc.build.population.bad_rows import BlockRows, Spoiler
from resolver_grpc.build.population.brute_force import World, decide
from resolver_grpc.build.population.calendar_pool import HORIZON_DAYS, make_time_pool
from resolver_grpc.build.population.dates import COPENHAGEN, midnight
from resolver_grpc.build.population.households import CellRow, HouseholdMaker
from resolver_grpc.build.population.mailbox_making import MailboxMaker
from resolver_grpc.build.population.narrowing import Territory
from resolver_grpc.build.population.number_making import NumberMaker
from resolver_grpc.build.population.places import Block, RoadPlan
from resolver_grpc.build.population.query_making import AskedBy, QueryMaker
from resolver_grpc.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolver_grpc.model import Decision

NOON = time(hour=12)
# Reading a block costs as much as judging many queries, so that few queries leave most blocks unread.
QUERIES_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Settings:
    """What a population is made from.

    Attributes:
        persons: how many people; the rows of replaced numbers and some bad ones come on top.
        queries: how many queries.
        seed: what everything random follows from.
        register_date: the register's day.
        as_of: the instant that the queries are judged at; within the horizon.
    """

    persons: int
    queries: int
    seed: int
    register_date: date
    as_of: datetime

    def __post_init__(self) -> None:
        end = midnight(self.register_date + timedelta(days=HORIZON_DAYS))
        if self.persons < 1 or self.queries < 0:
            raise ConfigurationError("A population needs at least one person: raise the number of persons.")
        if not midnight(self.register_date) <= self.instant < end:
            raise ConfigurationError(
                f"The instant of judging must lie within {HORIZON_DAYS} days from the register's day on: move it there."
            )

    @property
    def instant(self) -> int:
        """The instant of judging in UTC seconds."""
        return int(self.as_of.timestamp())


@dataclass(frozen=True, slots=True)
class Judged:
    """A query and what should become of it."""

    asked: AskedBy
    expected: Decision


@dataclass(frozen=True, slots=True)
class Part:
    """One block's rows and the queries about it."""

    rows: BlockRows
    judged: list[Judged]


def noon(day: date) -> datetime:
    """Return noon, Danish time, of a day."""
    return datetime.combine(day, NOON, COPENHAGEN).astimezone(UTC)


class Population:
    """Makes the parts of a population in order; to be gone through once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._rng = Random(settings.seed)  # noqa: S311 - made-up people, no secrets
        times = make_time_pool(settings.register_date, settings.as_of)
        self._numbers = NumberMaker(self._rng)
        self._households = HouseholdMaker(self._rng, self._numbers, times)
        self._mailboxes = MailboxMaker(self._rng, self._numbers, times)
        self._spoiler = Spoiler(self._rng, self._numbers)
        self._queries = QueryMaker(Random(f"{settings.seed} queries"))  # noqa: S311 - apart: the people don't depend on the queries
        self._plan = RoadPlan(self._rng, settings.persons)
        self._asked = 0

    def parts(self) -> Iterator[Part]:
        """Yield the population part by part."""
        living = 0
        for block in self._plan.blocks:
            rows = self._make_rows(block)
            living += block.size
            due = self._settings.queries * living // self._settings.persons
            is_asked_about = due - self._asked >= QUERIES_AT_ONCE or block is self._plan.blocks[-1]
            yield Part(rows, self._judge(block, rows, due) if is_asked_about else [])

    def _make_rows(self, block: Block) -> BlockRows:
        persons = self._households.fill(block)
        mailboxes, relations = self._mailboxes.fill(persons)
        roads = [_road_row(block, place) for place in range(len(block.roads))] if block.in_table else []
        rows = BlockRows(persons, mailboxes, relations, roads)
        self._spoiler.spoil(rows)
        return rows

    def _judge(self, block: Block, rows: BlockRows, due: int) -> list[Judged]:
        """Ask about a block until ``due`` queries exist, and judge each by the block's rows alone."""
        settings, judged = self._settings, []
        world = World(rows.persons, rows.mailboxes, rows.relations, rows.roads, settings.register_date)
        territory = Territory(self._plan, block.index, world)
        self._queries.turn_to(block, world, settings.instant)
        while self._asked < due:
            asked = self._queries.make(f"q-{self._asked:08d}")
            if territory.holds(asked.query):
                self._asked += 1
                expected = decide(asked.query, asked.sender, world, settings.instant, asked.personal_content)
                judged.append(Judged(asked, expected))
        return judged


def _road_row(block: Block, place: int) -> CellRow:
    road = block.roads[place]
    return {
        "municipality_code": road.municipality,
        "road_code": road.code,
        "name": road.name,
        "short_name": road.short_name,
        "supplementary_town": road.town,
        "postal_code": road.postal_code,
    }
