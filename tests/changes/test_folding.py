"""Folding: a snapshot of tables and the changes after them resolves what one of the rows after the changes does."""

import tempfile
from pathlib import Path
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from overlay_nursery import EXPORTED, KEY, SENDERS, WINDOW, Register, content_of, queries, resolver_of, told

from blank_rows import blank
from change_messages import ANN, BO, EVENTS, FIRM, IDA, KIM, OF_FIRMS, message, person
from resolver_grpc.build.bulk.drafting import draft_content
from resolver_grpc.build.fold.later import fold_changes
from resolver_grpc.build.report import Stages
from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS
from resolver_grpc.build.tables import TableMeta, open_table, write_table
from resolver_grpc.changes.parsing import parse_change
from resolver_grpc.index.content import content_digest
from resolver_grpc.index.memory import MemoryIndex
from resolver_grpc.index.pairs import SpilledPairs
from resolver_grpc.keys import KeyKind
from resolver_grpc.v1 import change_pb2 as pb
from small_register import quiet

LIS = "0909889012"
AT_TWELVE = {"municipality_code": "0751", "road_code": "1234", "house_number": "12", "postal_code": "8000"}
TABLES = (PERSONS, MAILBOXES, RELATIONS)
NUMBERS = [ANN, BO, IDA, KIM, LIS, FIRM]
HOUSES = ["12", "14", "16"]
NAMES = ["Ann Bo", "Ann Dam", "Bo Dam", "Ann Sø", "Bo Sø"]
EMAILS = ["ann@post.dk", "bo@post.dk"]
TIMES = [f"2026-10-{day}T{clock}" for day in (23, 24, 25, 26) for clock in ("22:00:00Z", "23:00:00Z", "11:00:00Z")]


class Logged:
    """A log of changes that begins with the first and never was on a disk."""

    def __init__(self, changes, first=1):
        self.first, self.last, self._changes = first, first + len(changes) - 1, changes

    def since(self, sequence):
        return (one for one in enumerate(self._changes, start=self.first) if one[0] > sequence)


class FoldedRegister(Register):
    """A register that remembers the changes that it took, and the rows before the first and after each."""

    def __init__(self, *before):
        super().__init__(*before)
        self.changes, self.exports = [], [self.rows_at(EXPORTED)]

    def take(self, name, number, time, **fields):
        taken = super().take(name, number, time, **fields)
        if taken:
            self.changes.append(parse_change(message(name, number, time, **fields)))
            self.exports.append(self.rows_at(EXPORTED))
        return taken

    def folded(self, *sequences):
        """What a snapshot holds of the tables as each was exported at its sequence, with the changes folded in."""
        with tempfile.TemporaryDirectory() as name, SpilledPairs(Path(name)) as pairs:
            tables = write_exports(Path(name), self.exports, sequences or (0, 0, 0))
            folded = fold_changes(tables, Logged(self.changes), WINDOW, Stages(quiet))
            drafted = draft_content(folded, KEY.index_keys, WINDOW, pairs, Stages(quiet))
            pairs.sort(lambda _: None)
            assert not drafted.rejects.rows
            return Folded(MemoryIndex(drafted.content), content_digest(drafted.content, KEY.snapshot_secret, b""))

    def rebuilt_id(self):
        """The id of what a snapshot holds of the rows after all changes."""
        return content_digest(content_of(self.exports[-1]), KEY.snapshot_secret, b"")


class Folded(NamedTuple):
    index: MemoryIndex
    snapshot_id: bytes


def write_exports(folder, exports, sequences):
    """Writes tables, each of them exported after some changes, and opens these."""
    for place, (table, sequence) in enumerate(zip(TABLES, sequences, strict=True)):
        meta = TableMeta(sequence, "2026-10-23" if table is PERSONS else "")
        with write_table(folder / f"{table.name}.csv", table, meta) as out:
            for row in (row for of_owner in exports[sequence] for row in of_owner[place]):
                out.write(row)
    return [open_table(folder / f"{table.name}.csv", table) for table in TABLES]


def assert_same(register, *sequences):
    """At every second at which anything may change, of the folded tables and of the rows exported then."""
    folded = resolver_of(register.folded(*sequences).index)
    for instant in register.seconds():
        built = resolver_of(register.built(instant))
        for sender in SENDERS:
            asked = list(queries(NUMBERS, HOUSES, NAMES, EMAILS, sender.id))
            wanted, found = built.resolve(asked, sender, instant), folded.resolve(asked, sender, instant)
            for query, want, get in zip(asked, wanted, found, strict=True):
                assert get == want, (instant, told(query))


def opened(number):
    return [("mailbox_opened", number, "2026-01-01", {})]


def consented(number, time="2026-02-01", **cells):
    return [*opened(number), ("address_consent_given", number, time, {"person": person(**cells)})]


def claims(number, address, time="2026-02-01"):
    fields = {"email_address": address}
    return [("email_verified", number, time, fields), ("email_claimed", number, time, fields)]


