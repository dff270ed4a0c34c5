"""Columns of numbers, days and instants, and the steps on arrays, against the plain way of one cell at a time."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from arrow_columns import DICTIONARIES, columns, texts_of
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver_grpc.build.bulk.following import NOWHERE, OUT, Following, as_numbers, find, is_among, repeated
from resolver_grpc.build.bulk.numbers import UNREADABLE as NO_NUMBER
from resolver_grpc.build.bulk.numbers import digits_of, number_of, read_cpr_numbers, read_owner_numbers, text_of
from resolver_grpc.build.bulk.texts import encode, joint
from resolver_grpc.build.bulk.times import BLANK, UNREADABLE, five_years_later, read_days, read_times
from resolver_grpc.build.numbers import follow_numbers
from resolver_grpc.build.parquet_tables import texts_of as cells_of
from resolver_grpc.canonical.numbers import parse_cpr
from resolver_grpc.index.layout import ALWAYS, FOREVER
from resolver_grpc.rows.cells import parse_day_cell, parse_owner_number, parse_time_cell
from resolver_grpc.times import five_years_after

AROUND = st.sampled_from(["", "", "", " ", "\t", "\n", "\u00a0", "\x1f", "\u200b"])
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
WIDE = str.maketrans("0123456789", "０１２３４５６７８９")
CVR_WEIGHTS = (2, 7, 6, 5, 4, 3, 2)
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def cpr(day, month, year, rest):
    return f"{day:02d}{month:02d}{year:02d}{rest:04d}"


def cvr(first_seven):
    """Eight digits with the check digit that modulus 11 asks for; ``X`` where no digit would do."""
    check = -sum(int(digit) * weight for digit, weight in zip(first_seven, CVR_WEIGHTS, strict=True)) % 11
    return first_seven + "0123456789X"[check]


REAL = st.dates(date(1858, 1, 1), date(2057, 12, 31)).flatmap(
    lambda day: st.builds(cpr, st.just(day.day), st.just(day.month), st.just(day.year % 100), st.integers(0, 9999))
)
NEARLY_REAL = st.builds(
    cpr,
    st.sampled_from([0, 1, 28, 29, 30, 31, 32, 61, 91]),
    st.sampled_from([0, 1, 2, 4, 12, 13]),
    st.sampled_from([0, 4, 36, 37, 57, 58, 99]),
    st.integers(0, 9999),
)
CVRS = st.text("0123456789", min_size=7, max_size=7).map(cvr)
DIGITS = st.text("0123456789", min_size=7, max_size=11)


@st.composite
def bent(draw, texts, sign="-"):
    """A text, often with something around it, in it, of other digits or with a digit too few."""
    text = draw(texts)
    bend = draw(st.sampled_from(["", "", "", "sign", "sign", "short", "arabic", "wide", "one"]))
    if bend == "sign":
        place = draw(st.sampled_from([6, 6, *range(len(text) + 1)]))
        text = text[:place] + draw(st.sampled_from([sign, "", " ", "x", "/", ":"])) + text[place:]
    elif bend == "short":
        text = text[draw(st.integers(0, 2)) :]
    elif bend:
        place = draw(st.integers(0, len(text) - 1)) if bend == "one" else 0
        end = place + 1 if bend == "one" else len(text)
        text = text[:place] + text[place:end].translate(WIDE if bend == "wide" else ARABIC) + text[end:]
    return draw(AROUND) + text + draw(AROUND)


NUMBER_CELLS = bent(st.one_of(REAL, NEARLY_REAL, CVRS, DIGITS)) | st.text(max_size=10) | AROUND


def plainly(cells, parse, refused=None):
    """What a parser makes of each cell, and what stands for those that it refuses."""
    found = []
    for cell in cells:
        try:
            found.append(parse(cell))
        except ValueError:
            found.append(refused)
    return found


def numbers_as_text(numbers):
    return [None if number == NO_NUMBER else text_of(number) for number in numbers.tolist()]


@settings(deadline=None, max_examples=60)
@given(columns(NUMBER_CELLS))
def test_cpr_numbers_are_read_as_the_plain_parser_reads_them(column):
    assert numbers_as_text(read_cpr_numbers(column)) == plainly(texts_of(column), parse_cpr)


@settings(deadline=None, max_examples=60)
@given(columns(NUMBER_CELLS))
def test_owners_numbers_are_read_as_the_plain_parser_reads_them(column):
    assert numbers_as_text(read_owner_numbers(column)) == plainly(texts_of(column), parse_owner_number)


def test_each_seventh_digit_gives_each_date_its_century():
    """All days of the century rule's edges, and every seventh digit: 29 February 1900 is none, that of 2000 is."""
    cells = [cpr(day, 2, year, seventh * 1000) for day in (28, 29) for year in range(100) for seventh in range(10)]
    column = pa.chunked_array([cells[:777], cells[777:]])
    assert numbers_as_text(read_cpr_numbers(column)) == plainly(cells, parse_cpr)


