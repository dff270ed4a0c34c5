"""Made-up people in their households: rows of persons, road by road.

What belongs here: who lives where under which name, status, protection and old numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver_grpc.build.population import names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from resolver_grpc.build.population.calendar_pool import TimePool
    from resolver_grpc.build.population.number_making import NumberMaker
    from resolver_grpc.build.population.places import Block, Road

CellRow = dict[str, str]
HOUSEHOLD_SIZES = (1, 1, 1, 1, 2, 2, 2, 3, 4, 4, 5)
FLOORS = ("st", "1", "2", "3", "4")
SIDES = ("tv", "mf", "th")
ODD_DOORS = ("1", "2", "12", "101", "a", "b2", "3-1", "1/2", "")
ODD_FLOORS = ("kl", "k2", "14", "")
LETTERS = "ABCDEF"
AWAY = ("90", "90", "90", "90", "90", "80", "80", "80", "80", "70", "30", "20", "50")
_LETTERED, _ODD, _SHARED_NAME, _COUPLE, _NAMESAKE, _WORDLESS = 0.15, 0.12, 0.75, 2, 0.01, 0.004
_AWAY, _SPECIAL_ROAD, _PROTECTED, _REPLACED, _UNHOUSED = 0.04, 0.006, 0.025, 0.01, 0.4


def _homes(rng: Random, block: Block) -> Iterator[tuple[Road, str, str, str]]:
    """Yield the homes of a block: road, house number, floor, door; roads of a pair have the same numbers."""
    if block.layout == "dormitory":
        while True:
            yield block.roads[0], "7", "", ""
    for number in range(1, 1000):
        letter = rng.choice(LETTERS) if rng.random() < _LETTERED else ""
        units = [("", "")]
        if block.layout == "flats":
            units = [(floor, side) for floor in FLOORS[: rng.randint(2, 5)] for side in SIDES[:: rng.randint(1, 2)]]
            if rng.random() < _ODD:
                units += [(rng.choice(ODD_FLOORS), door) for door in rng.sample(ODD_DOORS, 3)]
        for floor, door in dict.fromkeys(units):
            for road in block.roads:
                yield road, f"{number}{letter}", floor, door


def _household_names(rng: Random, size: int) -> list[str]:
    """Return the full names of people who live together; families share a surname."""
    shared = names.draw(rng, names.LAST)
    full_names: list[str] = []
    for place in range(size):
        last = shared if size > _COUPLE or rng.random() < _SHARED_NAME else names.draw(rng, names.LAST)
        if place and rng.random() < _NAMESAKE * size:
            # A child named after a parent: the same first and last word.
            last = full_names[0].split()[-1]
            full_names.append(f"{full_names[0].split()[0]} {names.draw(rng, names.MIDDLE)} {last}")
        else:
            full_names.append(f"{names.draw_first_names(rng)} {last}")
    return full_names


def _protections(rng: Random, times: TimePool) -> str:
    past, later = sorted(rng.sample(times.past_days, 2))
    today, tomorrow = times.horizon_days[0], times.horizon_days[1]
    return rng.choice(
        (
            f"{past}/",
            f"{past}/{rng.choice(times.future_days)}",
            f"{past}/{later}",
            f"{past}/{later};{rng.choice(times.horizon_days)}/",
            f"{past}/{today}",
            f"{today}/{tomorrow}",
            f"{tomorrow}/",
            f"/{past}",
            f"{later}/{past}",
            "unknown",
        )
    )


class HouseholdMaker:
    """Fills the blocks of a plan with people."""

    def __init__(self, rng: Random, numbers: NumberMaker, times: TimePool) -> None:
        self._rng = rng
        self._numbers = numbers
        self._times = times

    def fill(self, block: Block) -> list[CellRow]:
        """Return the rows of persons of a block, those of replaced numbers among them."""
        rng, left = self._rng, block.size
        rows: list[CellRow] = []
        for road, house_number, floor, door in _homes(rng, block):
            size = min(left, rng.choice(HOUSEHOLD_SIZES))
            home = self._address(block, road, house_number, floor, door)
            for full_name in _household_names(rng, size):
                rows.extend(self._person(full_name, home))
            left -= size
            if not left:
                break
        return rows

    def _address(self, block: Block, road: Road, house_number: str, floor: str, door: str) -> CellRow:
        if block.layout == "greenland" and self._rng.random() < _UNHOUSED:
            house_number = ""
        return {
            "status": self._rng.choice(("05", "07")) if block.layout == "greenland" else "01",
            "municipality_code": road.municipality,
            "road_code": road.code,
            "street_name": "" if block.spellings == "short" else road.name,
            "short_street_name": "" if block.spellings == "full" else road.short_name,
            "house_number": house_number,
            "floor": floor,
            "door": door,
            "supplementary_town": road.town,
            "postal_code": road.postal_code,
        }

    def _person(self, full_name: str, home: CellRow) -> Iterator[CellRow]:
        rng = self._rng
        row = {"number": self._numbers.cpr(), "full_name": full_name, **home}
        chance = rng.random()
        if chance < _AWAY:
            row["status"] = rng.choice(AWAY)
        elif chance < _AWAY + _SPECIAL_ROAD:
            row.update(status="03", road_code=f"99{rng.randrange(100):02d}")
        elif chance < _AWAY + _SPECIAL_ROAD + _PROTECTED:
            row["protections"] = _protections(rng, self._times)
        if rng.random() < _WORDLESS:
            row["full_name"] = rng.choice(("", full_name.split(maxsplit=1)[0]))
        if rng.random() < _REPLACED:
            yield from self._replaced(row)
        yield row

    def _replaced(self, row: CellRow) -> list[CellRow]:
        """Give a person an old number, or a chain of two; stated by the old rows, the new one, or both."""
        old, older = self._numbers.cpr(), self._numbers.cpr()
        replaced = {"number": old, "status": self._rng.choice(("60", "50")), "full_name": row["full_name"]}
        way = self._rng.randrange(4)
        if way == 0:
            row["old_numbers"] = f"{old};{older}"
            return []
        replaced["current_number"] = row["number"]
        if way == 1:
            return [replaced]
        row["old_numbers"] = old
        if way == 2:  # noqa: PLR2004 - the third of four ways
            return [replaced]
        return [{"number": older, "status": "60", "current_number": old}, replaced]
