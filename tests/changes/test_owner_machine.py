"""The machine that judges the frequent changes, beside the plain way: the same entries, or it leaves a change alone."""

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from overlay_nursery import BASE, EXPORTED, KEY, WINDOW, Register
from test_fast_overlay import COLUMNS_KEY, SNAPSHOT_ID
from test_overlay import BASES, OF_BOTH, OF_CLAIMS, PEOPLE, claims, happening, hindered

from change_messages import ANN, ANNS_EMAIL, BO, EVENTS, FIRM, IDA, KIM, OF_FIRMS, change, message, person
from resolver_grpc.changes import machine
from resolver_grpc.changes.log_sealing import Entry
from resolver_grpc.changes.machine import KERNEL, RECIPES, Machine
from resolver_grpc.changes.overlay import Overlay
from resolver_grpc.changes.parsing import parse_change
from resolver_grpc.index.lmdb_index import LmdbIndex
from resolver_grpc.index.writer import write_index
from resolver_grpc.server.judging import Draft, read_sent
from resolver_grpc.v1 import change_pb2 as pb

pytestmark = pytest.mark.skipif(not KERNEL, reason="this installation has no compiled machine")

FAR_AHEAD = EXPORTED + 400 * 86_400


class Place:
    """An overlay as a draft asks it, with the machine or without, and those whom it answers."""

    def __init__(self, index, with_machine):
        self.keys = KEY.index_keys
        self.overlay = Overlay(index, self.keys, WINDOW, BASE)
        self.state, self.after, self.state_in = self.overlay.state, self.overlay.after, self.overlay.state_in
        self.machine = Machine(self.overlay, index, self.keys, WINDOW, BASE) if with_machine else None
        self.worked_out = 0

    def work_out(self, change, former):
        worked = self.machine.work_out(change, former) if self.machine else None
        self.worked_out += worked is not None
        return worked

    def judge(self, messages):
        """Judges a group, and takes it."""
        draft = Draft(self)
        sent = [read_sent(one, FAR_AHEAD) for one in messages]
        judged = [draft.judge(one) for one in sent]
        for one, entry in zip(sent, judged, strict=True):
            if isinstance(entry, Entry) and not self.overlay.follow(entry.after):
                self.overlay.take(one.read, entry.keys)
        return judged


@contextmanager
def places(*before):
    """The same snapshot twice: with the machine, and without."""
    content = Register(*before).content
    with TemporaryDirectory() as folder:
        path = Path(folder) / "index.lmdb"
        write_index(path, content, COLUMNS_KEY, SNAPSHOT_ID)
        index = LmdbIndex(path, COLUMNS_KEY, SNAPSHOT_ID)
        try:
            yield Place(index, with_machine=True), Place(index, with_machine=False)
        finally:
            index.close()


def agree(fast, plain, group):
    """Both judge a group alike, and have the same owners after it."""
    messages = [
        message(name, number, time, f"c-{at}", **fields) for at, (name, number, time, fields) in enumerate(group)
    ]
    told, wanted = fast.judge(messages), plain.judge(messages)
    assert told == wanted
    assert fast.overlay.owners == plain.overlay.owners
    assert all(fast.overlay.packed(one) == plain.overlay.packed(one) for one in range(plain.overlay.owners))


FREQUENT = {
    "mailbox_closed": {},
    "logged_in": {},
    "private_post_ended": {},
    "address_consent_given": {"person": person(house_number="14")},
    "address_consent_withdrawn": {},
    "moved": {"person": person(house_number="16")},
    "renamed": {"person": person(full_name="Ann Dam")},
    "email_verified": {"email_address": "new@post.dk"},
    "subscribed": {},
    "unsubscribed": {},
    "bound": {},
    "agreement_ended": {},
    "opted_out": {},
}
"""The events that the machine takes, one of each."""


def test_the_machine_takes_each_of_the_frequent_events_of_who_was_not_touched_and_of_who_was():
    assert {type(change(name).event) for name in FREQUENT} == set(RECIPES)
    for name, fields in FREQUENT.items():
        with places(*BASES) as (fast, plain):
            agree(fast, plain, [(name, IDA, "2026-10-24", fields)])
            agree(fast, plain, [(name, IDA, "2026-10-25", fields)])
            assert fast.worked_out == 2, name


def test_the_machine_takes_several_changes_of_one_owner_in_one_group():
    with places(*BASES) as (fast, plain):
        group = [(name, IDA, "2026-10-24", fields) for name, fields in FREQUENT.items()]
        agree(fast, plain, group)
        assert fast.worked_out == len(group)


def test_the_machine_takes_relations_and_logins_of_organisations_but_of_one_that_forwards():
    opened = ("mailbox_opened", FIRM, "2026-01-01", {})
    forwards = ("forwarding_set", FIRM, "2026-02-01", {"forwarding_address": "post@firm.dk", "last_day": ""})
    group = [("logged_in", FIRM, "2026-10-24", {}), ("subscribed", FIRM, "2026-10-24", {})]
    for before, taken in (([opened], 2), ([opened, forwards], 0)):
        with places(*before) as (fast, plain):
            agree(fast, plain, group)
            assert fast.worked_out == taken


LEFT_ALONE = {
    "of nobody known": ([], ("logged_in", KIM, "2026-10-24", {})),
    "of somebody without a mailbox": (BASES, ("subscribed", KIM, "2026-10-24", {})),
    "with a protection": (
        BASES,
        ("moved", IDA, "2026-10-24", {"person": person(protections=[pb.Protection(first_day="2026-10-24")])}),
    ),
    "of who claims an address that a change told": (
        [*BASES, *claims(ANN, ANNS_EMAIL)],
        ("email_claimed", ANN, "2026-10-24", {"email_address": "new@post.dk"}),
    ),
}


