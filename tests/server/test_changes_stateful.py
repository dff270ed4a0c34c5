"""Server and rows side by side: whatever happens, when, and over whichever snapshots, they never differ."""

import shutil
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from access_nursery import outcome
from change_nursery import Clock
from change_rows import (
    ASKED,
    EMAILS,
    FIRM,
    HAPPENING,
    HOMES,
    KEY,
    LIS,
    OF_FIRMS,
    PEOPLE,
    SENDERS,
    Rows,
    by_handle,
    happening,
)
from change_store import ChangingStore, Export
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from change_messages import message
from resolver_grpc.model import Kind, Reason
from resolver_grpc.rows.cells import Span
from resolver_grpc.snapshot.files import read_manifest
from resolver_grpc.times import danish_day, danish_midnight, day_after, register_window
from resolver_grpc.v1 import change_pb2 as pb
from resolver_grpc.v1 import change_service_pb2 as wire
from rows_model import WITH_RECORD
from small_register import NOON

ASKING = [(sender, [*ASKED, *(query for query, _, _ in by_handle(sender.id))]) for sender in SENDERS]
UNDER = {query.handle: (number, way) for sender in SENDERS for query, number, way in by_handle(sender.id)}
NOBODY = ("NOT_FOUND", [])
# An erasure of who has old numbers is left out: after the next build nothing links these with one another.
OF_PEOPLE = {name: fields for name, fields in HAPPENING.items() if name != "erased"}

AWAY = {
    "mailbox_closed": ({}, "mailbox_opened"),
    "protection_set": ({"protections": [pb.Protection(first_day="2026-01-01")]}, "protection_lifted"),
    "address_consent_withdrawn": ({}, "address_consent_given"),
}
"""What takes somebody out of reach, with its fields, and what brings them back."""


@dataclass(frozen=True)
class Ignorance:
    """What a server can't know over a snapshot until the next build, and the rows can: it reaches nobody then.

    Of the keys of a snapshot nobody knows of what they are, and of a claim without a key it is not known whom it is to
    (ADR 0027, "Where it reaches fewer than the next build"; ADR 0032, "Old keys are given up").

    Attributes:
        claims: those of whose claim to an e-mail address there is no key, unless they claimed one after ``contained``.
        contained: the last change that the snapshot contains.
        built: the last change that the tables held, or that was folded in; a compaction goes on from there.
        is_compacted: whether of those of whom changes told after ``built`` the old keys may have been given up.
    """

    claims: frozenset
    contained: int
    built: int
    is_compacted: bool = False


