"""Compaction: an index made of an index and changes resolves what the changes laid over that index do."""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from overlay_nursery import BASE, EXPORTED, KEY, SENDERS, WINDOW, Register, content_of, queries, resolver_of, told
from test_folding import BASES, EMAILS, HOUSES, NAMES, NUMBERS, claims, consented, moves, of_firms, of_people

from change_messages import ANN, BO, IDA, KIM, message, person
from resolver_grpc.build.compacting import amended_content, nobody
from resolver_grpc.changes.compaction import amendment_of
from resolver_grpc.changes.overlaid_index import OverlaidIndex
from resolver_grpc.changes.overlay import Overlay
from resolver_grpc.changes.parsing import parse_change
from resolver_grpc.index.content import content_digest
from resolver_grpc.index.memory import MemoryIndex
from resolver_grpc.index.pairs import HeldPairs, SpilledPairs
from resolver_grpc.keys import KeyKind
from resolver_grpc.model import Kind, QueryRow
from resolver_grpc.times import parse_time

LATER = "2026-11-10"


class CompactedRegister(Register):
    """A register whose changes can be compacted, and which goes on from what that came to."""

    def __init__(self, *before):
        super().__init__(*before)
        self.go_on(content_of(self.rows_at(EXPORTED)))

    def go_on(self, content):
        """Begins with a content that no changes came after yet."""
        self.content, self.taken = content, []
        self.overlay = RecordingOverlay(self.taken, MemoryIndex(content), KEY.index_keys, WINDOW, BASE)
        self.other = Overlay(MemoryIndex(content), KEY.index_keys, WINDOW, BASE)
        self.index = OverlaidIndex(self.overlay)

    def compacted(self, is_erased=nobody):
        """What the content and the changes come to."""
        amendment = amendment_of(KEY.index_keys, self.taken, MemoryIndex(self.content), WINDOW)
        with tempfile.TemporaryDirectory() as name, SpilledPairs(Path(name)) as pairs:
            content, _ = amended_content(self.content, amendment, is_erased, KEY, pairs)
            pairs.sort(lambda _: None)
            return replaced_pairs(content, pairs)


class RecordingOverlay(Overlay):
    """An overlay that notes what it takes."""

    def __init__(self, taken, *arguments):
        super().__init__(*arguments)
        self._taken = taken

    def take(self, change, keys=()):
        self._taken.append(change)
        super().take(change, keys)


def replaced_pairs(content, pairs):
    """The content with its pairs in memory, for those on the disk go."""
    parts = list(pairs.partitions())
    keys, ordinals = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
    fields = {field.name: getattr(content, field.name) for field in dataclasses.fields(content) if field.init}
    return type(content)(**fields | {"pairs": HeldPairs(keys, ordinals)})


def decisions(index, instant, sender, numbers=NUMBERS):
    asked = list(queries(numbers, HOUSES, NAMES, EMAILS, sender.id))
    resolved = resolver_of(index).resolve(asked, sender, instant)
    return [
        (query, one.reason, {target.number for target in one.targets})
        for query, one in zip(asked, resolved, strict=True)
    ]


def assert_same(register, compacted, *, may_lose=()):
    """At every second at which anything may change; of some kinds an answer may be that nobody is found."""
    for instant in register.seconds():
        for sender in SENDERS:
            wanted, found = (decisions(index, instant, sender) for index in (register.index, MemoryIndex(compacted)))
            for (query, reason, numbers), (_, got, got_numbers) in zip(wanted, found, strict=True):
                lost = query.kind in may_lose and not got_numbers and got.name in {"NOT_FOUND", "HELD_FOR_SENDER"}
                assert (got, got_numbers) == (reason, numbers) or lost, (instant, told(query))


replacement = st.tuples(
    st.just("number_replaced"),
    st.just(ANN),
    st.just("2026-10-25T11:00:00Z"),
    st.fixed_dictionaries({"current_number": st.just(NUMBERS[4]), "person": st.just(person(full_name="Ann Bo"))}),
)
claimed = st.tuples(
    st.just("claims"), st.sampled_from([ANN, BO, IDA, KIM]), st.just("2026-10-24T11:00:00Z"), st.sampled_from(EMAILS)
)
events = st.lists(moves | of_people | of_firms | claimed | replacement, min_size=2, max_size=6)
WITHOUT_CLAIMS = [event for event in BASES if not event[0].startswith("email")]


def live(register, events):
    for name, number, time, fields in sorted(events, key=lambda event: event[2]):
        for one in claims(number, fields, time) if name == "claims" else [(name, number, time, fields)]:
            register.take(*one[:3], **one[3])