@pytest.mark.parametrize(("before", "event"), LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_the_machine_leaves_alone_what_is_unusual(before, event):
    with places(*before) as (fast, plain):
        agree(fast, plain, [event])
        assert not fast.worked_out


def known(opened):
    """Kim, who consented when the mailbox was opened."""
    return [("mailbox_opened", KIM, opened, {}), ("address_consent_given", KIM, opened, {"person": person()})]


def test_a_login_of_whom_the_snapshot_has_no_keys_is_the_plain_ways_which_asks_for_the_record():
    """Five years were over at the export; a login told late ends that."""
    with places(*BASES, *known("2021-01-01")) as (fast, plain):
        agree(fast, plain, [("logged_in", KIM, "2025-06-01", {})])
        assert not fast.worked_out
        agree(fast, plain, [("logged_in", KIM, "2025-06-01", {"person": person()})])
        assert fast.worked_out == 1


def test_a_login_shortly_before_five_years_are_over_is_the_plain_ways_which_asks_for_the_record():
    """The snapshot has the keys, and the next one, of tables from before the login, would not."""
    with places(*BASES, *known("2021-10-30")) as (fast, plain):
        agree(fast, plain, [("logged_in", KIM, "2026-10-24", {})])
        assert not fast.worked_out
        agree(fast, plain, [("logged_in", KIM, "2026-10-24", {"person": person()})])
        assert fast.worked_out == 1


def test_who_claims_an_address_that_a_change_told_is_the_plain_ways():
    with places(*BASES) as (fast, plain):
        agree(fast, plain, claims(IDA, "new@post.dk", "2026-10-24"))
        agree(fast, plain, [("logged_in", IDA, "2026-10-25", {})])
        assert fast.worked_out == 1


def test_who_has_an_old_number_is_the_plain_ways():
    replaced = ("number_replaced", ANN, "2026-10-24", {"current_number": "0707877890", "person": person()})
    with places(*BASES) as (fast, plain):
        agree(fast, plain, [replaced])
        agree(fast, plain, [("logged_in", "0707877890", "2026-10-25", {})])
        assert not fast.worked_out


def test_names_and_streets_that_json_writes_otherwise_are_kept_as_the_plain_way_keeps_them():
    odd = person(full_name='Ann "Quo\\te" Bo"x', short_street_name="Æblevej Ö", supplementary_town="Å \u00adby")
    with places(*BASES) as (fast, plain):
        agree(fast, plain, [("moved", IDA, "2026-10-24", {"person": odd})])
        agree(fast, plain, [("moved", IDA, "2026-10-25", {"person": person(full_name="", door="1/2")})])
        assert fast.worked_out == 2


def test_more_spans_than_the_machine_has_room_for_are_the_plain_ways():
    many = [
        ("opted_out", IDA, f"2026-10-24T{at // 60:02}:{at % 60:02}:00Z", {"sender_id": f"s-{at}"}) for at in range(270)
    ]
    with places(*BASES) as (fast, plain):
        agree(fast, plain, many)
        assert 200 < fast.worked_out < 270


def test_what_the_machine_worked_out_is_what_an_old_number_is_judged_beside():
    """In one group: a change by the current number, then one by a number that leads there."""
    replaced = ("number_replaced", ANN, "2026-03-01", {"current_number": "0707877890"})
    current = "0707877890"
    with places(*BASES, replaced) as (fast, plain):
        agree(fast, plain, [("logged_in", current, "2026-10-24", {}), ("mailbox_closed", ANN, "2026-10-24", {})])
        agree(fast, plain, [("mailbox_closed", ANN, "2026-10-25", {}), ("subscribed", current, "2026-10-25", {})])


events = happening(PEOPLE, EVENTS.keys() - OF_FIRMS - OF_CLAIMS - {"erased"})
mail = st.tuples(
    st.sampled_from(sorted(OF_CLAIMS)),
    st.sampled_from(PEOPLE),
    st.sampled_from(["2026-10-24", "2026-10-25"]),
    st.fixed_dictionaries({"email_address": st.sampled_from([ANNS_EMAIL, "bo@post.dk", "new@post.dk"])}),
)
firms = happening([FIRM], OF_FIRMS | OF_BOTH)
frequent = happening([ANN, IDA], FREQUENT.keys() - OF_CLAIMS)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([ANN, BO, IDA, FIRM]), unique=True, max_size=1),
    st.lists(hindered, max_size=2),
    st.lists(st.lists(frequent | events | mail | firms, min_size=1, max_size=5), min_size=1, max_size=4),
)
def test_the_machine_judges_as_the_plain_way_does(unknown, hindrances, groups):
    """Random changes in groups, late ones and contradictions too, of owners of all sorts: equal entries and owners."""
    before = [*BASES, *[(name, number, time, fields) for number, (name, time, fields) in hindrances]]
    with places(*[event for event in before if event[1] not in unknown]) as (fast, plain):
        for group in groups:
            agree(fast, plain, group)


def test_the_five_years_and_the_notice_are_the_same_for_all_seconds_of_an_hour():
    """What is remembered by the hour is what the calendar gives for each second, nights of clock changes included."""
    for night in ("2026-10-25", "2021-10-31", "2026-03-29", "2028-02-29", "2024-02-29"):
        for second in range(0, 86_400, 613):
            login = parse_change(message("logged_in", IDA, f"{night}T00:00:00Z"))
            login = replace(login, instant=login.instant + second)
            assert RECIPES[type(login.event)].value(login.instant) == machine.used_until(login.instant)
