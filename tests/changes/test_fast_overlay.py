"""The fast way over a snapshot with changes laid over it, byte for byte beside the plain way over another one."""

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from overlay_events import (
    EMAILS,
    HOUSES,
    NAMES,
    PEOPLE,
    TIMES,
    claims,
    crowd,
    dice_of,
    follow_many,
    random_event,
    settled,
)
from overlay_nursery import BASE, EXPORTED, HANDLES, KEY, WINDOW, Register, queries, resolver_of

from change_messages import ANN, BO, FIRM, IDA, KIM, person
from resolver_grpc.changes import key_table, new_columns
from resolver_grpc.changes.overlaid_index import OverlaidIndex
from resolver_grpc.changes.overlay import Overlay
from resolver_grpc.errors import SnapshotError
from resolver_grpc.fastpath import laid_standing
from resolver_grpc.fastpath.machine import find_kernel
from resolver_grpc.fastpath.way import FastWay
from resolver_grpc.index.lmdb_index import LmdbIndex
from resolver_grpc.index.writer import write_index
from resolver_grpc.model import Kind, QueryRow, Role, Sender, SenderClass
from resolver_grpc.server.batch import Batches, finish
from resolver_grpc.server.fast_batches import FastBatches
from resolver_grpc.times import parse_time
from resolver_grpc.v1.query_pb2 import Query
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest, ResolveBatchResponse
from small_register import KNOWN_SENDERS

KERNEL = find_kernel()
pytestmark = pytest.mark.skipif(KERNEL is None, reason="this installation has no compiled kernel")

COLUMNS_KEY, SNAPSHOT_ID = bytes(range(32)), bytes(range(16))
MANIFEST = SimpleNamespace(snapshot_id="5e", change_sequence=7)


class Ways:
    """The fast way over a file with what a register works out laid over it, and the register's plain way."""

    def __init__(self, register, index):
        self.register, self.seen = register, 0
        self.overlay = Overlay(index, KEY.index_keys, WINDOW, BASE)
        overlaid = OverlaidIndex(self.overlay)
        fast_plain, self.plain = (
            Batches(resolver_of(one), MANIFEST, KNOWN_SENDERS, horizon=0) for one in (overlaid, register.index)
        )
        self.fast = FastBatches(fast_plain, FastWay(KERNEL, index, KEY.index_keys, HANDLES, overlaid))

    def catch_up(self):
        follow_many(self.overlay, self.register.laid[self.seen :])
        self.seen = len(self.register.laid)

    def agree(self, instant, numbers=PEOPLE):
        """Both say the same of all queries, to each sender and role."""
        self.catch_up()
        for sender_id in ("power", "town"):
            request = request_of(list(queries([*numbers, FIRM], HOUSES, NAMES, EMAILS, sender_id)), sender_id)
            for role in (Role.INTAKE, Role.DELIVERY):
                told, wanted = (way.answer(request, instant, role=role) for way in (self.fast, self.plain))
                assert told == wanted, (instant, sender_id, role)
        return ResolveBatchResponse.FromString(told)


def request_of(rows, sender_id="town"):
    names = [field.name for field in Query.DESCRIPTOR.fields]
    messages = [Query(**{name: getattr(row, name) for name in names}) for row in rows]
    return ResolveBatchRequest(sender_id=sender_id, queries=messages).SerializeToString()


@contextmanager
def serving(register):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "index.lmdb"
        write_index(path, register.content, COLUMNS_KEY, SNAPSHOT_ID)
        index = LmdbIndex(path, COLUMNS_KEY, SNAPSHOT_ID)
        try:
            yield Ways(register, index)
        finally:
            index.close()


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 1 << 32), st.booleans())
def test_the_same_bytes_after_any_changes_as_the_plain_way(seed, are_small):
    """Changes come between batches and days; memory is small at first in some, so that all of it is moved."""
    dice = dice_of(seed)
    with pytest.MonkeyPatch.context() as patch:
        if are_small:
            patch.setattr(new_columns, "_FEWEST", 1)
            patch.setattr(key_table, "_FEWEST", 2)
            patch.setattr(laid_standing, "_ONE_BY_ONE", 3)
        register = Register(*crowd(dice))
        with serving(register) as ways:
            for _ in range(6):
                ways.agree(dice.choice([EXPORTED, *map(parse_time, TIMES), parse_time("2026-11-02")]))
                for _ in range(dice.choice([1, 1, 12])):
                    for name, number, time, fields in random_event(dice, PEOPLE):
                        register.take(name, number, time, **fields)
            response = ways.agree(parse_time("2026-10-26"))
            assert len({decision.reason for decision in response.decisions}) > 2