def test_no_other_day_is_a_real_date():
    """Every two digits for day and month, of a leap year and of another."""
    cells = [cpr(day, month, year, 4000) for day in range(100) for month in range(100) for year in (24, 23)]
    assert numbers_as_text(read_cpr_numbers(pa.chunked_array([cells]))) == plainly(cells, parse_cpr)


def test_a_cvr_number_begins_with_no_zero():
    """Also where its check digit is right."""
    cells = [f"{number:08d}" for number in (*range(0, 10**7, 9_973), *range(9_999_500, 10_000_500))]
    expected = plainly(cells, parse_owner_number)
    assert numbers_as_text(read_owner_numbers(pa.chunked_array([cells]))) == expected
    assert {None} < set(expected)


@settings(deadline=None, max_examples=60)
@given(st.lists(REAL | CVRS.filter(str.isdecimal)))
def test_digits_and_integers_of_numbers_are_each_others_inverse(texts):
    numbers = as_numbers(texts)
    digits, edges = digits_of(numbers)
    assert [bytes(digits[first:last]).decode() for first, last in pairwise(edges)] == texts
    assert [text_of(number) for number in numbers.tolist()] == texts
    assert [number_of(text_of(number)) for number in numbers.tolist()] == numbers.tolist()


YEARS = st.sampled_from([0, 1, 4, 99, 1582, 1900, 1969, 1970, 2000, 2001, 2024, 2026, 2100, 2106, 9998, 9999])
MONTHS = st.sampled_from([0, 1, 2, 2, 3, 4, 10, 12, 13])
MONTH_DAYS = st.sampled_from([0, 1, 2, 28, 29, 30, 31, 32])
ZONES = st.sampled_from(
    [
        *["Z"] * 6,
        *["z", "", "+00:00", "-00:00", "+02:00", "-23:59", "+24:00", "+0200", "+02", " Z", "UTC", "ZZ"],
        *[".5Z", ".999999999Z", ".1234567890Z", ",5Z", ".Z", ".000001+01:00", "+01:00:30", "é", "Z\u00a0"],
    ]
)


def instant(year, month, day, separator, clock, zone):
    return f"{year:04d}-{month:02d}-{day:02d}{separator}{clock[0]:02d}:{clock[1]:02d}:{clock[2]:02d}{zone}"


CLOCKS = st.tuples(
    st.sampled_from([0, 1, 2, 3, 12, 23, 24, 25]), st.sampled_from([0, 30, 59, 60]), st.sampled_from([0, 1, 59, 60])
)
INSTANTS = st.builds(
    instant, YEARS, MONTHS, MONTH_DAYS, st.sampled_from(["T", "T", "T", "T", " ", "t", "_"]), CLOCKS, ZONES
)
REAL_INSTANTS = st.datetimes().map(lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S}Z".zfill(20))
DAYS = st.builds("{:04d}-{:02d}-{:02d}".format, YEARS, MONTHS, MONTH_DAYS) | st.dates().map(date.isoformat)


@st.composite
def spoilt(draw, texts):
    """A text with one character put for another, so that it mostly keeps its length."""
    text = draw(texts)
    place = draw(st.integers(0, len(text) - 1))
    return text[:place] + draw(st.sampled_from("0 9/:-TZz+.٣é\n\x00")) + text[place + 1 :]


TIME_CELLS = st.builds(
    "{}{}{}".format, AROUND, st.one_of(INSTANTS, REAL_INSTANTS, DAYS, spoilt(INSTANTS), spoilt(REAL_INSTANTS)), AROUND
)


def plain_seconds(cells):
    """What the plain way makes of cells that may be blank."""
    return plainly(cells, lambda cell: parse_time_cell(cell) if cell.strip() else BLANK, UNREADABLE)


@settings(deadline=None, max_examples=60)
@given(columns(TIME_CELLS | AROUND | st.text(max_size=20)))
def test_instants_are_read_as_the_plain_parser_reads_them(column):
    times = read_times(column)
    assert times.seconds.tolist() == plain_seconds(texts_of(column))
    assert times.given.tolist() == [bool(text.strip()) for text in texts_of(column)]


