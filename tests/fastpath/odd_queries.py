"""Queries of every kind and form, spelt in every way that the canonical forms know, and in many that they don't.

Everything follows from the dice. Most cells are plain, so that most queries can be read and most rows go the fast way;
the odd ones are what a fold, a recipe or the wire could trip over.
"""

from __future__ import annotations

from fast_nursery import HANDLES, SENDERS

from resolver_grpc.handles import NamedOwner
from resolver_grpc.model import Kind, QueryRow

KINDS = [kind for kind in Kind if kind]
RTL, LRM, ZWJ, BOM, NBSP = "\u202e", "\u200e", "\u200d", "\ufeff", "\u00a0"

WORDS = ["Ann", "Bo", "Åse", "Sø-Lund", "ØRN", "Ærø", "Müller", "O'Neil", "b.o", "Łukasz", "Çelik", "Zoë", "de"]
ODD_WORDS = [
    "A\u030ase",
    "An\u0301n",
    "\u0301",
    "ĳs",
    "Ŀl",
    "ŉa",
    "ſamuel",
    "İpek",
    "ı",
    "Straße",
    "Ω",
    "王",
    "Ålborg",
    "ﬁn",
    "\u01c6",
    "×",
    "÷",
    ".",
    "'",
    ",",
    "-",
    "--",
    "a,b",
    "Ann\u2010Bo",
    "Ann\u2212Bo",
    f"{RTL}Ann",
    f"Bo{LRM}",
    f"A{ZWJ}b",
    f"{BOM}Bo",
    "\u1e9b\u0323",
    "x" * 27,
    "x" * 28,
    "x" * 29,
    "ø" * 14,
    "ø" * 15,
    "å" * 14,
    "æ" * 13 + "x",
    "\U0001f600",
    "A\x7fb",
    "A\x1fb",
    "A\0b",
    "A\x85b",
]
GAPS = [" "] * 12 + ["  ", "\t", NBSP, "\u3000", "\n", " . ", " ' ", "\u2028", "\x1f", " \u0301"]
STREETS = ["Vestergade", "Gl Vej", "Gammel Vej", "Kgs. Alle", "Å Vej", "Borgm Christiansensg", "Ørne-Stien", "H.C. Vej"]
ODD_STREETS = [
    "VESTER-GADE",
    "gl",
    "Gl.",
    "---",
    " ",
    "",
    "v" * 59,
    "v" * 60,
    "v" * 61,
    "ø" * 30,
    "ø" * 31,
    "\ufdfa" * 20,
    "\ufdfa",
    "ﬂ Vej",
    "A\u030a Vej",
    f"{RTL}Vej",
    "Vej\x1fen",
    "v" * 255,
    "v" * 256,
    "v" * 257,
    "ø" * 127,
    "ø" * 128,
    "王府井",
    "Vej²",
    "Vej ①",
]
HOUSES = ["12", "7", "012 B", "12b", "999"]
ODD_HOUSES = [
    "12BB",
    "0",
    "1000",
    " 12 ",
    "twelve",
    "12-14",
    "Ⅻ",
    "１２",
    "12\u0301",
    "0" * 11 + "7",
    "0" * 12 + "7",
    "",
    "１２ｂ",
]
FLOORS = ["", "3", "st", "kl", "3. sal"]
ODD_FLOORS = [
    "03",
    "stuen",
    "k2",
    "kælder",
    "Kælder",
    "100",
    "0",
    "sal",
    " ",
    "3 . sal",
    "３",
    "0" * 19 + "3",
    "0" * 20 + "3",
    ".",
]
DOORS = ["", "tv", "th", "mf", "1", "a-1/"]
ODD_DOORS = [
    "t.v.",
    "venstre",
    "til højre",
    "-1",
    "01",
    "12345",
    " ",
    "1.",
    "ａ",
    "0" * 19 + "3",
    "0" * 20 + "3",
    "0",
    "-",
    "ß",
]
POSTALS = ["8000", "8200", "DK-8000"]
ODD_POSTALS = [
    "dk-8000",
    " 8000 ",
    "800",
    "80000",
    "8000 C",
    "８０００",
    "DK\u20108000",
    "",
    " ",
    " " * 8 + "8000",
    " " * 9 + "8000",
]
TOWNS = ["", "", "", "Skov", "Høje By"]
ODD_TOWNS = ["SKOV", " ", "---", "t" * 60, "t" * 61, "Ho\u0308je-By", "\ufdfa" * 8, "t" * 257]
LINES = [
    "Vestergade 12B, 3. tv, 8000 Aarhus C",
    "Gl Vej 7, 8200",
    "Vestergade 12, st th, Skov, 8000 X",
    "Vestergade, 8000",
    "x" * 257,
]
ROADS = ["07510042", "01010001", "07519899"]
ODD_ROADS = ["07519900", "0751004x", "075 0042", "٠٧٥١0042", "________"]
WIDE_PARTS = (
    ["__12", "_12b", "012B", "   7"],
    ["___", "__3", "_st", "03_", " kl", "_k2"],
    ["____", "__tv", "___1", "a-1/", "  TH"],
)
NARROW_PARTS = (
    ["012 ", "012B", "007_", "999x"],
    ["  ", "02", "st", "_3", "kl"],
    ["    ", "  th", "___1", "0001", "a-1/"],
)
ODD_PARTS = [
    "0000",
    "1_2_",
    "b12_",
    "____",
    "___",
    "sal",
    "k1_",
    "100",
    "0-0-",
    "//--",
    "é_1",
    "\n__1",
    "1\t__",
    "___\n",
    "99",
    "k1",
]
CPRS = ["0101801239", "0202812345", "2902001234", "3112999999", "0707614285"]
ODD_CPRS = [
    "010180-1239",
    " 0101801239",
    "0101801239 ",
    "\t0101801239",
    "3002801234",
    "6101801239",
    "0000000000",
    "0101-801239",
    "٠١٠١٨٠١٢٣٩",
    "010180123",
    "010180-123",
    "01018012345",
    "010180 1239",
    "0101801\u0660",
    "-101801239",
    "010180-\u00a023",
    "2902991234",
    "010180\u00ad1239",
    " 010180-1239",
    "0101801239\n",
    "",
    "01018o1239",
]
CVRS = ["13585628", "61126228", "10000009"]
ODD_CVRS = [
    "13585629",
    " 13585628",
    "13585628 ",
    "DK13585628",
    "01358562",
    "1358562",
    "135856280",
    "１３５８５６２８",
    "00000000",
    "1358562\n",
]
LOCALS = ["ann", "Ann.Bo", "bo_1", "a+b", "x-1", "ANN", "post", "-a", "_"]
ODD_LOCALS = [
    "a..b",
    ".a",
    "a.",
    "å",
    "a\u030a",
    '"ann bo"',
    '"ann"',
    "a b",
    "a" * 64,
    "a" * 65,
    "a@b",
    "",
    "Ann <ann",
    "a\u200d",
    " ann",
    "ann ",
    "a!b",
    "İ",
    "\u212a",
    "mailto:a",
    "a\0",
    "a%b",
    "a,b",
]
DOMAINS = ["post.dk", "POST.DK", "firm.example.com", "a-b.dk", "pøst.dk"]
ODD_DOMAINS = [
    "po\u0308st.dk",
    "xn--pst-0na.dk",
    "-post.dk",
    "post",
    "post..dk",
    "post.dk.",
    " post.dk",
    "post.dk ",
    "post.dk>",
    "[127.0.0.1]",
    "",
    "x" * 57 + ".dk",
    "x" * 58 + ".dk",
    "x" * 63 + ".dk",
    "ø" * 20 + ".dk",
    "strasse.de",
    "straße.de",
    "post\u3002dk",
    "ｐｏｓｔ.dk",
    "王府井.cn",
    "post.dk\u200d",
    "post.local",
    "post.test",
    ("x" * 40 + ".") * 5 + "dk",
    "xn--.dk",
    "po_st.dk",
    "١.dk",
]
REFERENCES = ["", "r", "row 17", "r" * 64]
ODD_REFERENCES = ["r" * 65, "æ" * 32, "æ" * 33, "r" * 300, "\0", "\x7f", "\U0001f600"]


