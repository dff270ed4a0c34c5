"""Registers made to collide, and queries that fit them nearly: what the differential test draws from.

A handful of persons share three homes, a few names and a few e-mail addresses; any cell may now and then be odd,
and much happens at the edges of days. Everything follows from the seed of the dice.
"""

import random
from datetime import date

from resolver_grpc.build.population.brute_force import World
from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS, ROADS
from resolver_grpc.model import Kind, QueryRow, Route, Sender, SenderClass
from resolver_grpc.times import parse_time, register_window

KINDS = [kind for kind in Kind if kind]

CPRS = ["0101801239", "0202812345", "0303823456", "0404834567", "0505845678", "0606856789", "0101801247", "2902001234"]
CVRS = ["13585628", "61126228", "10000009"]
NUMBERS = [*CPRS, *CVRS]
ODD_NUMBERS = ["010180-1239", " 0202812345 ", "0101801239\t", "6101801239", "0000000000", "3002801234", "13585629"]
ODD_NUMBERS += ["DK13585628", "0101-801239", "٠١٠١٨٠١٢٣٩", "123", "010180 1239", "01358562", "135-85628"]
NAMES = [
    "Ann Bo",
    "Ann Mo Bo",
    "Bo Bo",
    "Åse Sø-Lund",
    "ANN  BO",
    "A\u030ase Sø-Lund",
    "Ann",
    "",
    "Søren Ørn",
    "ann b.o",
]
ODD_NAMES = [
    ". '",
    "  ",
    "Ann .",
    "\N{RIGHT SINGLE QUOTATION MARK}Ann Bo",
    "An\u0301n Bo",
    "Aase Soe\u2010lund",
    "-",
    "Ann\u00a0Bo",
]
STREETS = ["Vestergade", "Gl Vej", "Gammel Vej", "Kgs. Alle", "Å Vej"]
ODD_STREETS = [
    "VESTER-GADE",
    "vester gade",
    "Vestér Gade",
    "gammelvej",
    "Gl.Vej",
    "Aavej",
    "A\u030a Vej",
    "---",
    "Gl",
    "",
    "Vestergade 12",
]
HOUSES = ["12", "12", "12B", "7", ""]
ODD_HOUSES = ["012 B", "012", "12 b", "12BB", "0", "1000", " 12 ", "twelve", "12-14", "Ⅻ", "１２"]
FLOORS = ["", "", "3", "st"]
ODD_FLOORS = [
    "3. sal",
    "03",
    "stuen",
    "Stueplan",
    "kld.",
    "kælder",
    "k2",
    "3.",
    "100",
    "0",
    "sal",
    "-1",
    "3 sal.",
    "st.",
    "3.sal",
]
DOORS = ["", "", "tv", "1"]
ODD_DOORS = [
    "t.v.",
    "venstre",
    "-1",
    "01",
    "TV",
    "t. h.",
    "til venstre",
    "12345",
    "1/2",
    "mf.",
    "midt for",
    "0",
    "a b",
    "1.",
]
POSTALS = ["8000", "8000", "8200", ""]
ODD_POSTALS = ["DK-8000", "dk-8000", " 8000 ", "800", "80000", "8000 C", "DK 8000"]
TOWNS = ["", "", "Skov", "Høje By"]
ODD_TOWNS = ["SKOV", "skov ", "Hoeje-By", "Ho\u0308je By", "---", "Gl Skov", "Gammel Skov"]
ROADS_CODES = ["1234", "1234", "5678", "9912", ""]
ODD_CODES = ["123", " 1234 ", "12345", "abcd", "9900", "9899"]
EMAILS = ["ann@post.dk", "bo@post.dk", "å@post.dk", ""]
ODD_EMAILS = [
    "ANN@POST.DK",
    " ann@post.dk ",
    "ann+x@post.dk",
    "a\u030a@post.dk",
    "Å@post.dk",
    "ann@pøst.dk",
    "ann@xn--pst-0na.dk",
]
ODD_EMAILS += ["ann@", "@post.dk", "ann bo@post.dk", "ann@post", "a..n@post.dk", "ann@-post.dk", "ann"]
STATUSES = ["01"] * 8 + ["03", "05", "07", "20", "30", "50", "60", "60", "70", "80", "90", " 01", "", "1", "xx"]
# The register's day, with the end of summer time, and what lies near it and five years before it.
REGISTER_DATES = [date(2026, 10, 25), date(2026, 3, 27), date(2026, 2, 26), date(2025, 10, 24), date(2026, 11, 1)]