@pytest.mark.parametrize("text", ["2024-02-29T23:59:59Z", "1900-11-30T00:00:00Z"])
def test_each_part_of_an_instant_has_the_plain_parsers_bounds(text):
    """Every pair of digits in every place, and every character of one byte instead of each."""
    cells = [f"{text[:at]}{value:02d}{text[at + 2 :]}" for at in (0, 2, 5, 8, 11, 14, 17) for value in range(100)]
    cells += [f"{text[:at]}{chr(code)}{text[at + 1 :]}" for at in range(len(text)) for code in range(0x80)]
    assert read_times(pa.chunked_array([cells])).seconds.tolist() == plain_seconds(cells)


@settings(deadline=None, max_examples=60)
@given(columns(st.one_of(DAYS, spoilt(DAYS), AROUND, INSTANTS, st.builds("{}{}{}".format, AROUND, DAYS, AROUND))))
def test_days_are_read_as_the_plain_parser_reads_them(column):
    expected = plainly(texts_of(column), lambda cell: parse_day_cell(cell) if cell.strip() else None, "refused")
    days = read_days(column)
    found = days.taken(np.arange(len(days.indices)))
    assert ["refused" if isinstance(day, ValueError) else day for day in found] == expected


CALENDARS_ENDS = [-62_135_596_800, 253_402_300_800, 0, FOREVER]

ZONES_OF_ARROW = st.sampled_from(["UTC", "Europe/Copenhagen", "+05:30", "America/New_York"])


@st.composite
def columns_of_ticks(draw):
    unit = draw(st.sampled_from(list(PER_SECOND)))
    per_second = PER_SECOND[unit]
    near = st.builds(
        lambda end, seconds, ticks: end * per_second + seconds * per_second + ticks,
        st.sampled_from(CALENDARS_ENDS),
        st.integers(-2, 2),
        st.integers(-1, 1),
    ).filter(lambda ticks: abs(ticks) < 1 << 63)
    cells = near | st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-(10**11), 10**11)
    column = draw(columns(cells, [pa.int64()], max_size=15))
    return column.cast(pa.timestamp(unit, draw(ZONES_OF_ARROW)))


@settings(deadline=None, max_examples=60)
@given(columns_of_ticks())
def test_arrows_instants_are_read_as_the_plain_way_reads_their_text(column):
    """Before 1970, in any zone, and outside of the calendar, where the text is of no day."""
    assert read_times(column).seconds.tolist() == plain_seconds(
        [text for chunk in column.chunks for text in cells_of(chunk)]
    )


NEAR_DAYS = st.builds(int.__add__, st.sampled_from([-719_162, 2_932_896, 0, 20_758]), st.integers(-2, 2))
ANY_DAYS = NEAR_DAYS | st.integers(-800_000, 3_000_000) | st.integers(-(1 << 31), (1 << 31) - 1)


@settings(deadline=None, max_examples=60)
@given(columns(ANY_DAYS, [pa.int32()], max_size=15).map(lambda column: column.cast(pa.date32())))
def test_arrows_days_are_read_as_the_plain_way_reads_their_text(column):
    texts = [text for chunk in column.chunks for text in cells_of(chunk)]
    assert read_times(column).seconds.tolist() == plain_seconds(texts)
    days = read_days(column)
    found = days.taken(np.arange(len(days.indices)))
    expected = plainly(texts, lambda cell: parse_day_cell(cell) if cell else None, "refused")
    assert ["refused" if isinstance(day, ValueError) else day for day in found] == expected


def last_sunday(year, month):
    """When the clocks are set in that month, 01:00 UTC."""
    last = datetime(year, month, 31, 1, tzinfo=UTC)
    return int((last - timedelta(days=(last.weekday() + 1) % 7)).timestamp())


