"""Server and rows side by side: whatever happens, when, and through whichever restarts, they never differ."""

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from access_nursery import outcome
from change_nursery import Clock, new_log, registering, unchanged
from change_rows import ASKED, EMAILS, FIRM, HAPPENING, HOMES, OF_FIRMS, PEOPLE, SENDERS, Rows, happening
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from change_messages import message
from resolver_grpc.model import Reason
from resolver_grpc.times import danish_day, danish_midnight, day_after
from resolver_grpc.v1 import change_service_pb2 as wire
from small_register import NOON


class ServerAndRows(RuleBasedStateMachine):
    """Changes, questions, days that pass, restarts and erasures."""

    register = None

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp(dir=self.register.directory.parent))
        self.log = new_log(self.folder / "log", self.register.key)
        self.rows, self.clock, self.stack, self.count = Rows(), Clock(NOON), ExitStack(), 0
        self.start()

    def start(self):
        self.registrar = self.stack.enter_context(registering(self.register, self.log, self.folder, clock=self.clock))

    def send(self, *changes):
        """Sends changes of now; tells which were taken."""
        sent = []
        for name, number, fields in changes:
            self.count += 1
            sent.append(message(name, number, None, f"c-{self.count}", **fields))
            sent[-1].effective_time.seconds = self.clock.instant
        for one, told in zip(sent, self.registrar.apply(*sent), strict=True):
            if told.sequence:
                self.rows.edit(one.number, one, self.clock.instant)

    @rule(number=st.sampled_from(PEOPLE), event=happening(HAPPENING))
    def happens_to_a_person(self, number, event):
        name, fields = event
        if name == "erased":
            self.erase(number)
        else:
            self.send((name, number, fields))

    @rule(event=happening(OF_FIRMS))
    def happens_to_the_firm(self, event):
        self.send((event[0], FIRM, event[1]))

    @rule(number=st.sampled_from(PEOPLE), homes=st.lists(HOMES, min_size=2, max_size=3))
    def moves_and_moves_on_in_one_message(self, number, homes):
        self.send(*(("moved", number, {"person": home}) for home in homes))

    @rule(number=st.sampled_from(PEOPLE))
    def claims_an_address(self, number):
        fields = {"email_address": EMAILS[number]}
        self.send(("email_verified", number, fields), ("email_claimed", number, fields))

    def erase(self, number):
        self.count += 1
        request = wire.EraseOwnerRequest(number=number, change_id=f"c-{self.count}")
        call = self.registrar.changes.EraseOwner
        told = outcome(lambda: call(request, metadata=self.registrar.registrar))
        is_held = number in self.rows.models and self.rows.models[number].opened is not None
        assert told == (("OK", "") if is_held else ("NOT_FOUND", "UNKNOWN_OWNER"))
        if is_held:
            self.rows.edit(number, message("erased", number), self.clock.instant)

    @rule(seconds=st.sampled_from([1, 3_600, 86_400, 7 * 86_400]))
    def time_passes(self, seconds):
        self.clock.instant += seconds

    @rule(by=st.sampled_from([-1, 0]))
    def midnight_comes(self, by):
        midnight = danish_midnight(day_after(danish_day(self.clock.instant))) + by
        self.clock.instant = max(self.clock.instant, midnight)

    @rule()
    def the_server_is_started_anew(self):
        self.stack.close()
        self.start()

    @invariant()
    def server_and_rows_say_the_same(self):
        if not hasattr(self, "registrar"):
            return
        for sender in SENDERS:
            wanted = self.rows.told(sender, self.clock.instant)
            decisions = self.registrar.resolve(*ASKED, sender_id=sender.id).decisions
            for query, want, decision in zip(ASKED, wanted, decisions, strict=True):
                targets = [(target.number, target.forwarding_address) for target in decision.targets]
                assert (Reason(decision.reason).name, targets) == want, query.kind

    def teardown(self):
        if hasattr(self, "stack"):
            self.stack.close()
            shutil.rmtree(self.folder)


def test_server_and_rows_never_differ(tmp_path):
    ServerAndRows.register = unchanged(tmp_path, **Rows().tables())
    run_state_machine_as_test(
        ServerAndRows,
        settings=settings(
            max_examples=12, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