def times_about(day):
    """Days and instants at and about the week that a snapshot of the day is asked in."""
    near = [f"{date.fromordinal(day.toordinal() + days)}" for days in range(-1, 9)]
    five_years_before = [f"{int(near[days][:4]) - 5}{near[days][4:]}" for days in (0, 1, 2, 4)]
    instants = [
        f"{text}T{clock}"
        for text in (*near, *five_years_before)
        for clock in ("00:30:00Z", "01:30:00Z", "02:30:00+02:00", "02:30:00+01:00", "12:00:00.999Z", "23:59:59-01:00")
    ]
    return near + five_years_before + instants


ODD_TIMES = [
    "2001-02-30",
    "2026-13-01",
    "2026-10-26T12:00:00",
    "soon",
    "2026-1-1",
    "2026-10-26T25:00:00Z",
    "0001-01-01",
    "9999-12-31",
    "1969-12-31T23:59:59Z",
    "2026-10-26T12:00:60Z",
    " 2026-10-26 ",
    "2026-10-26T12:00:00+0200",
    "2026-10-26T12:00:00z",
]


class Dice:
    """Choices of one seed."""

    def __init__(self, seed):
        self._random = random.Random(seed)  # noqa: S311 - a choice of test data
        self.day = self.one(REGISTER_DATES)
        self.times = times_about(self.day)
        self.oddity = self.one([0, 0.02, 0.08])

    def one(self, among):
        return among[self._random.randrange(len(among))]

    def chance(self, share):
        return self._random.random() < share

    def some(self, plain, odd):
        """A plain value, or now and then an odd one."""
        return self.one(odd) if self.chance(self.oddity) else self.one(plain)

    def shuffle(self, rows):
        self._random.shuffle(rows)

    def time(self, blank=0.0, past=0.5):
        if self.chance(blank):
            return ""
        return self.some(["2024-01-01"] if self.chance(past) else self.times, ODD_TIMES)

    def day_or_blank(self):
        return "" if self.chance(0.5) else self.some([text for text in self.times if len(text) == 10], ODD_TIMES)

    def span(self):
        if self.chance(0.7):
            return "", ""
        return self.day_or_blank(), self.day_or_blank()


def home(dice):
    """Where somebody lives, or what a sender believes."""
    return {
        "street_name": dice.some(STREETS[:2], ODD_STREETS),
        "house_number": dice.some(HOUSES, ODD_HOUSES),
        "floor": dice.some(FLOORS, ODD_FLOORS),
        "door": dice.some(DOORS, ODD_DOORS),
        "postal_code": dice.some(POSTALS, ODD_POSTALS),
        "supplementary_town": dice.some(TOWNS, ODD_TOWNS),
    }


def person(dice, homes):
    cells = dict(dice.one(homes)) | {
        "number": dice.some(CPRS, ODD_NUMBERS),
        "status": dice.one(STATUSES),
        "full_name": dice.some(NAMES, ODD_NAMES),
        "protections": dice.one(["", "", "", protections(dice)]),
    }
    if dice.chance(0.2):
        cells["short_street_name"] = dice.some(STREETS, ODD_STREETS)
    if dice.chance(0.12):
        cells["current_number"] = dice.some(CPRS, ODD_NUMBERS)
        cells["status"] = dice.one(["60", "50", "60", "01"])
    if dice.chance(0.12):
        cells["old_numbers"] = ";".join(dice.some(CPRS, [*ODD_NUMBERS, ""]) for _ in range(dice.one([1, 1, 2])))
    return cells


def protections(dice):
    written = [
        f"{dice.day_or_blank()}{dice.one(['/', '/', '/', '', ' / '])}{dice.day_or_blank()}"
        for _ in range(dice.one([1, 1, 2]))
    ]
    return dice.one([";", "; "]).join(written) + dice.one(["", "", "", ";"])


def mailbox(dice):
    number = dice.some(NUMBERS, ODD_NUMBERS)
    cells = {
        "number": number,
        "opened": dice.time(past=0.9),
        "closed": dice.time(blank=0.85),
        "private_closed": dice.time(blank=0.85),
        "last_login": dice.time(blank=0.6, past=0.3),
        "address_consent_given": dice.time(blank=0.1, past=0.8),
        "address_consent_withdrawn": dice.time(blank=0.8),
        "email_address": dice.some(EMAILS, ODD_EMAILS),
        "email_verified": dice.time(blank=0.1, past=0.8),
        "email_claimed": dice.time(blank=0.1, past=0.8),
        "email_dropped": dice.time(blank=0.8),
    }
    cells["exempt_from"], cells["exempt_to"] = dice.span()
    if number in CVRS or dice.chance(0.02):
        cells["forwarding_address"] = dice.some(["", "post@firm.dk"], ODD_EMAILS)
        cells["forwarding_from"], cells["forwarding_to"] = dice.span()
    return cells