class ServerAndRows(RuleBasedStateMachine):
    """Changes, questions, days that pass, restarts, erasures; builds, swaps there and back, compactions, trimming."""

    @initialize()
    def begin(self):
        self.folder, self.clock = Path(tempfile.mkdtemp(dir=self.parent)), Clock(NOON)
        self.rows, self.count, self.told = Rows(), 0, []
        self.store, self.ignorance = ChangingStore(self.folder, KEY, self.clock), {}
        self.export = Export(self.rows.tables(), 0, danish_day(NOON))
        self.out_of_reach = frozenset()
        self.take_up(self.store.build(self.export), Ignorance(frozenset(), 0, 0))
        self.store.start()

    @property
    def registrar(self):
        return self.store.registrar

    @property
    def window(self):
        """The horizon of what is live."""
        return self.window_of(self.store.live)

    def window_of(self, number):
        return Span(*register_window(date.fromisoformat(self.manifest(number).register_date)))

    def manifest(self, number):
        return read_manifest(self.store.made[number])

    def send(self, *changes):
        """Sends changes of now in one message; edits the rows by those that were taken."""
        sent = []
        for name, number, fields in changes:
            self.count += 1
            sent.append(message(name, number, None, f"c-{self.count}", **fields))
            sent[-1].effective_time.seconds = self.clock.instant
        for one, told in zip(sent, self.registrar.apply(*sent), strict=True):
            is_known = self.is_held(one.number) or one.WhichOneof("event") == "mailbox_opened"
            assert is_known == (wire.ChangeReason.Name(told.reason) != "CHANGE_REASON_UNKNOWN_OWNER")
            if told.sequence:
                self.rows.edit(one.number, one, self.clock.instant)
                self.told.append((told.sequence, self.rows.models[one.number], one))

    def is_held(self, number):
        return number in self.rows.models and self.rows.models[number].opened is not None

    @rule(events=st.lists(st.tuples(st.sampled_from([*PEOPLE, LIS]), happening(OF_PEOPLE)), min_size=1, max_size=4))
    def happens_to_people(self, events):
        self.send(*((name, number, fields) for number, (name, fields) in events))

    @rule(event=happening(OF_FIRMS))
    def happens_to_the_firm(self, event):
        self.send((event[0], FIRM, event[1]))

    @rule(number=st.sampled_from(PEOPLE), address=st.sampled_from(sorted(EMAILS.values())))
    def claims_an_address(self, number, address):
        """A second later: whose claim a tie is with, the rows may know alone."""
        self.pass_to(self.clock.instant + 1)
        fields = {"email_address": address}
        self.send(("email_verified", number, fields), ("email_claimed", number, fields))

    @rule(number=st.sampled_from(PEOPLE))
    def drops_the_address(self, number):
        if self.is_held(number) and (address := self.rows.models[number].email):
            self.send(("email_dropped", number, {"email_address": address}))

    @precondition(lambda self: LIS not in self.rows.models)
    @rule(number=st.sampled_from(PEOPLE), home=HOMES)
    def a_number_is_replaced(self, number, home):
        self.send(("number_replaced", number, {"current_number": LIS, "person": home}))

    @rule(number=st.sampled_from(PEOPLE))
    def is_erased(self, number):
        if number in self.rows.models and self.rows.models[number].olds:
            return
        self.count += 1
        request = wire.EraseOwnerRequest(number=number, change_id=f"c-{self.count}")
        call = self.registrar.changes.EraseOwner
        told = outcome(lambda: call(request, metadata=self.registrar.registrar))
        assert told == (("OK", "") if self.is_held(number) else ("NOT_FOUND", "UNKNOWN_OWNER"))
        if self.is_held(number):
            self.rows.edit(number, message("erased", number), self.clock.instant)

    @rule(seconds=st.sampled_from([1, 3_600, 86_400, 7 * 86_400]))
    def time_passes(self, seconds):
        self.pass_to(self.clock.instant + seconds)

    @rule()
    def the_second_before_midnight_comes(self):
        self.pass_to(max(self.clock.instant, self.next_midnight() - 1))

    @rule()
    def tables_are_exported_at_midnight(self):
        self.pass_to(self.next_midnight())
        self.tables_are_exported()

    def next_midnight(self):
        return danish_midnight(day_after(danish_day(self.clock.instant)))

    def pass_to(self, instant):
        """Lets time pass; before a snapshot is past its horizon, where it reaches fewer, another one is built."""
        if instant >= self.window.end:
            self.clock.instant = danish_midnight(danish_day(instant))
            self.tables_are_exported()
            self.a_snapshot_is_built_of_the_tables(folds=False)
        self.clock.instant = max(self.clock.instant, instant)

    def tables_are_exported(self):
        day = danish_day(self.clock.instant)
        self.export = Export(self.rows.tables(self.clock.instant), self.store.log.last_sequence(), day)
        self.out_of_reach = frozenset(self.rows.claiming_out_of_reach(self.clock.instant, Span(*register_window(day))))

    @rule(folds=st.booleans())
    def a_snapshot_is_built_of_the_tables(self, folds):
        """What came after the tables is folded in, or laid over the snapshot."""
        last, sequence = self.store.log.last_sequence(), self.export.sequence
        if self.export.sequence + 1 < self.store.log.first_sequence() or self.is_over(self.export.day):
            return
        if folds:
            window = Span(*register_window(self.export.day))
            out_of_reach = self.rows.claiming_out_of_reach(self.clock.instant, window)
            ignorance = Ignorance(frozenset(out_of_reach), last, last)
        else:
            ignorance = Ignorance(self.out_of_reach, sequence, sequence)
        self.take_up(self.store.build(self.export, folds=folds), ignorance)

    @rule(number=st.sampled_from(PEOPLE), way=st.sampled_from(sorted(AWAY)), home=HOMES, is_told=st.booleans())
    def comes_back_while_a_snapshot_is_built(self, number, way, home, is_told):
        """Out of reach in the tables, so that the snapshot has no keys, and within reach by what is laid over it."""
        leaves, comes_back = AWAY[way]
        self.send((way, number, leaves))
        self.tables_are_exported_at_midnight()
        self.send((comes_back, number, {"person": home} if is_told or comes_back not in WITH_RECORD else {}))
        self.a_snapshot_is_built_of_the_tables(folds=False)

    def is_over(self, day):
        return self.clock.instant >= register_window(day)[1]

    @rule()
    def the_live_snapshot_is_compacted(self):
        known = self.ignorance[self.store.live]
        contained = self.store.log.last_sequence()
        self.take_up(self.store.compact(), Ignorance(self.unclaimed(), contained, known.built, is_compacted=True))

    def take_up(self, snapshot, ignorance):
        """Has a snapshot served; what is told later is of a later second, for the rows alone know a tie with before."""
        number = self.store.serve(snapshot)
        if number:
            self.ignorance[number] = ignorance
        self.pass_to(self.clock.instant + 1)

    @rule(data=st.data())
    def another_generation_is_rolled_back_to(self, data):
        first = self.store.log.first_sequence()
        number = data.draw(st.sampled_from(sorted(self.store.made)))
        manifest = self.manifest(number)
        is_other = manifest.snapshot_id != self.manifest(self.store.live).snapshot_id
        if is_other and manifest.change_sequence + 1 >= first and self.clock.instant < self.window_of(number).end:
            self.store.roll_back(number)

    @rule()
    def the_log_is_trimmed(self):
        self.store.trim()

    @rule()
    def the_server_is_started_anew(self):
        self.store.stop()
        self.store.start()

    @invariant()
    def server_and_rows_say_the_same(self):
        if not hasattr(self, "store"):
            return
        for (sender, asked), wanted in zip(ASKING, self.rows.told(ASKING, self.clock.instant), strict=True):
            decisions = self.registrar.resolve(*asked, sender_id=sender.id).decisions
            for query, want, decision in zip(asked, wanted, decisions, strict=True):
                targets = [(target.number, target.forwarding_address) for target in decision.targets]
                found = (Reason(decision.reason).name, targets)
                assert found == want or (found == NOBODY and self.may_find_nobody(query)), query.kind

    def may_find_nobody(self, query):
        """Where ``Ignorance`` lets the server reach nobody though the rows reach somebody, and nowhere else.

        By an e-mail address, and by a handle of that way; by an old number after a compaction; and by a handle that
        was made under a number that was old already.
        """
        if query.kind is Kind.EMAIL:
            return any(model.email == query.email_address for model in self.unclaimed())
        number, way = UNDER.get(query.handle, (query.number, None))
        model = self.rows.models.get(number)
        is_old = model and model.number != number and model in self.told_of(self.ignorance[self.store.live].built)
        if way is None:
            return is_old and self.ignorance[self.store.live].is_compacted
        return is_old or (way is Kind.EMAIL and model in self.unclaimed())

    def unclaimed(self):
        """Those whose claim to an e-mail address the server may not know."""
        known = self.ignorance[self.store.live]
        given_up = self.told_of(known.built) if known.is_compacted else frozenset()
        return (known.claims | given_up) - self.told_of(known.contained, {"email_claimed"})

    def told_of(self, sequence, names=None):
        """Those of whom a change after a sequence told a home or a claim."""
        return frozenset(
            model
            for at, model, sent in self.told
            if at > sequence and (sent.WhichOneof("event") in names if names else tells(sent))
        )

    def teardown(self):
        if hasattr(self, "store"):
            self.store.stop()
            shutil.rmtree(self.folder)


def tells(sent):
    """Whether a change tells a home or a claim."""
    event = getattr(sent, sent.WhichOneof("event"))
    fields = event.DESCRIPTOR.fields_by_name
    return ("person" in fields and event.HasField("person")) or "email_address" in fields


def test_server_and_rows_never_differ(tmp_path):
    ServerAndRows.parent = tmp_path
    run_state_machine_as_test(
        ServerAndRows,
        settings=settings(
            max_examples=10, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
