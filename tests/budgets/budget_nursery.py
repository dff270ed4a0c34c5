"""Budgets as the tests spend them; run as a program, it spends until it is killed."""

from __future__ import annotations

import os
import sys
from hashlib import blake2b
from pathlib import Path

from resolver_grpc.budgets.budget_file import BudgetFile
from resolver_grpc.budgets.spending import Counting, admit, settle
from resolver_grpc.model import Limits, Sender, SenderClass
from resolver_grpc.times import parse_time

SECRET = b"b" * 32
NOON = parse_time("2026-11-22T11:00:00Z")
MIDNIGHT = parse_time("2026-11-23")
MOST = 10_000


def sender(sender_id="power", misses=10_000, addresses=10_000, rate=1_000_000):
    return Sender(sender_id, "S", "13585628", SenderClass.PRIVATE, limits=Limits(misses, addresses, rate))


def keys(*numbers):
    """A run of keys."""
    return b"".join(blake2b(number.to_bytes(8, "big"), digest_size=16).digest() for number in numbers)


def spend(file, who, misses=(), addresses=(), instant=NOON):
    """Admits a request and settles it; the account then, or the refusal is raised."""
    file.check_place()
    with file.page_of(who.id) as page:
        admit(page, who, len(misses) + len(addresses), MOST, instant)
    with file.page_of(who.id) as page:
        return settle(page, who, Counting([keys(*misses)], [keys(*addresses)], SECRET), instant)


def spend_until_killed(path, told, first, workers):
    """Spends one miss after the other, each of a sender of its own and of one that all share; tells each."""
    file, tell = BudgetFile(path), os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in range(first, first + 1_000_000, workers):
        spend(file, sender("shared"), [number])
        spend(file, sender(f"s{number % 50}"), [number])
        os.write(tell, b"%d\n" % number)


def program(how, when, path, *words):
    if how == "step":
        sys.path.insert(0, str(Path(__file__).parents[1]))
        from nursery import die_at_step  # noqa: PLC0415 - the tests' folder is known by now

        die_at_step(int(when), str(Path(path).parent))
        BudgetFile(Path(path))
        return
    told, first, workers = words
    spend_until_killed(Path(path), told, int(first), int(workers))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from nursery import serve

    serve(program)
