"""Columns of names and of e-mail addresses against the plain parsers, a cell at a time."""

import numpy as np
import pyarrow as pa
import pytest
from arrow_columns import DICTIONARIES, columns, texts_of
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver_grpc.build.bulk.emails import read_emails
from resolver_grpc.build.bulk.names import read_names
from resolver_grpc.canonical.email import parse_email
from resolver_grpc.rows.mailboxes import parse_forwarding_address
from resolver_grpc.rows.persons import name_words

LATIN = "".join(map(chr, range(0xC0, 0x180)))
SIGNS = ". ' ’ , - ‐ – ; ! / ( \" & _ @ | ~ ` ^ +".split()
BLANKS = [" ", "  ", "\t", "\u00a0", "\u2009", "\u3000", "\u200b", "\x1f", "\x1c", "\x85", "\u2028", "\x7f", "\x00"]
MARKS = ["\u0301", "\u030a", "\u0308", "\u0327", "\u0338", "\u00ad", "\u00a8", "\u00b4", "\u00b7", "\u02bc"]
NAMED = [
    "Ann",
    "Bo",
    "Åse",
    "A\u030ase",
    "Sørensen",
    "So\u0338rensen",
    "Æbelø",
    "Anne-Marie",
    "O'Hara",
    "Mc.",
    "ŉ",
    "Ŀ",
]
NAMED += [
    "İ",
    "ß",
    "ſ",
    "Ĳ",
    "ÅSE",
    "×",
    "÷",
    "Ǻ",
    "ﬁ",
    "K",
    "Ω",
    "木村",
    "Иван",
    "علي",
    "Σίσυφος",
    "ⅳ",
    "ａｎｎ",
    "😀",
    "한",
]
PIECES = st.one_of(
    st.sampled_from(NAMED),
    st.sampled_from(SIGNS + BLANKS + MARKS),
    st.just(" "),
    st.text(LATIN, max_size=3),
    st.characters(codec="utf-8"),
)
NAMES = st.lists(PIECES, max_size=6).map("".join)
ORDINARY_NAMES = st.lists(
    st.text(st.sampled_from(LATIN + "abyzABYZ.',-"), min_size=1, max_size=4), min_size=1, max_size=4
).map(" ".join)


def words_of(names):
    """The words of each row as the plain way has them."""
    places = zip(names.firsts.tolist(), names.lasts.tolist(), strict=True)
    return [tuple(names.words[place] for place in pair if place) for pair in places]


@settings(deadline=None, max_examples=100)
@given(columns(NAMES | ORDINARY_NAMES))
def test_names_have_the_words_that_the_plain_way_finds(column):
    names = read_names(column)
    assert words_of(names) == [name_words(text) for text in texts_of(column)]
    assert names.words[0] == ""
    assert len(set(names.words)) == len(names.words)


@pytest.mark.parametrize("pattern", ["{}", "Ann {} Bo", "{} Bo", "Ann {}", "Ann{}Bo", "{0} {0}", "An{} Bo"])
def test_every_sign_within_two_bytes_folds_as_in_the_plain_way(pattern):
    """As a word, between words, first, last, within a word, twice, at a word's end."""
    texts = [pattern.format(chr(code)) for code in range(0x800)]
    assert words_of(read_names(pa.chunked_array([texts]))) == [name_words(text) for text in texts]


LOCAL_WORDS = st.one_of(
    st.text("abzABZ019_+-", min_size=1, max_size=6),
    st.sampled_from(["a" * 31, "a" * 32, "a" * 63, "a" * 64, "a" * 65, "å", "A\u030a", "ß", "İ", "ǅ", "ό", "o\u0301"]),
    st.sampled_from(
        ["", " ", "!", "#$%&'*/=?^`{|}~", '"a b"', '"', "\\", "(x)", "<", ",", ";", ":", "\n", "\x00", "\x7f"]
    ),
)
LOCALS = st.one_of(
    st.lists(LOCAL_WORDS, min_size=1, max_size=3).map(".".join),
    st.builds("{}{}{}".format, st.sampled_from(["", "", ".", '"']), LOCAL_WORDS, st.sampled_from(["", "", ".", '"'])),
)
LABELS = st.one_of(
    st.text("abzABZ09-", min_size=1, max_size=5),
    st.sampled_from(
        ["post", "POST", "pøst", "PØST", "xn--pst-0na", "XN--PST-0NA", "xn--", "xn--a", "ab--cd", "-a", "a-"]
    ),
    st.sampled_from(
        ["", "a_b", "ß", "straße", "ＰＯＳＴ", "日本", "p\u0301ost", "\u200d", "a b", "😀", "１", "+", "İ", "K"]
    ),
    st.sampled_from(["a" * 62, "a" * 63, "a" * 64]),
)
ENDS = st.sampled_from(
    ["dk", "DK", "com", "museum", "test", "localhost", "local", "invalid", "example", "onion", "arpa", "1"]
)
DOMAINS = st.one_of(
    st.lists(LABELS | ENDS, min_size=1, max_size=4).map(".".join),
    st.builds("{}.{}".format, LABELS, ENDS),
    st.builds("{}。{}".format, LABELS, ENDS),
    st.sampled_from(
        ["post.dk", "POST.dk", "post.dk.", ".post.dk", "post..dk", "[127.0.0.1]", "[IPv6:::1]", "127.0.0.1"]
    ),
)
ADDRESSES = st.builds("{}@{}".format, LOCALS, DOMAINS)
BLANK_TEXTS = st.sampled_from(["", "", "", " ", "\t", "\n", "\u00a0", "\x1f", "\u200b", "\ufeff"])
LONG = st.builds(
    lambda local, labels, length: f"{'a' * local}@{'.'.join(['b' * 60] * labels)}"[: length - 3] + ".dk",
    st.sampled_from([1, 60, 63, 64, 65]),
    st.integers(1, 4),
    st.integers(190, 260),
)