def relation(dice):
    return {
        "number": dice.some(NUMBERS, ODD_NUMBERS),
        "sender_id": dice.some(["s", "s", "other"], [" s ", "", "x" * 65]),
        "relation": dice.some(["SUBSCRIBED", "BOUND", "OPTED_OUT"], ["opted_out", "", " BOUND "]),
        "effective_time": dice.time(),
    }


def road(dice):
    return {
        "municipality_code": dice.some(["0751"], ODD_CODES),
        "road_code": dice.some(ROADS_CODES[:4], ODD_CODES),
        "name": dice.some(STREETS, ODD_STREETS),
        "short_name": dice.some(["", "", *STREETS], ODD_STREETS),
        "supplementary_town": dice.some(TOWNS, ODD_TOWNS),
        "postal_code": dice.some(POSTALS[:3], ODD_POSTALS),
    }


def homes_of_register(dice):
    return [
        home(dice)
        | {
            "municipality_code": dice.some(["0751"] * 6 + [""], ODD_CODES),
            "road_code": dice.some(ROADS_CODES, ODD_CODES),
        }
        for _ in range(dice.one([1, 2, 3]))
    ]


def a_few(dice, make, most):
    rows = [make() for _ in range(dice.one(range(most + 1)))]
    return [*rows, dict(dice.one(rows))] if rows and dice.chance(0.03) else rows


def world_of(dice):
    homes = homes_of_register(dice)
    persons = a_few(dice, lambda: person(dice, homes), 8)
    if dice.chance(0.8):  # most numbers stand once, or nobody would be left
        persons = list({row["number"]: row for row in persons}.values())
    mailboxes = a_few(dice, lambda: mailbox(dice), 10)
    if dice.chance(0.8):
        mailboxes = list({row["number"]: row for row in mailboxes}.values())
    relations = a_few(dice, lambda: relation(dice), 4)
    roads = a_few(dice, lambda: road(dice), 3)
    tables = zip((persons, mailboxes, relations, roads), (PERSONS, MAILBOXES, RELATIONS, ROADS), strict=True)
    return World(*([dict.fromkeys(table.column_names, "") | row for row in rows] for rows, table in tables), dice.day)


def sender_of(dice):
    sender_class = dice.one(list(SenderClass))
    return Sender(
        id="s",
        name="S",
        cvr="13585628",
        sender_class=sender_class,
        mandatory=sender_class is SenderClass.PUBLIC or dice.chance(0.2),
        terms_consent=dice.chance(0.5),
        hold=dice.chance(0.5),
        fallback=dice.one([Route.LETTER, Route.REJECT]),
        kinds=frozenset(kind for kind in KINDS if dice.chance(0.95)),
    )


def instants_of(world):
    """The week's first and last second, and all edges of the rows within it with their neighbours."""
    start, end = register_window(world.register_date)
    edges = {start, end}
    for rows in (world.persons, world.mailboxes, world.relations):
        for text in {part for row in rows for cell in row.values() for part in cell.replace("/", ";").split(";")}:
            for years in (0, 5):
                try:
                    edge = parse_time(f"{int(text[:4]) + years}{text.strip()[4:]}")
                except ValueError:
                    continue
                edges |= {edge, edge + 3600, edge - 3600}
    near = {edge + step for edge in edges for step in (-1, 0, 1, 86_400, 86_399)}
    return sorted(instant for instant in near if start <= instant < end)


def misspelt(dice, text):
    return dice.one([text, text, text.upper(), text.lower(), f" {text} ", text.replace(" ", "  ")])


def kvhx_of(dice, place):
    house, floor, door = place["house_number"], place["floor"], place["door"]
    codes = (place["municipality_code"] or "0751") + (place["road_code"] or "1234")
    digits = "".join(char for char in house if char.isdigit())
    letter = house.removeprefix(digits)
    wide = f"{codes}{house:_>4}{floor:_>3}{door:_>4}"
    narrow = (
        f"{codes}{digits:0>3}{letter or ' '}{floor:0>2}{door:>4}"
        if floor.isdigit()
        else f"{codes}{digits:0>3}{letter or ' '}{floor:>2}{door:>4}"
    )
    return dice.some(
        [wide, wide.upper(), wide.replace("_", " "), narrow, narrow.replace(" ", "_")],
        [
            wide[:-1],
            wide + " ",
            f"{codes}{house:0>4}{floor:_>3}{door:_>4}",
            wide.replace("_", "\u00a0"),
            narrow.replace(codes[:4], "Kbhv"),
        ],
    )


