"""The compiled policy against the rules themselves, over all facts, for senders of every sort."""

import itertools

import pytest

from resolver_grpc.model import Kind, Reason, Role, Route, Sender, SenderClass
from resolver_grpc.policy import compiled
from resolver_grpc.policy.compiled import code_of, compile_policy
from resolver_grpc.policy.disclosure import tells_numbers, tells_targets, told
from resolver_grpc.policy.table import Candidates, Facts, reaches_resident

KINDS = tuple(kind for kind in Kind if kind is not Kind.UNSPECIFIED)
KINDS_OF_SENDERS = {
    "all": frozenset(KINDS),
    "none": frozenset(),
    "numbers": frozenset({Kind.CPR, Kind.CVR}),
    "unspecified too": frozenset(Kind),
}
FLAGS = (False, True)
OWNER_FLAGS = ("exempt", "opted_out", "bound", "subscribed", "forwarding")
QUERY_FLAGS = ("can_be_posted", "personal_content", "several_roads")


def every_facts(kinds):
    """All facts of queries that can be read."""
    names = ("kind", "candidates", *QUERY_FLAGS, *OWNER_FLAGS)
    for values in itertools.product(kinds, Candidates, *[FLAGS] * len(QUERY_FLAGS + OWNER_FLAGS)):
        yield Facts(**dict(zip(names, values, strict=True)))


FACTS = tuple(every_facts(KINDS))


def every_sender(sender_class, kinds):
    """Every combination of traits, also those that no onboarding lets pass."""
    names = ("mandatory", "terms_consent", "hold", "fallback")
    for values in itertools.product(FLAGS, FLAGS, FLAGS, (Route.REJECT, Route.LETTER)):
        traits = dict(zip(names, values, strict=True))
        yield Sender("nordkraft", "Nordkraft", "13585628", sender_class, kinds=kinds, **traits)


def outcome(policy, code):
    return policy.routes[code], policy.reasons[code]


@pytest.mark.parametrize("role", [Role.INTAKE, Role.DELIVERY])
@pytest.mark.parametrize("sender_class", SenderClass)
@pytest.mark.parametrize("kinds", KINDS_OF_SENDERS.values(), ids=KINDS_OF_SENDERS)
def test_every_facts_come_out_as_the_rules_say(sender_class, kinds, role):
    codes = [code_of(facts) for facts in FACTS]
    for sender in every_sender(sender_class, kinds):
        policy = compile_policy(sender, role)
        differing = [
            facts
            for facts, code in zip(FACTS, codes, strict=True)
            if outcome(policy, code) != told(facts, sender, role)
        ]
        assert differing == []


@pytest.mark.parametrize("role", Role)
def test_of_targets_each_kind_has_what_the_role_is_told(role):
    for kind, of_target in zip(
        Kind, compile_policy(next(every_sender(SenderClass.PRIVATE, KINDS)), role).targets, strict=True
    ):
        assert bool(of_target & compiled.TELLS_HANDLE) == tells_targets(kind, role)
        assert bool(of_target & compiled.TELLS_NUMBER) == (tells_targets(kind, role) and tells_numbers(role))


@pytest.mark.parametrize("role", [Role.REGISTRAR, Role.OPERATOR])
def test_roles_that_resolve_nothing_would_be_told_what_intake_is(role):
    for sender in every_sender(SenderClass.PRIVATE, frozenset(KINDS)):
        assert compile_policy(sender, role) == compile_policy(sender, Role.INTAKE)


@pytest.mark.parametrize("sender_class", SenderClass)
def test_every_resident_is_reached_as_the_rules_say(sender_class):
    """The five flags of the owner are enough: no other fact of an ADDRESS query makes a difference."""
    residents = [facts for facts in FACTS if facts.kind is Kind.ADDRESS]
    met = set()
    for sender in every_sender(sender_class, frozenset(KINDS)):
        reaches = compile_policy(sender, Role.DELIVERY).reaches_resident
        for facts in residents:
            reached = reaches[code_of(facts) % compiled.OWNER_CODES]
            assert reached == reaches_resident(facts, sender)
            met.add(reached)
    assert met == {0, 1}