@st.composite
def disturbed(draw, texts):
    """An address with something put into it."""
    text = draw(texts)
    place = draw(st.integers(0, len(text)))
    return (
        text[:place]
        + draw(st.sampled_from(["@", ".", "\n", "\r\n", " ", "é", "\u0301", '"', "xn--", "+", "\x00"]))
        + text[place:]
    )


EMAIL_CELLS = st.one_of(
    ADDRESSES,
    st.builds("{}{}{}".format, BLANK_TEXTS, ADDRESSES, BLANK_TEXTS),
    disturbed(st.builds("{}@post.dk".format, LOCALS) | ADDRESSES),
    st.builds("{}@post.dk".format, LOCALS),
    LONG,
    BLANK_TEXTS,
    st.text(max_size=8),
)


def plainly(texts, parse):
    """The canonical address of each, ``""`` for a blank one, None for one that is refused."""
    found = []
    for text in texts:
        try:
            found.append(parse(text) if text.strip() else "")
        except ValueError:
            found.append(None)
    return found


@settings(deadline=None, max_examples=80)
@given(columns(EMAIL_CELLS, max_size=15), st.sampled_from([parse_email, parse_forwarding_address]))
def test_addresses_are_read_as_the_plain_parser_reads_them(column, parse):
    addresses = read_emails(column, parse)
    texts = addresses.texts.to_pylist()
    unreadable = addresses.unreadable.tolist()
    rows = zip(addresses.indices.tolist(), unreadable, strict=True)
    assert [None if refused else texts[place] for place, refused in rows] == plainly(texts_of(column), parse)
    assert texts[0] == ""
    assert len(set(texts)) == len(texts)
    assert not addresses.indices[addresses.unreadable].any()


@pytest.mark.parametrize(
    "pattern", ["{}@post.dk", "a{}b@post.dk", "a@{}post.dk", "a@post.d{}", "a@p{}st.dk", "a.b@post.dk{}"]
)
def test_every_sign_of_one_byte_is_judged_as_by_the_plain_parser(pattern):
    """At the beginning and in the middle of the local part; before, at the end of, in and behind the domain."""
    cells = [pattern.format(chr(code)) for code in range(0x100)]
    addresses = read_emails(pa.chunked_array([cells]))
    texts = addresses.texts.to_pylist()
    rows = zip(addresses.indices.tolist(), addresses.unreadable.tolist(), strict=True)
    assert [None if refused else texts[place] for place, refused in rows] == plainly(cells, parse_email)


@pytest.mark.parametrize("end", ["post.dk", f"{'b' * 63}.dk", f"{'b' * 64}.dk", f"{'.'.join(['b' * 60] * 3)}.dk"])
def test_a_local_part_has_the_length_that_the_plain_parser_allows(end):
    """As long as the whole address may be, and longer."""
    cells = [f"{'a' * length}@{end}" for length in range(90)]
    addresses = read_emails(pa.chunked_array([cells]))
    texts = addresses.texts.to_pylist()
    rows = zip(addresses.indices.tolist(), addresses.unreadable.tolist(), strict=True)
    assert [None if refused else texts[place] for place, refused in rows] == plainly(cells, parse_email)


def test_an_address_is_read_from_a_column_that_begins_within_another():
    column = pa.chunked_array([pa.array(["ann@post.dk", "Bo@Firm.dk", ""]).slice(1)])
    assert read_emails(column).texts.to_pylist() == ["", "bo@firm.dk"]
    assert read_emails(column).indices.tolist() == [1, 0]


def test_columns_without_rows_have_neither_names_nor_addresses():
    for kind in (pa.string(), *DICTIONARIES):
        for column in (pa.chunked_array([], kind), pa.chunked_array([pa.array([], kind)] * 2, kind)):
            assert read_names(column).words == [""]
            assert len(read_names(column).firsts) == 0
            assert read_emails(column).texts.to_pylist() == [""]
            assert read_emails(column).indices.dtype == np.uint32
