"""Real data: every resident of the CPR demo register in every kind, and real addresses in every form."""

import csv
import random
from datetime import date
from types import SimpleNamespace

import pytest

from resolver_grpc.build.cpr_extract import read_extract
from resolver_grpc.build.plain import draft_snapshot
from resolver_grpc.build.population.brute_force import World, decide
from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS
from resolver_grpc.build.snapshot import Inputs
from resolver_grpc.build.tables import TableMeta, write_table
from resolver_grpc.canonical.address import parse_door, parse_floor, parse_house_number
from resolver_grpc.canonical.address_line import parse_address_line
from resolver_grpc.canonical.kvhx import parse_kvhx
from resolver_grpc.canonical.street import canonical_street
from resolver_grpc.handles import Handles
from resolver_grpc.index.memory import MemoryIndex
from resolver_grpc.keys import MasterKey
from resolver_grpc.model import Kind, QueryRow, Reason, Route, Sender, SenderClass
from resolver_grpc.resolve import Resolver
from resolver_grpc.times import parse_time
from small_register import quiet

KEY = MasterKey(b"r" * 32)
KINDS = frozenset(Kind) - {Kind.UNSPECIFIED}
SENDERS = [
    Sender("terms", "T", "13585628", SenderClass.PRIVATE, terms_consent=True, hold=True, kinds=KINDS),
    Sender("plain", "P", "13585628", SenderClass.PRIVATE, fallback=Route.LETTER, kinds=KINDS),
    Sender("public", "O", "61126228", SenderClass.PUBLIC, mandatory=True, kinds=KINDS),
]
DAY = "2001-11-19"
JUDGED_AT = [parse_time(DAY), parse_time("2001-11-19T12:00:00Z"), parse_time("2001-11-23")]
REPLACED = {"50", "60"}


@pytest.fixture(scope="module")
def persons(shared):
    with (shared / "data" / "cpr_demo" / "u12170_demo.txt").open("rb") as file:
        extract = read_extract(file, "the demo extract")
    return [dict.fromkeys(PERSONS.column_names, "") | row for row in extract.rows()]


def resolver_of(folder, persons, mailboxes, relations, register_date=DAY):
    paths = {}
    tables = ((PERSONS, persons, register_date), (MAILBOXES, mailboxes, ""), (RELATIONS, relations, ""))
    for table, rows, day in tables:
        paths[table.name] = folder / f"{table.name}.csv"
        with write_table(paths[table.name], table, TableMeta(0, day)) as out:
            for row in rows:
                out.write(row)
    content = draft_snapshot(Inputs(**paths), KEY, 0, quiet).content
    return Resolver(MemoryIndex(content), KEY.index_keys, parse_time(register_date), Handles([KEY.handles_secret]))


def numbers_of(decision):
    return tuple(target.number for target in decision.targets)


def everyone_consents(persons):
    """A mailbox, open and consenting, for every number that was not replaced."""
    return [
        {
            "number": row["number"],
            "opened": "2000-01-01",
            "address_consent_given": "2000-01-01",
            "email_address": f"p{place}@post.dk",
        }
        | {"email_verified": "2000-01-01", "email_claimed": "2000-01-01"}
        for place, row in enumerate(persons)
        if row["status"] not in REPLACED
    ]


def varied(persons, seed):
    """The same mailboxes, each with something of its own; some of it changes within the days that are judged."""
    dice = random.Random(seed)  # noqa: S311 - a choice of test data
    changes = [
        {},
        {},
        {"closed": "2001-11-19T06:00:00Z"},
        {"opened": "2001-11-20"},
        {"address_consent_withdrawn": "2001-11-21"},
        {"address_consent_withdrawn": "1999-01-01"},
        {"address_consent_given": ""},
        {"last_login": "1996-11-19T05:00:00Z"},
        {"private_closed": "2001-11-20"},
        {"exempt_from": "2001-11-19", "exempt_to": "2001-11-20"},
        {"email_address": "p1@post.dk"},
        {"email_dropped": "2001-11-20"},
        {"email_verified": ""},
    ]
    mailboxes = [row | dice.choice(changes) for row in everyone_consents(persons)]
    relations = [
        {
            "number": row["number"],
            "sender_id": dice.choice(SENDERS).id,
            "relation": relation,
            "effective_time": dice.choice(["2000-01-01", "2001-11-20"]),
        }
        for row in mailboxes
        for relation in dice.sample(["SUBSCRIBED", "BOUND", "OPTED_OUT"], dice.randint(0, 2))
    ]
    return mailboxes, relations


