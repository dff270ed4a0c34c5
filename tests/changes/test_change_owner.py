"""What events do to an owner, held against the rows that the tables would have, read by the builder's own readers."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from change_messages import ANN, BO, EVENTS, FIRM, IDA, KIM, OF_FIRMS, message, person
from resolver_grpc.changes.bearing import effects
from resolver_grpc.changes.owner import apply_change
from resolver_grpc.changes.parsing import parse_change
from resolver_grpc.changes.reasons import ChangeReason, RefusedChangeError
from resolver_grpc.changes.refusing import refusal
from resolver_grpc.changes.state import OwnerState, state_from_index
from resolver_grpc.v1 import change_pb2 as pb
from rows_model import WITH_RECORD, RowsModel, day_is_over, facts_at, holding

# Around the night of 25 October, which has 25 hours; midnights, and instants within days.
TIMES = [f"2026-10-{day}T{clock}" for day in (23, 24, 25, 26) for clock in ("22:00:00Z", "23:00:00Z", "11:00:00Z")]
TIMES += [f"2026-11-0{day}T{clock}" for day in (1, 2, 3) for clock in ("23:00:00Z", "10:00:00Z")]
DAYS = ["2026-10-24", "2026-10-25", "2026-10-26", "2026-11-02", "2026-11-03"]

homes = st.builds(
    person,
    status=st.sampled_from(["01", "01", "03", "20", "80", "90"]),
    house_number=st.sampled_from(["12", "14"]),
    full_name=st.sampled_from(["Ann Bo", "Ann Dam"]),
    protections=st.lists(
        st.builds(pb.Protection, first_day=st.sampled_from([*DAYS, "?"]), last_day=st.sampled_from([*DAYS, ""])),
        max_size=1,
    ),
)
FIELDS = {
    "person": homes,
    "protections": st.lists(
        st.builds(pb.Protection, first_day=st.sampled_from(DAYS), last_day=st.sampled_from([*DAYS, ""])),
        min_size=1,
        max_size=2,
    ),
    "email_address": st.sampled_from(["ann@post.dk", "bo@post.dk"]),
    "current_number": st.sampled_from([IDA, KIM]),
    "sender_id": st.sampled_from(["power", "water"]),
    "last_day": st.sampled_from(["", "2026-11-03", "2026-11-05"]),
    "forwarding_address": st.sampled_from(["post@firm.dk", "curator@law.dk"]),
}


OF_PERSONS = EVENTS.keys() - OF_FIRMS - {"erased"}


def told(names):
    """Events of some names, each at some time: name, time, fields."""

    def of(name):
        fields = {field: FIELDS[field] for field in EVENTS[name] if field in FIELDS}
        return st.tuples(st.just(name), st.sampled_from(TIMES), st.fixed_dictionaries(fields))

    return st.lists(st.sampled_from(sorted(names)).flatmap(of), max_size=12)


def told_of_persons(names):
    """The same, some with the register's record that they may bring along."""

    def brought(event):
        name, time, fields = event
        record = st.builds(lambda one: (name, time, fields | {"person": one}), homes)
        return st.just(event) | record if name in WITH_RECORD else st.just(event)

    return told(names).flatmap(lambda events: st.tuples(*map(brought, events)))


def watched(*states, instants=()):
    """Every instant at which a span begins or ends, or something was told, and the second before each."""
    edges = {edge for state in states for spans in state.facts.values() for span in spans for edge in span}
    edges |= {one for instant in instants for one in (instant, day_is_over(instant))}
    return sorted({second for edge in edges for second in (edge - 1, edge) if 0 <= second < 1 << 32})


def lived(number, events):
    """An owner who opened a mailbox, and went through events: the state, the model and the instants told."""
    state, model, instants, current = None, RowsModel(number), [], number
    for name, time, fields in [("mailbox_opened", "2026-10-23T11:00:00Z", {}), *events]:
        sent = message(name, current, time, **fields)
        try:
            change = parse_change(sent)
        except RefusedChangeError:
            continue
        if refusal(state, change):
            continue
        state = apply_change(state, change)
        model.take(name, change.instant, getattr(sent, name))
        instants.append(change.instant)
        current = state.number
    return state, model, instants


def assert_same(state, model, instants):
    for instant in watched(state, instants=instants):
        assert {state.number: holding(state.facts, instant)} == facts_at([model], instant), instant


@settings(max_examples=150, deadline=None)
@given(told_of_persons(OF_PERSONS))
def test_a_persons_facts_are_those_of_the_rows(events):
    """Whatever happens in whatever order: a row exported at any instant says then what the changes say."""
    state, model, instants = lived(ANN, events)
    assert_same(state, model, instants)
    assert (state.number, list(state.old_numbers)) == (model.number, sorted(model.olds))