def test_new_owners_lists_of_both_and_nobody_under_a_key():
    """By kind: who moved in beside the snapshot's residents, who is alone, who left, two of one name."""
    register = Register(
        *settled(ANN, "Ann Bo", "12"), *settled(BO, "Bo Dam", "14"), ("mailbox_opened", IDA, "2026-01-01", {})
    )
    with serving(register) as ways:
        for number, name, house in ((IDA, "Ann Sø", "12"), (BO, "Bo Dam", "12"), (ANN, "Ann Bo", "14")):
            given = {"person": person(full_name=name, house_number=house)}
            assert register.take("address_consent_given", number, "2026-10-23", **given)
            ways.agree(parse_time("2026-10-24"))
        twelve, fourteen = (QueryRow("", Kind.ADDRESS, kvhx=f"07511234__{house}_______") for house in HOUSES)
        named = [
            QueryRow("", Kind.FULL_NAME, full_name=name, kvhx=f"07511234__{house}_______")
            for name, house in (("Ann Bo", "12"), ("Ann Bo", "14"), ("Bo Dam", "14"), ("Ann Sø", "12"))
        ]
        rows = [twelve, fourteen, *named]
        instant = parse_time("2026-10-24")
        batch = ways.fast.way.batch(request_of(rows), 10)
        judge = ways.fast.way.judge(KNOWN_SENDERS["town"], instant, personal_content=False)
        assert ways.fast.way.run(batch, judge, 0) == (len(rows), []), "the kernel decides them all"
        response = ResolveBatchResponse.FromString(ways.fast.answer(request_of(rows), instant))
        reached = [[target.number for target in decision.targets] for decision in response.decisions]
        assert reached == [sorted([BO, IDA]), [ANN], [], [ANN], [], [IDA]]


def test_whose_number_was_replaced_is_told_by_the_current_one_whatever_leads_there():
    register = Register(
        *settled(ANN, "Ann Bo", "12"), *settled(BO, "Bo Dam", "12"), *claims(ANN, EMAILS[0], "2026-02-01")
    )
    with serving(register) as ways:
        moved = {"current_number": KIM, "person": person(full_name="Ann Bo", house_number="14")}
        assert register.take("number_replaced", ANN, "2026-10-23", **moved)
        ways.agree(parse_time("2026-10-24"))
        by_email = request_of([QueryRow("", Kind.EMAIL, email_address=EMAILS[0])])
        response = ResolveBatchResponse.FromString(ways.fast.answer(by_email, parse_time("2026-10-24")))
        assert response.decisions[0].targets[0].number == KIM