def homes(row):
    """A person's address in every form that a query can have."""
    house, floor, door = row["house_number"], row["floor"], row["door"]
    digits = house.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    codes = row["municipality_code"] + row["road_code"]
    unit = f"{floor}. {door}".strip() if floor else door
    fields = {name: row[name] for name in ("house_number", "floor", "door", "postal_code", "supplementary_town")} | {
        "street_name": row["short_street_name"]
    }
    line = (f"{row['short_street_name']} {house}", unit, row["supplementary_town"], f"{row['postal_code']} District")
    yield fields
    yield {"address_line": ", ".join(part for part in line if part)}
    yield {"kvhx": f"{codes}{house:_>4}{floor.lstrip('0'):_>3}{door:_>4}"}
    yield {"kvhx": f"{codes}{digits:0>3}{house[len(digits) :] or ' '}{floor: >2}{door: >4}"}


def questions(persons, mailboxes):
    """Every resident in every kind, in every form of address, and everyone's number and e-mail address."""
    for row in persons:
        name = row["full_name"]
        for home in homes(row):
            yield QueryRow(kind=Kind.FULL_NAME, full_name=name, **home)
            yield QueryRow(kind=Kind.FIRST_NAME, first_name=name, **home)
            yield QueryRow(kind=Kind.ADDRESS, **home)
        for number in (row["number"], *filter(None, row["old_numbers"].split(";"))):
            yield QueryRow(kind=Kind.CPR, number=number, has_postal_address=True)
    for row in mailboxes:
        yield QueryRow(kind=Kind.EMAIL, email_address=row["email_address"])


@pytest.mark.parametrize("seed", [None, 1, 2, 3, 4])
def test_every_resident_is_decided_as_a_brute_force_reading_of_the_rules_decides(persons, tmp_path, seed):
    mailboxes, relations = (everyone_consents(persons), []) if seed is None else varied(persons, seed)
    resolver = resolver_of(tmp_path, persons, mailboxes, relations)
    full = [dict.fromkeys(table.column_names, "") for table in (MAILBOXES, RELATIONS)]
    world = World(
        persons, [full[0] | row for row in mailboxes], [full[1] | row for row in relations], [], date(2001, 11, 19)
    )
    queries = list(dict.fromkeys(questions(persons, mailboxes)))
    met = set()
    for instant in JUDGED_AT:
        for sender in SENDERS:
            for query, decision in zip(queries, resolver.resolve(queries, sender, instant), strict=True):
                expected = decide(query, sender, world, instant, personal_content=False)
                assert (*decision[:3], numbers_of(decision)) == (*expected[:3], numbers_of(expected)), query
                met.add(decision.reason)
    assert {Reason.DELIVERABLE, Reason.NOT_FOUND, Reason.AMBIGUOUS_RECIPIENT, Reason.HELD_FOR_SENDER} <= met
    if seed is not None:
        assert {Reason.EXEMPT, Reason.OPTED_OUT, Reason.NOT_SUBSCRIBED, Reason.SUBSCRIBED_BY_TERMS} <= met


@pytest.fixture(scope="module")
def consenting(persons, tmp_path_factory):
    """The demo register with everyone open and consenting, asked on 2001-11-19."""
    mailboxes = everyone_consents(persons)
    resolver = resolver_of(tmp_path_factory.mktemp("demo"), persons, mailboxes, [])

    def ask(**fields):
        return resolver.resolve([QueryRow(**fields)], SENDERS[1], JUDGED_AT[0])[0]

    return SimpleNamespace(ask=ask, persons=persons, emails={row["number"]: row["email_address"] for row in mailboxes})