BASES = [
    *consented(ANN, full_name="Ann Bo"),
    *consented(BO, full_name="Bo Dam"),
    *consented(IDA, full_name="Ann Dam", house_number="14"),
    *opened(FIRM),
    ("forwarding_set", FIRM, "2026-02-01", {"forwarding_address": "post@firm.dk", "last_day": ""}),
    *claims(BO, EMAILS[1]),
]
VALUES = {
    "person": st.builds(
        person,
        status=st.sampled_from(["01", "01", "01", "20", "90"]),
        house_number=st.sampled_from(["12", "14"]),
        full_name=st.sampled_from(["Ann Sø", "Bo Sø", "Ann Bo"]),
    ),
    "email_address": st.sampled_from(EMAILS),
    "sender_id": st.sampled_from(["power", "town"]),
    "last_day": st.sampled_from(["", "2026-10-25", "2026-11-05"]),
    "forwarding_address": st.sampled_from(["new@firm.dk", "curator@law.dk"]),
    "current_number": st.just(LIS),
    "protections": st.lists(
        st.builds(
            pb.Protection,
            first_day=st.sampled_from(["2026-10-24", "2026-10-25", "?"]),
            last_day=st.sampled_from(["2026-10-25", "2026-10-26", ""]),
        ),
        min_size=1,
        max_size=2,
    ),
}
PEOPLE = [ANN, BO, IDA, KIM]
OF_BOTH = {"mailbox_opened", "mailbox_closed", "logged_in", "private_post_ended", "exempted", "exemption_ended"}
OF_BOTH |= {"subscribed", "unsubscribed", "bound", "agreement_ended", "opted_out", "opt_out_cancelled"}


def past(events):
    """Events of days that were over when the tables were exported."""
    return events.map(lambda event: (*event[:2], event[2].replace("10-2", "10-1"), event[3]))


def happening(numbers, names):
    def of(name):
        fields = {field: VALUES[field] for field in EVENTS[name] if field in VALUES}
        return st.tuples(st.just(name), st.sampled_from(numbers), st.sampled_from(TIMES), st.fixed_dictionaries(fields))

    return st.sampled_from(sorted(names)).flatmap(of)


of_people = happening(PEOPLE, EVENTS.keys() - OF_FIRMS - {"number_replaced"})
moves = happening(PEOPLE, {"moved", "renamed", "address_consent_given", "address_consent_withdrawn", "mailbox_opened"})
of_firms = happening([FIRM], OF_FIRMS | OF_BOTH)
replacement = happening([ANN], {"number_replaced"})


def taking(unknown, events):
    """A register that took events in the order of their times."""
    register = FoldedRegister(*[event for event in BASES if event[1] not in unknown])
    for name, number, time, fields in sorted(events, key=lambda event: event[2]):
        register.take(name, number, time, **fields)
    return register


unknown = st.lists(st.sampled_from([ANN, BO, IDA, FIRM]), unique=True, max_size=1)


@settings(max_examples=15, deadline=None)
@given(unknown, st.lists(moves | of_people | of_firms, min_size=2, max_size=4), st.lists(replacement, max_size=1))
def test_of_folded_tables_is_resolved_what_is_of_the_rows_after_the_changes(unknown, events, replaced):
    """All kinds, for private and public senders, at the second before, at and after each change."""
    assert_same(taking(unknown, events + replaced))


@settings(max_examples=15, deadline=None)
@given(
    unknown,
    st.lists(past(moves | of_people), min_size=2, max_size=8),
    st.lists(past(replacement), max_size=1),
    st.tuples(*[st.integers(0, 9)] * 3),
)
def test_tables_of_different_sequences_come_to_one_snapshot(unknown, events, replaced, sequences):
    """Of each change every table takes what it doesn't say yet, and nothing twice: the id is that of the rows."""
    register = taking(unknown, events + replaced)
    sequences = [min(sequence, len(register.changes)) for sequence in sequences]
    assert register.folded(*sequences).snapshot_id == register.rebuilt_id()


def test_who_opens_a_mailbox_lives_where_the_table_of_persons_says():
    """No change told of the home: the register has everybody, with a mailbox or without."""
    register = FoldedRegister(*consented(BO))
    told = [("mailbox_opened", {}), ("address_consent_given", {"person": person(full_name="Kim Dam")})]
    for name, fields in told:
        register.take(name, KIM, "2026-10-13", **fields)
    persons = [blank(PERSONS, number=KIM, status="01", full_name="Kim Dam", **AT_TWELVE)]
    register.exports[0] = [*register.exports[0], (persons, [], [])]
    register.changes = [*register.changes[:1], parse_change(message("logged_in", KIM, "2026-10-14"))]
    index = register.folded().index
    (ordinal,) = index.find([KEY.index_keys.key(KeyKind.CPR, KIM)])[0]
    assert index.spans_of(ordinal).keys() == {"mailbox", "login", "resident", "registered"}


def test_who_was_erased_is_no_owner_and_the_others_stay():
    register = FoldedRegister(*consented(ANN), *consented(BO, full_name="Bo Dam"))
    register.changes = [parse_change(message("erased", ANN, "2026-10-13"))]
    register.exports.append(register.exports[0])
    index = register.folded().index
    assert [index.number(ordinal) for ordinal in range(index.owners)] == [BO]


def test_a_claim_ends_that_only_a_table_tells_of():
    """Nobody but the claimant is named by a change; the other is found by the address."""
    register = FoldedRegister(*opened(ANN), *claims(BO, EMAILS[0]), *opened(BO))
    for name in ("email_verified", "email_claimed"):
        register.take(name, ANN, "2026-10-13", email_address=EMAILS[0])
    assert register.folded().snapshot_id == register.rebuilt_id()
    index = register.folded().index
    (ordinal,) = index.find([KEY.index_keys.key(KeyKind.CPR, BO)])[0]
    assert index.spans_of(ordinal)["claim"][0][1] <= EXPORTED
