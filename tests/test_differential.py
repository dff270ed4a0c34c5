"""Resolver and brute force agree on registers made to collide, asked in every way, at every edge of time.

The generated population is realistic; the registers of ``colliding_registers.py`` are not. Each disagreement that
was found keeps a case in ``test_differential_cases.py``.
"""

import pytest

from colliding_registers import Dice, instants_of, query_of, sender_of, world_of
from resolver_grpc.build.assemble import assemble, in_order_of_ordinals
from resolver_grpc.build.entries import Entries
from resolver_grpc.build.owners import join_owners
from resolver_grpc.build.population.brute_force import decide
from resolver_grpc.build.sources import Sources
from resolver_grpc.handles import Handles
from resolver_grpc.index.content import content_digest
from resolver_grpc.index.memory import MemoryIndex
from resolver_grpc.keys import MasterKey
from resolver_grpc.resolve import Resolver
from resolver_grpc.rows.cells import Span
from resolver_grpc.times import register_window

KEY = MasterKey(b"d" * 32)
QUERIES_OF_A_WORLD = 40
FEWEST_OUTCOMES = 25


def content_of(world, shuffle=lambda _rows: None):
    """What the builder makes of the rows, taken in any order."""
    sources = Sources()
    takers = (sources.add_person, sources.add_mailbox, sources.add_relation, sources.add_road)
    for take, table in zip(takers, (world.persons, world.mailboxes, world.relations, world.roads), strict=True):
        rows = list(table)
        shuffle(rows)
        for row_number, row in enumerate(rows, start=1):
            take(row_number, row)
    owners = in_order_of_ordinals(join_owners(sources), KEY.index_keys)
    window = Span(*register_window(world.register_date))
    return assemble(owners, Entries(KEY.index_keys, sources.roads, window), lambda _: None)


def resolver_of(world):
    valid_from, _ = register_window(world.register_date)
    return Resolver(MemoryIndex(content_of(world)), KEY.index_keys, valid_from, Handles([KEY.handles_secret]))


def without_handles(decision):
    """A decision as brute force makes it, who knows no key."""
    return decision._replace(targets=tuple(target._replace(handle=b"") for target in decision.targets))


def disagreements(seed):
    """Asks one world everything; what the two say where they differ, and how many queries and outcomes there were."""
    dice = Dice(seed)
    world = world_of(dice)
    resolver = resolver_of(world)
    instants = instants_of(world)
    found, outcomes = [], []
    for _ in range(QUERIES_OF_A_WORLD // 8):
        sender, instant, personal = sender_of(dice), dice.one(instants), dice.chance(0.05)
        queries = [query_of(dice, world) for _ in range(8)]
        for query, decision in zip(
            queries, resolver.resolve(queries, sender, instant, personal_content=personal), strict=True
        ):
            expected = decide(query, sender, world, instant, personal_content=personal)
            outcomes.append((decision.route, decision.reason))
            if without_handles(decision) != expected:
                found.append((seed, query, sender, instant, decision, expected))
    return found, outcomes


@pytest.mark.parametrize("first_seed", range(0, 600, 150))
def test_resolver_and_brute_force_agree_on_registers_made_to_collide(first_seed):
    outcomes = set()
    for seed in range(first_seed, first_seed + 150):
        found, told = disagreements(seed)
        assert not found, found[0]
        outcomes.update(told)
    assert len(outcomes) >= FEWEST_OUTCOMES


@pytest.mark.parametrize("first_seed", [0, 100])
def test_the_same_rows_in_any_order_are_the_same_snapshot(first_seed):
    for seed in range(first_seed, first_seed + 100):
        dice = Dice(seed)
        world = world_of(dice)
        contents = content_of(world), content_of(world, dice.shuffle)
        one, other = (content_digest(content, KEY.snapshot_secret, b"") for content in contents)
        assert one == other, seed