def test_the_two_namesakes_at_one_address_are_ambiguous(consenting):
    by_name = {}
    for row in consenting.persons:
        words = row["full_name"].lower().split()
        address = (row["postal_code"], row["road_code"], row["house_number"], row["floor"], row["door"])
        if row["status"] == "01" and words and row["house_number"]:
            by_name.setdefault((address, words[0], words[-1]), []).append(row)
    namesakes = [rows for rows in by_name.values() if len(rows) > 1]
    assert len(namesakes) == 1
    for row in namesakes[0]:
        for home in homes(row):
            decision = consenting.ask(kind=Kind.FULL_NAME, full_name=row["full_name"], **home)
            assert (decision.route, decision.reason) == (Route.REJECT, Reason.AMBIGUOUS_RECIPIENT)


def reached_by_name_address_or_email(consenting, row):
    number, name = row["number"], row["full_name"]
    asked = [consenting.ask(kind=Kind.EMAIL, email_address=consenting.emails[number])]
    for home in homes(row) if row["house_number"] else ():
        asked.append(consenting.ask(kind=Kind.FULL_NAME, full_name=name, **home))
        asked.append(consenting.ask(kind=Kind.FIRST_NAME, first_name=name, **home))
        asked.append(consenting.ask(kind=Kind.ADDRESS, **home))
    return any(number in numbers_of(decision) for decision in asked)


def holds_on(protections, day):
    intervals = (interval.split("/") for interval in protections.split(";") if interval)
    return any(start <= day <= (end or "9") for start, end in intervals)


def test_the_five_protected_are_reached_by_their_number_and_by_nothing_else(consenting):
    protected = [row for row in consenting.persons if holds_on(row["protections"], DAY)]
    assert len(protected) == 5
    for row in protected:
        assert not reached_by_name_address_or_email(consenting, row)
        decision = consenting.ask(kind=Kind.CPR, number=row["number"], has_postal_address=True)
        assert decision.reason is Reason.NOT_SUBSCRIBED


def test_the_dead_the_emigrated_and_the_disappeared_are_reached_by_their_number_alone(consenting):
    gone = [row for row in consenting.persons if row["status"] in {"70", "80", "90"}]
    assert {row["status"] for row in gone} == {"70", "80", "90"}
    for row in gone:
        assert not reached_by_name_address_or_email(consenting, row)
        assert consenting.ask(kind=Kind.CPR, number=row["number"]).reason is Reason.NOT_SUBSCRIBED


def test_the_others_are_reached(consenting):
    """So that the tests above don't pass because nobody is."""
    at_home = [
        row
        for row in consenting.persons
        if row["status"] == "01" and row["house_number"] and not holds_on(row["protections"], DAY)
    ]
    reached = [row for row in at_home if reached_by_name_address_or_email(consenting, row)]
    assert len(reached) == len(at_home) > 50


def test_old_numbers_lead_to_current_ones(persons, tmp_path):
    resolver = resolver_of(tmp_path, persons, everyone_consents(persons), [])
    pairs = [(row["number"], row["current_number"]) for row in persons if row["current_number"]]
    pairs += [(old, row["number"]) for row in persons for old in row["old_numbers"].split(";") if old]
    assert len(set(pairs)) == 7
    for old, current in pairs:
        decision = resolver.resolve([QueryRow(kind=Kind.CPR, number=old)], SENDERS[2], JUDGED_AT[0])[0]
        assert numbers_of(decision) == (current,)


