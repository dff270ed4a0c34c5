"""Targets that take what a query says: bytes on the wire, and the texts in them."""

from __future__ import annotations

from contextlib import contextmanager
from unicodedata import normalize

from fast_nursery import SENDERS, both_ways, dice_of, plain_content, request_of
from fuzz_oracle import check_told
from odd_queries import OddQueries

from resolver_grpc.canonical.address import parse_door, parse_floor, parse_house_number, parse_postal_code
from resolver_grpc.canonical.address_line import parse_address_line
from resolver_grpc.canonical.email import parse_email
from resolver_grpc.canonical.kvhx import parse_kvhx
from resolver_grpc.canonical.names import canonical_name_words
from resolver_grpc.canonical.numbers import parse_cpr, parse_cvr
from resolver_grpc.canonical.query import BadFieldError, parse_query
from resolver_grpc.canonical.street import canonical_town, parse_street
from resolver_grpc.canonical.text import UnreadableError, fold_text
from resolver_grpc.model import Kind, QueryRow
from resolver_grpc.v1.query_pb2 import Query

INSTANT = 5
TEXT_FIELDS = [field.name for field in Query.DESCRIPTOR.fields if field.type == field.TYPE_STRING]
_ODD = OddQueries(dice_of(11), oddity=0.3)
POOL = [_ODD.query() for _ in range(300)]
TRICKS = [
    "Åse \u202eneslo\u202c Bo",  # written from right to left
    "A\u0301nne-Marie d'Arc",
    "\u200fمحمد\u200f علي",
    "ﬃ Ⅷ ﷺ",  # one letter that stands for several
    "Zoe\u0308 \u0130\u0131 ẞß",
    "Ｋａｒｅｎ　Ｈｏｌｍ",  # full width
    "A" + "\u0300" * 250,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 李 小龍",
    "\ufeffBo\u00ad\u200bBo",
    "Ǻse Ǿre Ǽgir",
]
LINES = [
    "Vestergade 12B, 3. tv, 8000 Aarhus C",
    "Industrivænget 2,2 th, 3400 Hillerød",
    "Girostrøget 1, Høje Taastrup, 2630 Taastrup",
    "c/o Bo, Gl. Kongevej 1, st. mf, DK-1610 København V",
    "Nørre Allé 007, kl., 0800 Høje Taastrup",
]
KVHX = ["04201074___6_st__tv", "08518512002 02  th", "07511234__12__3__tv", "0751123401 B 2   4"]


def text_of(data):
    return data.decode(errors="replace")


def settled(parse, text):
    """What a parser makes of a text; None where it refuses it, which tells nothing of it."""
    try:
        return parse(text)
    except UnreadableError as error:
        check_told(str(error), text)
        return None


def is_fixed(parse, text):
    """Holds that what was read reads as itself."""
    read = settled(parse, text)
    assert read is None or parse(read) == read, (text, read)


def fuzz_line(_environment, data):
    """A line is an address of canonical parts, or refused; composed and decomposed alike."""
    text = text_of(data)
    address = settled(parse_address_line, text)
    if address is not None:
        assert settled(parse_address_line, normalize("NFD", text)) == address
        assert parse_house_number(address.house_number) == address.house_number
        assert parse_floor(address.floor) == address.floor
        assert parse_door(address.door) == address.door
        assert parse_postal_code(address.postal_code) == address.postal_code
        assert parse_street(address.street) == address.street


def fuzz_kvhx(_environment, data):
    """A KVHX key has canonical parts, in capitals too, or is refused."""
    text = text_of(data)
    kvhx = settled(parse_kvhx, text)
    if kvhx is not None:
        assert parse_kvhx(text.upper().replace("_", " ")) == kvhx
        assert (len(kvhx.municipality_code), len(kvhx.road_code)) == (4, 4)
        assert parse_floor(kvhx.floor) == kvhx.floor
        assert parse_door(kvhx.door) == kvhx.door


def fuzz_names(_environment, data):
    """Names, streets and towns in any script fold to what folds to itself."""
    text = text_of(data)
    folded = fold_text(text)
    assert fold_text(folded) == folded
    words = canonical_name_words(text)
    assert canonical_name_words(" ".join(words)) == words
    assert canonical_town(canonical_town(text)) == canonical_town(text)
    is_fixed(parse_street, text)


def fuzz_fields(_environment, data):
    """Numbers, e-mail addresses and the small parts of an address read as themselves, or are refused."""
    text = text_of(data)
    for parse in (parse_cpr, parse_cvr, parse_email, parse_house_number, parse_floor, parse_door, parse_postal_code):
        is_fixed(parse, text)


@contextmanager
def opening_both_ways():
    """Both ways through one index of the pool."""
    with both_ways(plain_content(POOL), SENDERS) as ways:
        yield ways


def query_of(data):
    """A query from bytes: a kind, then its text fields parted by zeros."""
    texts = text_of(data[1:]).split("\0")
    return QueryRow(**dict(zip(TEXT_FIELDS, texts, strict=False)), kind=Kind(data[0] % len(Kind)) if data else Kind(0))


def bytes_of(query):
    """The inverse of ``query_of``, but for handles."""
    return bytes([query.kind % len(Kind)]) + "\0".join(getattr(query, name) for name in TEXT_FIELDS).encode(
        errors="replace"
    )


def fuzz_query(ways, data):
    """Both ways give one answer to a query, and its refusal tells a field's name at most."""
    query = query_of(data)
    try:
        parse_query(query)
    except BadFieldError as error:
        check_told(f"{error} {error.field}", data, frozenset(TEXT_FIELDS))
    ways.agree(request_of([query]), INSTANT)


def fuzz_wire(ways, data):
    """Both ways give one answer to any bytes; a refusal tells nothing of them."""
    told = ways.agree(data, INSTANT)
    if isinstance(told, tuple):
        _, sentence, metadata = told
        for text in (sentence, *metadata.values()):
            check_told(text, data)