@settings(max_examples=15, deadline=None)
@given(events)
def test_where_nobody_claimed_an_address_before_nothing_is_lost(events):
    register = CompactedRegister(*WITHOUT_CLAIMS)
    live(register, events)
    assert_same(register, register.compacted())


@settings(max_examples=15, deadline=None)
@given(events, events)
def test_what_was_compacted_goes_on_and_never_reaches_others(first, second):
    """Twice compacted, with changes in between: by e-mail, and by handles of that way, some are lost."""
    register = CompactedRegister(*BASES)
    live(register, first)
    once = register.compacted()
    assert_same(register, once, may_lose={Kind.EMAIL, Kind.HANDLE})
    register.go_on(once)
    live(register, second)
    assert_same(register, register.compacted(), may_lose={Kind.EMAIL, Kind.HANDLE})


def reached(content, query, instant=LATER):
    (decision,) = resolver_of(MemoryIndex(content)).resolve([query], SENDERS[1], parse_time(instant))
    return decision.reason.name, [target.number for target in decision.targets]


def named(name, house):
    return QueryRow("", Kind.FULL_NAME, full_name=name, kvhx=f"07511234__{house}_______")


def by_email(address):
    return QueryRow("", Kind.EMAIL, email_address=address)


def test_who_moved_is_found_at_the_new_home_alone():
    register = CompactedRegister(*consented(ANN, full_name="Ann Bo"), *consented(BO, full_name="Bo Dam"))
    register.take("moved", ANN, "2026-10-25", person=person(full_name="Ann Bo", house_number="14"))
    content = register.compacted()
    assert content.owners == 2
    assert reached(content, named("Ann Bo", "14")) == ("DELIVERABLE", [ANN])
    assert reached(content, named("Ann Bo", "12")) == ("NOT_FOUND", [])
    assert reached(content, named("Bo Dam", "12")) == ("DELIVERABLE", [BO])


def test_of_two_namesakes_neither_is_found_though_one_claims_another_address():
    """The keys of the home can't be told from that of the former address, and stay: the other isn't found alone."""
    namesakes = [*consented(ANN, full_name="Ann Bo"), *consented(BO, full_name="Ann Bo"), *claims(ANN, EMAILS[0])]
    register = CompactedRegister(*namesakes)
    live(register, [("claims", ANN, "2026-10-25", EMAILS[1])])
    content = register.compacted()
    assert reached(content, named("Ann Bo", "12")) == ("AMBIGUOUS_RECIPIENT", [])
    assert reached(content, by_email(EMAILS[0])) == ("NOT_FOUND", [])
    assert reached(content, by_email(EMAILS[1])) == ("NOT_FOUND", [])


def test_a_mailbox_that_is_closed_after_a_compaction_is_found_in_no_way():
    register = CompactedRegister(*consented(ANN, full_name="Ann Bo"), *claims(ANN, EMAILS[0]))
    register.take("moved", ANN, "2026-10-25", person=person(full_name="Ann Bo", house_number="14"))
    register.go_on(register.compacted())
    register.take("mailbox_closed", ANN, "2026-10-26")
    asked = list(queries([ANN], HOUSES, NAMES, EMAILS, SENDERS[1].id))
    for index in (register.index, MemoryIndex(register.compacted())):
        found = resolver_of(index).resolve(asked, SENDERS[1], parse_time(LATER))
        assert not [one for one in found if one.targets]


def test_of_who_was_erased_no_key_is_left():
    register = CompactedRegister(*consented(ANN, full_name="Ann Bo"), *consented(BO, full_name="Bo Dam"))
    before = {key.tobytes() for keys, _ in register.content.pairs.partitions() for key in keys}
    register.take("moved", ANN, "2026-10-25", person=person(full_name="Ann Bo", house_number="14"))
    register.overlay.take(parse_change(message("erased", ANN, "2026-10-26")))
    content = register.compacted()
    assert [one.decode() for one in content.numbers.tolist()] == [BO]
    left = {key.tobytes() for keys, _ in content.pairs.partitions() for key in keys}
    assert left < before
    assert KEY.index_keys.key(KeyKind.CPR, ANN) in before - left


def test_what_is_compacted_again_without_changes_stays_as_it_is():
    register = CompactedRegister(*BASES)
    register.go_on(register.compacted())
    ids = [content_digest(content, KEY.snapshot_secret, b"") for content in (register.content, register.compacted())]
    assert ids[0] == ids[1]
