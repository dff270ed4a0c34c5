"""CPR and CVR numbers and e-mail addresses (domain rules, section 4)."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.canonical import numbers
from resolver_grpc.canonical.email import parse_email, read_email
from resolver_grpc.canonical.numbers import parse_cpr, parse_cvr
from resolver_grpc.canonical.text import UnreadableError


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0101801239", "0101801239"),
        ("010180-1239", "0101801239"),
        (" 0101801239 ", "0101801239"),
        ("2902004000", "2902004000"),  # 29 February 2000
        ("0101965058", "0101965058"),  # born 1896, by the seventh digit
        ("0101366000", "0101366000"),  # born 2036: not held against today
    ],
)
def test_cpr_numbers_are_read(text, number):
    assert parse_cpr(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0000000000",
        "010180123",
        "01018012390",
        "010180--1239",
        "01-01801239",
        "010180 1239",
        "3102801239",
        "2902010001",
        "6101801239",  # a substitute number
        "9101801239",
        "0113801239",
        "٠101801239",
        "010180123X",
    ],
)
def test_what_is_no_cpr_number_is_refused(text):
    with pytest.raises(UnreadableError):
        parse_cpr(text)


def test_modulus_11_is_not_asked_of_cpr_numbers():
    """Numbers without it have been issued since 2007: of ten that differ in the last digit, all are read."""
    assert [parse_cpr(f"010180123{digit}") for digit in range(10)] == [f"010180123{digit}" for digit in range(10)]


@pytest.mark.parametrize("text", ["13585628", " 61126228 "])
def test_cvr_numbers_are_read(text):
    assert parse_cvr(text) == text.strip()


@pytest.mark.parametrize("text", ["", "13585629", "1358562", "135856280", "DK13585628", "13 58 56 28", "00000000"])
def test_what_is_no_cvr_number_is_refused(text):
    with pytest.raises(UnreadableError):
        parse_cvr(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Anne.Marie@Post.DK", "anne.marie@post.dk"),
        (" anne@post.dk ", "anne@post.dk"),
        ("a.b+c@post.dk", "a.b+c@post.dk"),  # dots and plus stay: it is the exact address
        ("søren@rødgrød.dk", "søren@xn--rdgrd-vuad.dk"),
        ("ÅSE@post.dk", "åse@post.dk"),
        ("A\u030ase@post.dk", "åse@post.dk"),
        ("Straße@post.dk", "straße@post.dk"),  # lower, not casefold
        ("x@xn--rdgrd-vuad.dk", "x@xn--rdgrd-vuad.dk"),
    ],
)
def test_email_addresses_are_read(text, address):
    assert parse_email(text) == read_email(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "a", "a@", "@post.dk", "a@@post.dk", "a b@post.dk", "a@post", "a@-post.dk", "a@[1.2.3.4]", "a@p\x00.dk"],
)
def test_what_is_no_email_address_is_refused(text):
    with pytest.raises(UnreadableError):
        parse_email(text)
    with pytest.raises(UnreadableError):
        read_email(text)


@given(st.emails() | st.from_regex(r"[a-zA-Z._+-]{1,6}@[a-zA-Z.-]{1,8}", fullmatch=True))
def test_email_addresses_are_idempotent_and_the_usual_ones_are_read_alike_faster(text):
    try:
        address = parse_email(text)
    except UnreadableError:
        with pytest.raises(UnreadableError):
            read_email(text)
        return
    assert parse_email(address) == read_email(text) == address


@given(st.text())
def test_no_text_makes_the_readers_stumble(text):
    for parse in (parse_cpr, parse_cvr, parse_email):
        try:
            assert parse(text)
        except UnreadableError:
            continue


def test_digits_that_tell_the_same_century_are_remembered_as_one():
    """The library's date of each is the same, in all years, leap days among them."""
    for year, day, digit in product(range(100), ("2902", "0101", "3112", "3102"), "0123456789"):
        digits, alike = (f"{day}{year:02}{one}" for one in (digit, numbers._OF_ONE_CENTURY[digit]))
        assert numbers._has_real_date.__wrapped__(digits) == numbers._has_real_date.__wrapped__(alike)