class OddQueries:
    """Queries of one pair of dice.

    Args:
        dice: a ``random.Random``.
        oddity: how many of the cells are odd.
    """

    def __init__(self, dice, oddity=0.08):
        self.dice = dice
        self.oddity = oddity

    def some(self, plain, odd):
        return self.dice.choice(odd if self.dice.random() < self.oddity else plain)

    def chance(self, share):
        return self.dice.random() < share

    def word(self):
        return self.some(WORDS, ODD_WORDS)

    def name(self, words):
        gaps = [self.some([" "], GAPS) for _ in range(words - 1)] + [self.some([""], GAPS)]
        name = self.some([""], GAPS) + "".join(self.word() + gap for gap in gaps)
        return name + "x" * self.dice.choice([255, 256, 257]) if self.chance(self.oddity / 9) else name

    def query(self):
        """A query of any kind, now and then with a field too many, too few or from another query."""
        kind = self.dice.choice(KINDS)
        fields = self.fields(kind)
        if self.chance(self.oddity / 2):
            fields |= self.fields(self.dice.choice(KINDS))
        if fields and self.chance(self.oddity / 3):
            del fields[self.dice.choice(sorted(fields))]
        if self.chance(self.oddity / 3):
            kind = self.dice.choice([0, 8, 99, -1, 2**31 - 1, *KINDS])
        return QueryRow(self.some(REFERENCES, ODD_REFERENCES), kind, **fields)

    def fields(self, kind):
        """The fields that belong to a kind."""
        if kind in (Kind.FULL_NAME, Kind.FIRST_NAME, Kind.ADDRESS):
            return self.place() | self.names(kind)
        fields = {
            Kind.EMAIL: lambda: {"email_address": f"{self.some(LOCALS, ODD_LOCALS)}@{self.some(DOMAINS, ODD_DOMAINS)}"},
            Kind.CPR: lambda: {"number": self.cpr()},
            Kind.CVR: lambda: {"number": self.some(CVRS, ODD_CVRS)},
            Kind.HANDLE: lambda: {"handle": self.some([b"h" * 16, *self.handles()], [b"", b"h" * 15])},
        }[kind]()
        return fields | ({"has_postal_address": True} if self.chance(0.5) else {})

    def handles(self):
        """Handles of numbers that others ask for, from any kind, mostly for the sender who asks most."""
        owner = NamedOwner(self.dice.choice([*CPRS, *CVRS]), self.dice.choice(KINDS[:-1]))
        sender_ids = ["s", self.dice.choice([*SENDERS])]
        return [HANDLES.issue(sender_id, [owner])[0] for sender_id in sender_ids]

    def cpr(self):
        number = self.some(CPRS, ODD_CPRS)
        return f"{number[:6]}-{number[6:]}" if self.chance(0.3) else number

    def names(self, kind):
        if kind is Kind.ADDRESS:
            return {}
        if kind is Kind.FIRST_NAME:
            return {"first_name": self.name(self.dice.choice([1, 1, 2]))}
        if self.chance(0.6):
            return {"full_name": self.name(self.some([2, 2, 3, 5], [1]))}
        return {"first_name": self.name(self.dice.choice([1, 2])), "last_name": self.name(self.dice.choice([1, 2]))}

    def place(self):
        form = self.dice.choice(["fields", "fields", "fields", "wide", "narrow", "line"])
        if form == "line":
            return {"address_line": self.dice.choice(LINES)}
        if form != "fields":
            return {"kvhx": self.kvhx(WIDE_PARTS if form == "wide" else NARROW_PARTS)}
        return {
            "street_name": self.some(STREETS, ODD_STREETS),
            "house_number": self.some(HOUSES, ODD_HOUSES),
            "floor": self.some(FLOORS, ODD_FLOORS),
            "door": self.some(DOORS, ODD_DOORS),
            "postal_code": self.some(POSTALS, ODD_POSTALS),
            "supplementary_town": self.some(TOWNS, ODD_TOWNS),
        }

    def kvhx(self, parts):
        """A KVHX key in either layout; odd parts are cut or padded to their place, now and then they are not."""
        key = self.some(ROADS, ODD_ROADS)
        for plain in parts:
            odd = [
                f"{part[: len(plain[0])]:{self.dice.choice('_ ')}{self.dice.choice('<>')}{len(plain[0])}}"
                for part in ODD_PARTS
            ]
            key += self.some(plain, odd)
        return self.some([key, key, key.upper()], [key[:-1], key + " ", key.replace("_", NBSP), f" {key}"])