@settings(max_examples=150, deadline=None)
@given(told(OF_FIRMS | {"mailbox_opened", "mailbox_closed", "logged_in", "exempted", "exemption_ended", "subscribed"}))
def test_an_organisations_facts_and_forwarding_are_those_of_the_rows(events):
    state, model, instants = lived(FIRM, events)
    assert_same(state, model, instants)
    assert state.forwarding_address == (model.forwarding[1] if model.forwarding else "")


MAIL = ["email_verified", "email_claimed", "email_dropped"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([ANN, BO]), told(MAIL)), max_size=8))
@example([(ANN, [(name, TIMES[0], {"email_address": "ann@post.dk"}) for name in MAIL[:2]])] * 2)
def test_an_address_is_one_owners_at_a_time(courses):
    """A claim that counts ends the other's; the rows of both say so, and nobody shares an address at any instant."""
    states, models = {}, {}
    for number in (ANN, BO):
        events = [("moved", "2026-10-23T11:00:00Z", {"person": person()})]
        states[number], models[number], _ = lived(number, events)
    instants = []
    for number, events in courses:
        other = BO if number == ANN else ANN
        for name, time, fields in events:
            sent = message(name, number, time, **fields)
            change = parse_change(sent)
            states[number] = apply_change(states[number], change)
            models[number].take(name, change.instant, getattr(sent, name))
            instants.append(change.instant)
            for effect in effects(states[number], change, [other]):
                states[other] = apply_change(states[other], effect)
                models[other].take("email_dropped", effect.instant, effect.event)
    for instant in watched(*states.values(), instants=instants):
        held = {number: holding(state.facts, instant) for number, state in states.items()}
        assert held == facts_at(models.values(), instant)
        claimed = [states[number].email_address for number, facts in held.items() if "claim" in facts]
        assert len(set(claimed)) == len(claimed)


def test_the_current_number_brings_the_mailbox_along_and_the_rows_agree():
    events = [
        ("address_consent_given", "2026-10-24T11:00:00Z", {}),
        ("number_replaced", "2026-10-26T11:00:00Z", {"current_number": IDA}),
        ("logged_in", "2026-11-01T11:00:00Z", {}),
    ]
    state, model, instants = lived(ANN, events)
    assert (state.number, state.old_numbers) == (IDA, (ANN,))
    assert_same(state, model, instants)


FOR_REACHING = ["mailbox", "login", "resident", "registered", "consent", "claim", "subscribed/power", "bound/power"]
AGAINST = ["protection", "private_closed", "exempt", "opted_out/power"]


@settings(max_examples=100, deadline=None)
@example([], [("exempted", "2026-11-03T23:00:00Z", {"last_day": "2026-11-03"})])
@given(told(OF_PERSONS - {"number_replaced"}), told(OF_PERSONS - {"number_replaced"}))
def test_of_whom_a_snapshot_alone_tells_no_more_is_reached_than_of_whom_all_is_known(before, after):
    """Home, name, e-mail address and what was withdrawn long ago are not in a snapshot: what is unsure holds back.

    Both see the same events, all later than what the snapshot has.
    """
    full, _, instants = lived(ANN, [(name, time.replace("2026-1", "2025-1"), fields) for name, time, fields in before])
    bare = state_from_index(full.number, full.old_numbers, full.facts)
    for name, time, fields in after:
        try:
            change = parse_change(message(name, ANN, time, **fields))
        except RefusedChangeError:
            continue
        full, bare = apply_change(full, change), apply_change(bare, change)
        instants.append(change.instant)
    for instant in watched(full, bare, instants=instants):
        more, less = holding(full.facts, instant), holding(bare.facts, instant)
        assert {fact for fact in FOR_REACHING if fact in less} <= more
        assert {fact for fact in AGAINST if fact in more} <= less


def test_nothing_holds_of_who_was_erased_until_a_mailbox_is_opened_anew():
    state, _, _ = lived(ANN, [("subscribed", TIMES[0], {}), ("moved", TIMES[0], {}), ("protection_set", TIMES[0], {})])
    erased = apply_change(state, parse_change(message("erased", ANN, "2105-01-01")))
    assert erased == OwnerState(ANN)
    assert refusal(erased, parse_change(message("logged_in", ANN, TIMES[1]))) is ChangeReason.UNKNOWN_OWNER
    anew = apply_change(erased, parse_change(message("mailbox_opened", ANN, TIMES[0])))
    assert set(anew.facts) == {"mailbox", "login"}
