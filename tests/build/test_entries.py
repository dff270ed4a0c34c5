"""Which keys lead to an owner: all that may be asked for, and none that can't be reached."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blank_rows import ANN, BO, FIRM, KIM, at, mailbox, person, road, sources_of
from resolver_grpc.build.entries import Entries, reachable_within
from resolver_grpc.build.owners import join_owners
from resolver_grpc.canonical.address_line import parse_address_line
from resolver_grpc.canonical.kvhx import parse_kvhx
from resolver_grpc.keys import IndexKeys, KeyKind
from resolver_grpc.model import Fact, Kind, SenderClass
from resolver_grpc.policy.reach import condition, reachable
from resolver_grpc.rows.cells import Span

KEYS = IndexKeys(b"k" * 32)
WINDOW = Span(at("2026-11-01"), at("2026-11-08"))
HOME = {
    "municipality_code": "0751",
    "road_code": "1234",
    "short_street_name": "Vestergade",
    "postal_code": "8000",
    "house_number": "12",
    "floor": "3",
    "door": "tv",
}
CONSENT = {"address_consent_given": "2024-01-01", "last_login": "2026-01-01"}
NEEDED = {Kind.ADDRESS: (Fact.RESIDENT, Fact.CONSENT), Kind.EMAIL: (Fact.REGISTERED, Fact.CLAIM)}

SPANS = st.builds(Span, st.integers(0, 9), st.integers(0, 9))
FACTS = st.dictionaries(
    st.sampled_from([fact for fact in Fact if fact not in {Fact.MAILBOX, Fact.LOGIN}]), st.lists(SPANS, max_size=3)
)
OPEN = st.fixed_dictionaries({Fact.MAILBOX: st.lists(SPANS, max_size=3), Fact.LOGIN: st.lists(SPANS, max_size=3)})


@given(FACTS, OPEN, st.sampled_from([Kind.ADDRESS, Kind.EMAIL]), st.integers(0, 8), st.integers(1, 3))
def test_the_builder_keeps_exactly_those_whom_the_policy_can_reach_within_the_window(
    facts, opened, kind, start, length
):
    """The policy is asked at every second of the window, for either class of sender."""
    facts = facts | opened

    def sets_at(instant):
        return {
            fact: frozenset({0} if any(span.start <= instant < span.end for span in facts.get(fact, [])) else ())
            for fact in Fact
        }

    expected = any(
        reachable(condition(kind, sender_class), sets_at(instant))
        for instant in range(start, start + length)
        for sender_class in SenderClass
    )
    assert reachable_within(facts, NEEDED[kind], Span(start, start + length)) is expected


def keys_by_owner(**tables):
    sources = sources_of(**tables)
    entries = Entries(KEYS, sources.roads, WINDOW)
    owners = join_owners(sources)
    return (
        {
            owner.number: set(entries.keys_of(owner, has_address=entries.address_key(owner) is not None))
            for owner in owners
        },
        entries,
        owners,
    )


def line(text, *names, town=""):
    return KEYS.place(parse_address_line(text)._replace(town=town), *names)


def kvhx(text, *names):
    return KEYS.place(parse_kvhx(text), *names)


def number(text):
    return KEYS.key(KeyKind.CPR if len(text) == 10 else KeyKind.CVR, text)


def test_an_owner_is_found_by_number_kvhx_and_every_spelling_with_no_one_or_both_names():
    keys, _, _ = keys_by_owner(
        persons=[person(ANN, full_name="Ann Mo Bo", old_numbers=KIM, street_name="Vester-Gade", **HOME)],
        mailboxes=[mailbox(ANN, **CONSENT)],
        roads=[road("0751", "1234", "Gl. Vestergade")],
    )
    names = [(), ("ann",), ("ann", "bo")]
    lines = ["Vestergade 12, 3. tv, 8000 Aarhus C", "Gammel Vestergade 12, 3. tv, 8000 Aarhus C"]
    assert keys[ANN] == {
        number(ANN),
        number(KIM),
        *[line(text, *some) for text in lines for some in names],
        *[kvhx("07511234__12__3__tv", *some) for some in names],
    }


@pytest.mark.parametrize(
    ("name", "count"), [("", 1), ("Ann", 2), ("Ann Bo", 3)], ids=["no name", "one word", "two words"]
)
def test_a_name_of_one_word_has_no_full_name_key_and_none_at_all_no_name_keys(name, count):
    keys, _, _ = keys_by_owner(
        persons=[person(ANN, full_name=name, **(HOME | {"postal_code": ""}))], mailboxes=[mailbox(ANN, **CONSENT)]
    )
    assert len(keys[ANN]) == 1 + count


@pytest.mark.parametrize(
    ("persons_cells", "mailbox_cells", "is_found"),
    [
        ({}, {}, True),
        ({}, {"address_consent_given": ""}, False),
        ({}, {"address_consent_withdrawn": "2026-11-01"}, False),
        ({}, {"address_consent_withdrawn": "2026-11-01T00:00:01+01:00"}, True),
        ({}, {"address_consent_given": "2026-11-07T22:59:59Z"}, True),
        ({}, {"address_consent_given": "2026-11-08"}, False),
        ({"protections": "2020-01-01/"}, {}, False),
        ({"protections": "2020-01-01/2026-11-07"}, {}, False),
        ({"protections": "2020-01-01/2026-11-06"}, {}, True),
        ({"protections": "2026-11-02/"}, {}, True),
        ({"protections": "2020-01-01/2026-11-03;2026-11-04/"}, {}, False),
        ({"protections": "?"}, {}, False),
        ({"protections": "1968-04-02/1969-06-30"}, {}, True),
        ({"status": "20"}, {}, False),
        ({"status": "05"}, {}, True),
        ({"house_number": "", "floor": "", "door": ""}, {}, False),
        ({"road_code": "9905"}, {}, False),
        ({}, {"opened": "2026-11-08"}, False),
        ({}, {"opened": "2026-11-07", "last_login": ""}, True),
        ({}, {"closed": "2026-11-01"}, False),
        ({}, {"last_login": "2021-10-31T22:59:59Z"}, False),
        ({}, {"last_login": "2021-11-01"}, True),
        ({}, {"private_closed": "2020-01-01"}, True),
    ],
)
def test_address_keys_are_made_only_for_those_reachable_within_the_horizon(persons_cells, mailbox_cells, is_found):
    keys, entries, (owner,) = keys_by_owner(
        persons=[person(ANN, full_name="Ann Bo", **(HOME | persons_cells))],
        mailboxes=[mailbox(ANN, **(CONSENT | mailbox_cells))],
    )
    assert (keys[ANN] > {number(ANN)}) is is_found
    assert (entries.address_key(owner) is not None) is is_found


@pytest.mark.parametrize(
    ("cells", "is_found"),
    [
        ({}, True),
        ({"email_verified": ""}, False),
        ({"email_dropped": "2026-11-01"}, False),
        ({"email_dropped": "2026-11-02"}, True),
        ({"email_verified": "2026-11-08"}, False),
        ({"number": KIM}, False),
        ({"number": FIRM}, False),
    ],
)
def test_email_keys_are_made_only_for_persons_of_the_register_whose_claim_holds(cells, is_found):
    claim = {"email_address": "Ann@post.dk", "email_verified": "2024-01-01", "email_claimed": "2024-01-01"}
    row = mailbox(**({"last_login": "2026-01-01"} | claim | cells))
    keys, _, _ = keys_by_owner(persons=[person(ANN)], mailboxes=[row])
    email = {KEYS.key(KeyKind.EMAIL, "ann@post.dk")}
    assert keys[row["number"]] == {number(row["number"])} | (email if is_found else set())


def test_on_a_shared_street_the_town_leads_to_its_road_alone():
    other = HOME | {"road_code": "5678", "supplementary_town": "Bolbro"}
    keys, entries, _ = keys_by_owner(
        persons=[person(ANN, **HOME), person(BO, **other)], mailboxes=[mailbox(ANN, **CONSENT), mailbox(BO, **CONSENT)]
    )
    text = "Vestergade 12, 3. tv, 8000 Aarhus C"
    assert keys[ANN] == {number(ANN), kvhx("07511234__12__3__tv"), line(text)}
    assert keys[BO] == {number(BO), kvhx("07515678__12__3__tv"), line(text), line(text, town="bolbro")}
    assert list(entries.road_keys()) == [
        (KEYS.street("8000", "vestergade"), False),
        (KEYS.street_with_town("8000", "vestergade", "bolbro"), True),
    ]


def test_those_who_live_together_share_an_address_key_and_others_do_not():
    homes = {ANN: HOME, BO: HOME | {"short_street_name": "", "postal_code": ""}, KIM: HOME | {"door": "th"}}
    _, entries, owners = keys_by_owner(
        persons=[person(number, **home) for number, home in homes.items()],
        mailboxes=[mailbox(number, **CONSENT) for number in homes],
    )
    found = {owner.number: entries.address_key(owner) for owner in owners}
    assert found[ANN] == found[BO]
    assert found[KIM] not in {found[ANN], None}


def test_a_home_without_road_codes_is_known_by_its_text_alone():
    home = HOME | {"municipality_code": "", "road_code": ""}
    keys, entries, (owner,) = keys_by_owner(persons=[person(ANN, **home)], mailboxes=[mailbox(ANN, **CONSENT)])
    text = line("Vestergade 12, 3. tv, 8000 Aarhus C")
    assert keys[ANN] == {number(ANN), text}
    assert entries.address_key(owner) == text