NEAR_SET_CLOCKS = st.builds(
    lambda year, month, before, seconds: last_sunday(year, month) - before * 31_557_600 + seconds,
    st.integers(1971, 2104),
    st.sampled_from([3, 10]),
    st.sampled_from([0, 5]),
    st.integers(-8_000, 8_000),
)
# The same local hours five years before clocks are set then.
BEFORE_SET_CLOCKS = st.builds(
    lambda year, month, seconds: int(
        datetime.fromtimestamp(last_sunday(year, month), UTC).replace(year=year - 5).timestamp() + seconds
    ),
    st.integers(1975, 2104),
    st.sampled_from([3, 10]),
    st.integers(-8_000, 8_000),
)
LEAP_DAYS = st.builds(
    lambda year, seconds: int(datetime(year, 3, 1, tzinfo=UTC).timestamp()) + seconds,
    st.integers(1970, 2105),
    st.integers(-190_000, 10_000),
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.integers(ALWAYS, FOREVER),
            NEAR_SET_CLOCKS,
            BEFORE_SET_CLOCKS,
            LEAP_DAYS,
            st.sampled_from([ALWAYS, FOREVER]),
        ).map(lambda seconds: min(max(seconds, ALWAYS), FOREVER)),
        max_size=60,
    )
)
def test_five_years_later_is_the_plain_five_years_after(instants):
    assert five_years_later(np.array(instants, np.int64)).tolist() == [five_years_after(one) for one in instants]


@settings(deadline=None, max_examples=60)
@given(columns(st.sampled_from(["", "a", "b", "æ", "a\u0301", "á"]) | st.text(max_size=3)))
def test_an_encoded_column_gives_each_row_its_text(column):
    encoded = encode(column)
    assert encoded.taken(np.arange(len(encoded.indices))) == texts_of(column)
    assert encoded.flags(lambda text: text == "a").tolist() == [text == "a" for text in texts_of(column)]
    assert encoded.to(len, np.int64).tolist() == [len(text) for text in texts_of(column)]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 5).flatmap(lambda width: st.lists(st.tuples(*[st.sampled_from([0, 1, 2, 2**31])] * width))))
def test_joint_numbers_distinct_combinations(rows):
    width = len(rows[0]) if rows else 2
    examples, numbers = joint(*(np.array([row[place] for row in rows], np.uint32) for place in range(width)))
    assert [rows[example] for example in examples.tolist()] == list(dict.fromkeys(rows))
    assert [rows[examples[number]] for number in numbers.tolist()] == rows


FEW = st.sampled_from([-1, 0, 1, 5, 13_585_628, 101_801_239, 10**10 + 13_585_628])
SOME = st.lists(FEW | st.integers(-3, 12), max_size=20)


def int64s(values):
    return np.array(values, np.int64)


@settings(deadline=None, max_examples=60)
@given(st.lists(FEW | st.integers(-3, 12), max_size=15, unique=True), SOME)
def test_numbers_are_found_where_they_stand(values, sought):
    place_of = {value: place for place, value in enumerate(values)}
    found = find(int64s(values), int64s(sought))
    assert found.tolist() == [place_of.get(one, NOWHERE) for one in sought]


@settings(deadline=None, max_examples=60)
@given(SOME, SOME)
def test_repeated_numbers_and_those_among_a_few_are_told(values, few):
    counts = Counter(values)
    assert repeated(int64s(values)).tolist() == [counts[value] > 1 for value in values]
    assert is_among(int64s(values), int64s(few)).tolist() == [value in few for value in values]


POOL = ["0101801239", "0101801247", "0202812345", "0303823456", "0404834567", "0505845678", "0606856789"]
OTHERS = ["0707867890", "13585628"]


@settings(deadline=None, max_examples=60)
@given(
    st.sets(st.tuples(st.sampled_from(POOL), st.sampled_from(POOL)), max_size=6),
    st.sets(st.sampled_from(POOL), max_size=3),
    st.sets(st.sampled_from(POOL + OTHERS[:1]), max_size=2),
    st.lists(st.sampled_from(POOL + OTHERS), max_size=12),
)
def test_columns_of_numbers_are_led_where_each_number_is(links, in_use, rejected, texts):
    rules = follow_numbers(links, in_use, rejected)
    following = Following.by(rules)
    led = following.current(as_numbers(texts)).tolist()
    assert [None if number == OUT else text_of(number) for number in led] == [rules.current(text) for text in texts]
    owners = following.owner(as_numbers(texts)).tolist()
    assert [text_of(number) for number in owners] == [rules.current(text) or text for text in texts]


def test_a_column_without_rows_has_no_values():
    """Neither one without chunks, nor one whose chunks are empty."""
    for kind in (pa.string(), *DICTIONARIES):
        for column in (pa.chunked_array([], kind), pa.chunked_array([pa.array([], kind)] * 2, kind)):
            read = (read_cpr_numbers(column), read_owner_numbers(column), read_times(column).seconds)
            assert [len(values) for values in (*read, encode(column).indices, read_days(column).indices)] == [0] * 5
