"""What a query may meet: the proof that a block of the population is enough to judge it by.

What belongs here: whether a query's text, code, number or e-mail address leads to its own block or nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver_grpc.build.population.number_making import UNKNOWN_CVR_START, UNKNOWN_YEARS
from resolver_grpc.build.population.number_reading import CPR_LENGTH, read_email
from resolver_grpc.build.population.query_making import NOWHERE
from resolver_grpc.build.population.query_reading import find_problem, read_query

if TYPE_CHECKING:
    from resolver_grpc.build.population.places import RoadPlan
    from resolver_grpc.build.population.world import World
    from resolver_grpc.model import QueryRow


class Territory:
    """Everything by which a block can be met.

    Args:
        plan: all roads.
        index: the block's place in it.
        world: the block's rows.
    """

    def __init__(self, plan: RoadPlan, index: int, world: World) -> None:
        self._plan = plan
        self._index = index
        rows = (*world.persons, *world.mailboxes)
        self._numbers = {row["number"] for row in rows}
        for row in world.persons:
            self._numbers.update(row.get("old_numbers", "").split(";"))
        self._emails = {read_email(row.get("email_address", "")) for row in world.mailboxes}

    def holds(self, query: QueryRow) -> bool:
        """Tell whether the rows outside the block can't change what becomes of a query."""
        if find_problem(query) is not None:
            return True
        asked = read_query(query)
        here = {None, self._index}
        if asked.place and self._plan.by_text.get((asked.place.postal_code, asked.place.street)) not in here:
            return False
        if asked.kvhx and self._plan.by_code.get((asked.kvhx.municipality, asked.kvhx.road)) not in here:
            return False
        if asked.number and asked.number not in self._numbers and not _is_unknown(asked.number):
            return False
        return not asked.email or asked.email in self._emails or asked.email.endswith(f"@{NOWHERE}")


def _is_unknown(number: str) -> bool:
    if len(number) == CPR_LENGTH:
        return number[4:6] in UNKNOWN_YEARS and number[6] in "0123"
    return number.startswith(UNKNOWN_CVR_START)