@pytest.fixture(scope="module")
def addresses(shared):
    with (shared / "data" / "addresses" / "kvhx_gold.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def texts_of(row):
    return [text.strip() for text in row["official_texts_dar"].split("|")]


def place_of(text, row):
    """Postal code and supplementary town as they stand in the text: the parts don't have them."""
    segments = text.split(", ")
    between = segments[1:-1]
    if between and (row["etage"] or row["doer"]):
        between = between[1:]
    return {"postal_code": segments[-1][:4], "supplementary_town": between[0] if between else ""}


def is_its_own(text, row):
    """Whether a text is this address's own and not an earlier one's: street, house number and unit as in the parts.

    The road of one allotment association is written ``Hf.`` in its texts and ``Hvf`` in the register; these are
    two abbreviations of one word that no rule spells out.
    """
    unit = f"{row['etage']}. {row['doer']}".strip() if row["etage"] else row["doer"]
    segments = text.split(", ")
    street, _, house_number = segments[0].rpartition(" ")
    known = {canonical_street(row["vejnavn_cpr"]), canonical_street(row["adresseringsnavn_cpr"])}
    has_unit = segments[1][:1].isdigit() or segments[1][:2] in {"st", "kl"} if len(segments) > 2 else False
    return (canonical_street(street), house_number) in {(one, row["husnr"]) for one in known} and (
        segments[1] == unit if unit else not has_unit
    )


def resident_of(place, row, text):
    """A person registered at an address, with a number and a name of their own."""
    return {
        "number": f"{1 + place % 28:02}{1 + place // 28 % 12:02}80{4000 + place // 336:04}",
        "status": "01",
        "full_name": f"Ann N{place}",
        "municipality_code": row["kommunekode"],
        "road_code": row["vejkode"],
        "street_name": row["vejnavn_cpr"],
        "short_street_name": row["adresseringsnavn_cpr"],
        "house_number": row["husnr"],
        "floor": row["etage"],
        "door": row["doer"],
    } | place_of(text, row)


def forms_of(row, person, texts):
    """KVHX, each text of the same postal code (an older one may name another), the parts with either name."""
    yield {"kvhx": row["kvhx_dawa19"]}
    yield from ({"address_line": text} for text in texts if place_of(text, row)["postal_code"] == person["postal_code"])
    fields = ("house_number", "floor", "door", "postal_code", "supplementary_town")
    for street_name in (row["vejnavn_cpr"], row["adresseringsnavn_cpr"]):
        yield {name: person[name] for name in fields} | {"street_name": street_name}


def test_text_parts_and_kvhx_of_real_addresses_find_the_same_resident(addresses, tmp_path):
    """In a snapshot with a resident in every row, all three forms find the same one.

    The rows that don't, one by one: eight of the road whose texts say ``Hf.`` where the register says ``Hvf``;
    and texts of earlier house numbers, which are left out because they are another address's. Seven KVHX keys
    stand in two rows, so that two residents live there.
    """
    persons, asked, unexplained = [], [], []
    for place, row in enumerate(addresses):
        own = [text for text in texts_of(row) if is_its_own(text, row)]
        if not own:
            unexplained.append(row)
            continue
        person = resident_of(place, row, own[0])
        persons.append(person)
        asked.append((row["kvhx_dawa19"], person, list(forms_of(row, person, own))))
    assert [row["adresseringsnavn_cpr"] for row in unexplained] == ["Hvf Ny Nordre Eng"] * 8
    assert len(persons) == 1880
    mailboxes = [
        {"number": row["number"], "opened": "2000-01-01", "address_consent_given": "2000-01-01"} for row in persons
    ]
    resolver = resolver_of(tmp_path, persons, mailboxes, [])
    living_at = {}
    for kvhx, person, _ in asked:
        living_at.setdefault(kvhx, []).append(person["number"])
    assert sum(len(residents) > 1 for residents in living_at.values()) == 7
    for kvhx, person, forms in asked:
        by_name = [QueryRow(kind=Kind.FULL_NAME, full_name=person["full_name"], **form) for form in forms]
        by_address = [QueryRow(kind=Kind.ADDRESS, **form) for form in forms]
        named = resolver.resolve(by_name, SENDERS[0], JUDGED_AT[0])
        everyone = resolver.resolve(by_address, SENDERS[0], JUDGED_AT[0])
        assert set(map(numbers_of, named)) == {(person["number"],)}, forms
        assert set(map(numbers_of, everyone)) == {tuple(sorted(living_at[kvhx]))}, forms


def test_text_parts_and_kvhx_of_real_addresses_read_alike(addresses):
    """Every row's parts, its KVHX and at least one of its texts say the same, but for the eight of ``Hf.``."""
    different = []
    for row in addresses:
        parts = (parse_house_number(row["husnr"]), parse_floor(row["etage"]), parse_door(row["doer"]))
        assert parse_kvhx(row["kvhx_dawa19"]) == (row["kommunekode"], row["vejkode"], *parts)
        lines = [parse_address_line(text) for text in texts_of(row)]
        streets = {canonical_street(row["vejnavn_cpr"]), canonical_street(row["adresseringsnavn_cpr"])}
        if not any(line.street in streets and line[2:5] == parts for line in lines):
            different.append(row["adresseringsnavn_cpr"])
    assert different == ["Hvf Ny Nordre Eng"] * 8
