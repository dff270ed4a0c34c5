"""A group of changes comes to what its changes come to one by one, and whoever follows the log sees the same."""

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from access_nursery import copied
from change_nursery import new_log, unchanged
from change_rows import ASKED, EMAILS, HAPPENING, LIS, PEOPLE, SENDERS, Rows, happening
from hypothesis import example, given, settings
from hypothesis import strategies as st

from change_messages import message, person
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.changes.log_sealing import Entry
from resolver_grpc.keys import KeyRing
from resolver_grpc.server.judging import Draft, Refused, judge_group, read_sent
from resolver_grpc.server.served import open_served
from small_register import ANN, BO, KNOWN_SENDERS, NOON

CLAIMS = {
    name: {"email_address": st.sampled_from(sorted(EMAILS.values()))}
    for name in ("email_verified", "email_claimed", "email_dropped")
}
RENUMBERED = {"number_replaced": {"current_number": st.sampled_from([LIS, *PEOPLE]), "person": st.just(person())}}
EVENTS = st.tuples(st.sampled_from([*PEOPLE, LIS]), happening(HAPPENING | CLAIMS | RENUMBERED))


@pytest.fixture(scope="module")
def registers(tmp_path_factory):
    """The same snapshot thrice: LMDB opens no file twice in one process."""
    folder = tmp_path_factory.mktemp("judging")
    first = unchanged(folder, **Rows().tables())
    return [first, *(copied(first, folder / f"copy-{number}") for number in range(2))]


@contextmanager
def taking(register, log):
    served = open_served(register.directory, register.key, KNOWN_SENDERS, None, log=log)
    try:
        yield served
    finally:
        served.snapshot.index.close()


def write(log, served, messages):
    """Has some changes judged together, as far as they can be, and written; tells which were taken."""
    sent = [read_sent(message, NOON, may_erase=True) for message in messages]
    outcomes = []
    while left := sent[len(outcomes) :]:
        with log.group() as group:
            judged = list(judge_group(left, [None] * len(left), Draft(served.overlaid)))
            for one in judged:
                if isinstance(one, Entry):
                    group.write(one)
        served.overlaid.replay()
        outcomes += [isinstance(one, Refused) and one.reason for one in judged]
    return outcomes


def told(served):
    """What is decided, soon and later."""
    return [
        [
            (decision.reason, [(target.number, target.forwarding_address) for target in decision.targets])
            for decision in served.plain.resolver.resolve(ASKED, sender, NOON + days * 86_400)
        ]
        for days in (0, 1, 8)
        for sender in SENDERS
    ]


def claim(number, address):
    return [(number, (name, {"email_address": address})) for name in ("email_verified", "email_claimed")]


@settings(max_examples=15, deadline=None)
@given(st.lists(EVENTS, min_size=2, max_size=12))
@example([*claim(BO, EMAILS[ANN]), (ANN, ("logged_in", {}))])
@example([(ANN, ("number_replaced", {"current_number": BO, "person": person()})), (BO, ("logged_in", {}))])
@example([(ANN, ("number_replaced", {"current_number": LIS, "person": person()})), (LIS, ("mailbox_closed", {}))])
@example([(ANN, ("number_replaced", {"current_number": BO, "person": person()})), (BO, ("mailbox_opened", {}))])
@example([*claim(BO, EMAILS[ANN]), (ANN, ("email_dropped", {"email_address": EMAILS[ANN]})), *claim(ANN, EMAILS[ANN])])
def test_a_group_comes_to_what_its_changes_come_to_one_by_one_and_so_for_who_follows(registers, events):
    messages = [
        message(name, number, "2026-11-01T10:00:00Z", f"c-{at}", **fields)
        for at, (number, (name, fields)) in enumerate(events)
    ]
    folder = Path(tempfile.mkdtemp(dir=registers[0].directory.parent))
    try:
        ring = KeyRing(registers[0].key)
        logs = [ChangeLog(new_log(folder / name, registers[0].key), ring) for name in ("together", "singly")]
        with logs[0], logs[1], taking(registers[0], logs[0]) as together, taking(registers[1], logs[1]) as singly:
            refused = [reason for one in messages for reason in write(logs[1], singly, [one])]
            assert write(logs[0], together, messages) == refused
            with taking(registers[2], logs[0]) as following:
                assert told(together) == told(singly) == told(following)
    finally:
        shutil.rmtree(folder)