@pytest.mark.parametrize("sender_class", SenderClass)
def test_the_arrays_are_as_long_as_there_are_codes(sender_class):
    for sender in every_sender(sender_class, frozenset(KINDS)):
        policy = compile_policy(sender, Role.DELIVERY)
        assert len(policy.routes) == len(policy.reasons) == 8192
        assert len(policy.reaches_resident) == 32
        assert set(policy.routes) <= set(Route)
        assert set(policy.reasons) <= set(Reason)
        assert set(policy.reaches_resident) <= {0, 1}


@pytest.mark.parametrize("sender_class", SenderClass)
@pytest.mark.parametrize("kinds", KINDS_OF_SENDERS.values(), ids=KINDS_OF_SENDERS)
def test_codes_that_no_query_has_are_refused_or_count_as_several(sender_class, kinds):
    for sender in every_sender(sender_class, kinds):
        policy = compile_policy(sender, Role.DELIVERY)
        for code in range(8192):
            if code >> 8 & 7 == Kind.UNSPECIFIED:
                assert outcome(policy, code) == (Route.REJECT, Reason.INVALID_KIND)
            elif code >> 5 & 3 == 3:
                assert outcome(policy, code) == outcome(policy, code - (1 << 5))


NOTHING = Facts(Kind.UNSPECIFIED, can_be_posted=False)


@pytest.mark.parametrize(
    ("fact", "value", "constant", "code"),
    [
        ("exempt", True, compiled.EXEMPT, 1),
        ("opted_out", True, compiled.OPTED_OUT, 2),
        ("bound", True, compiled.BOUND, 4),
        ("subscribed", True, compiled.SUBSCRIBED, 8),
        ("forwarding", True, compiled.FORWARDING, 16),
        ("candidates", Candidates.NONE, 0 << compiled.CANDIDATES_SHIFT, 0),
        ("candidates", Candidates.ONE, 1 << compiled.CANDIDATES_SHIFT, 32),
        ("candidates", Candidates.SEVERAL, 2 << compiled.CANDIDATES_SHIFT, 64),
        ("can_be_posted", True, compiled.CAN_BE_POSTED, 128),
        *[("kind", kind, kind << compiled.KIND_SHIFT, 256 * kind) for kind in Kind],
        ("several_roads", True, compiled.SEVERAL_ROADS, 2048),
        ("personal_content", True, compiled.PERSONAL_CONTENT, 4096),
    ],
)
def test_the_layout_is_what_the_constants_say(fact, value, constant, code):
    """A kernel is handed the constants; written down here, so that moving a bit is a deliberate act."""
    assert code_of(NOTHING._replace(**{fact: value})) == constant == code


def test_the_facts_of_a_code_add_up():
    """Each fact has bits of its own: the code of many facts is the sum of the codes of each."""
    for facts in every_facts(Kind):
        alone = [
            code_of(NOTHING._replace(**{name: value}))
            for name, value in facts._asdict().items()
            if name not in {"unreadable", "came_from"}
        ]
        assert code_of(facts) == sum(alone)


def test_different_facts_have_different_codes():
    codes = {code_of(facts) for facts in every_facts(Kind)}
    assert codes == {code for code in range(compiled.CODES) if code >> 5 & 3 != 3}
    assert len(codes) == sum(1 for _ in every_facts(Kind))


def test_a_query_that_cant_be_read_has_no_code():
    with pytest.raises(AssertionError):
        code_of(Facts(Kind.CPR, unreadable=Reason.INVALID_NUMBER))


def test_a_query_with_a_handle_has_no_code():
    with pytest.raises(AssertionError):
        code_of(Facts(Kind.HANDLE, came_from=Kind.CPR))