def test_a_change_between_two_slices_counts_for_the_rows_that_are_not_decided_yet():
    """Each row is decided as of before or after it, never as of both; those of a later slice as of after it."""
    register = Register(*crowd(dice_of(5)))
    rows = [query for query in queries(PEOPLE, HOUSES, NAMES, EMAILS, "town") if query.kind is not Kind.HANDLE] * 12
    request, instant = request_of(rows), parse_time("2026-10-26")
    with serving(register) as ways:
        before = ResolveBatchResponse.FromString(ways.fast.answer(request, instant)).decisions
        steps = ways.fast.steps(request, instant, lambda _: True, Role.DELIVERY)
        next(steps)
        elsewhere = person(full_name="Ann Sø", house_number="14")
        for number in PEOPLE[4:8]:
            assert register.take("moved", number, "2026-10-23", person=elsewhere)
        ways.catch_up()
        between = ResolveBatchResponse.FromString(finish(steps).response).decisions
        after = ResolveBatchResponse.FromString(ways.fast.answer(request, instant)).decisions
        assert after == ResolveBatchResponse.FromString(ways.plain.answer(request, instant)).decisions
        assert all(now in (then, later) for now, then, later in zip(between, before, after, strict=True))
        assert list(before) != list(between) != list(after)
        assert list(between[len(rows) // 2 :]) == list(after[len(rows) // 2 :])


def test_past_so_many_under_one_address_the_plain_way_reaches_them():
    """130 people move into one house: more than the kernel keeps room for."""
    numbers = [f"0101{70 + place % 30}{4001 + place}" for place in range(130)]
    register = Register(*[("mailbox_opened", number, "2026-01-01", {}) for number in numbers])
    with serving(register) as ways:
        for number in numbers:
            given = {"person": person(full_name="Ann Bo", house_number="12")}
            assert register.take("address_consent_given", number, "2026-10-23", **given)
        everyone = request_of([QueryRow("", Kind.ADDRESS, kvhx="07511234__12_______")])
        ways.catch_up()
        instant = parse_time("2026-10-24")
        assert ways.fast.answer(everyone, instant) == ways.plain.answer(everyone, instant)
        told = ResolveBatchResponse.FromString(ways.fast.answer(everyone, instant))
        assert len(told.decisions[0].targets) == len(numbers)


def layer(parts=None, lists=bytes(8), owners=3, below=2):
    return KERNEL.Layer(
        parts or [bytearray(b"\xff" * 20)] * 256,
        lists,
        bytes(10 * owners),
        memoryview(bytes(4 * owners)).cast("I"),
        below,
        4,
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"parts": [b"\xff" * 20] * 255},
        {"parts": [b""] * 256},
        {"parts": [b"\xff" * 19] * 256},
        {"lists": b""},
        {"lists": b"abc"},
        {"below": 0},
        {"below": 0x7FFF_FFFF},
    ],
)
def test_memory_that_does_not_fit_is_refused(wrong):
    assert layer()
    with pytest.raises((ValueError, TypeError)):
        layer(**wrong)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 0xFFFF_FFFF), st.lists(st.integers(0, 0xFFFF_FFFF), min_size=1, max_size=6), st.booleans())
def test_whatever_the_slots_and_lists_hold_nothing_is_read_outside(slot, words, is_listed):
    """A slot that leads nowhere is a damaged index, and no row is answered from outside."""
    slot = 0x8000_0000 | slot % 8 if is_listed else slot
    register = Register(*settled(ANN, "Ann Bo", "12"))
    with serving(register) as ways:
        address = QueryRow("", Kind.ADDRESS, kvhx="07511234__12_______")
        request, instant = request_of([address, QueryRow("", Kind.CPR, number=ANN)]), parse_time("2026-10-24")
        table = ways.overlay.table
        for part in table.parts:
            for place in range(0, len(part), 20):
                part[place + 16 : place + 20] = slot.to_bytes(4, "little")
        for key in keys_of_all(register):
            part = table.parts[key[0]]
            for place in range(0, len(part), 20):
                part[place : place + 16] = key
        table.lists = b"".join(word.to_bytes(4, "little") for word in words)
        batch = ways.fast.way.batch(request, 10)
        judge = ways.fast.way.judge(KNOWN_SENDERS["town"], instant, personal_content=False)
        try:
            assert ways.fast.way.run(batch, judge, 0)[0] == 2
            batch.handle_blocks()
        except SnapshotError:
            pass


def keys_of_all(register):
    return [bytes(key) for keys, _ in register.content.pairs.partitions() for key in keys]


def test_a_sender_who_was_not_asked_about_for_long_has_flags_made_anew():
    register = Register(*crowd(dice_of(6)))
    with serving(register) as ways:
        instant = parse_time("2026-10-26")
        assert register.take("bound", ANN, "2026-10-23", sender_id="power")
        ways.agree(instant)
        for place in range(70):
            other = Sender(f"sender {place}", "S", FIRM, SenderClass.PRIVATE, kinds=frozenset({Kind.CPR}))
            ways.fast.way.judge(other, instant, personal_content=False)
        assert register.take("agreement_ended", ANN, "2026-10-24")
        ways.agree(instant)