def line_of(dice, place):
    unit = (
        dice.one(
            [
                f"{place['floor']}. {place['door']}",
                f"{place['floor']} {place['door']}",
                f"{place['floor']}.{place['door']}",
                f"{place['floor']}. sal {place['door']}",
            ]
        )
        if place["floor"]
        else place["door"]
    )
    parts = [
        f"{place['street_name']} {place['house_number']}",
        unit,
        place["supplementary_town"],
        f"{place['postal_code']}{dice.one(['', ' Aarhus C'])}",
    ]
    if dice.chance(0.1):
        parts.insert(
            dice.one([0, 1, 2, 3]), dice.one(["c/o Bo", "hos Bo", "", "lejl", "2", "Bred", "ab", "x-y", "3. sal"])
        )
    kept = [part for part in parts if part.strip(". ") or dice.chance(0.05)]
    return dice.one([", ", ",", " , "]).join(kept)


def place_fields(dice, world):
    """An address in one of its forms, most often of somebody in the register."""
    keys = [
        "street_name",
        "house_number",
        "floor",
        "door",
        "postal_code",
        "supplementary_town",
        "municipality_code",
        "road_code",
    ]
    place = (
        {key: dice.one(world.persons)[key] for key in keys}
        if world.persons and dice.chance(0.9)
        else dict(homes_of_register(dice)[0])
    )
    if dice.chance(0.4):
        place["supplementary_town"] = dice.some(TOWNS, ODD_TOWNS)
    if dice.chance(0.3):
        place["street_name"] = dice.some(STREETS, ODD_STREETS)
    if dice.chance(0.2):
        place |= {"floor": dice.some(FLOORS, ODD_FLOORS), "door": dice.some(DOORS, ODD_DOORS)}
    form = dice.one(["fields", "fields", "line", "kvhx"])
    if form == "kvhx":
        return {"kvhx": kvhx_of(dice, place)}
    if form == "line":
        return {"address_line": misspelt(dice, line_of(dice, place))}
    return {key: misspelt(dice, place[key]) for key in keys[:6]}


def name_fields(dice, world, kind):
    name = dice.one(world.persons)["full_name"] if world.persons and dice.chance(0.8) else dice.some(NAMES, ODD_NAMES)
    name = misspelt(dice, name)
    if kind is Kind.FIRST_NAME:
        return {"first_name": dice.one([name, name.split()[0] if name.split() else ""])}
    if dice.chance(0.6):
        return {"full_name": name}
    words = name.split() or [""]
    return {"first_name": words[0], "last_name": dice.one([words[-1], " ".join(words), ""])}


def query_of(dice, world):
    kind = dice.one(KINDS[:6]) if dice.chance(0.95) else dice.one([0, 99, Kind.HANDLE])
    fields = {"reference": dice.one(["", "r", "æ" * 32]) if dice.chance(0.99) else "æ" * 33}
    if kind in (Kind.FULL_NAME, Kind.FIRST_NAME, Kind.ADDRESS):
        fields |= place_fields(dice, world)
        if kind is not Kind.ADDRESS:
            fields |= name_fields(dice, world, kind)
    elif kind is Kind.EMAIL:
        fields["email_address"] = misspelt(dice, dice.some(EMAILS, ODD_EMAILS))
    elif kind in (Kind.CPR, Kind.CVR):
        fields["number"] = dice.some(NUMBERS if dice.chance(0.05) else CPRS if kind is Kind.CPR else CVRS, ODD_NUMBERS)
    elif kind is Kind.HANDLE:
        fields["handle"] = dice.one([b"h" * 16, b"", b"h" * 15])
    if kind not in (Kind.FULL_NAME, Kind.FIRST_NAME, Kind.ADDRESS) and dice.chance(0.5):
        fields["has_postal_address"] = True
    if dice.chance(0.05):
        fields |= dice.one(UNEXPECTED)
    return QueryRow(kind=kind, **fields)


UNEXPECTED = [
    {"full_name": "Ann Bo"},
    {"first_name": "Ann"},
    {"last_name": "Bo"},
    {"street_name": "Vestergade"},
    {"house_number": "12"},
    {"floor": "1"},
    {"door": "tv"},
    {"postal_code": "8000"},
    {"supplementary_town": "Skov"},
    {"address_line": "Vestergade 12, 8000"},
    {"kvhx": "07511234__12_______"},
    {"number": "0101801239"},
    {"email_address": "a@b.dk"},
    {"handle": b"h"},
    {"has_postal_address": True},
    {"full_name": "  "},
    {"floor": " "},
    {"kvhx": " " * 19},
    {"door": "x" * 257},
    {"supplementary_town": " " * 257},
    {"full_name": "A" * 257},
]
