"""Recipes and folds as data: they say what ``canonical/query.py`` and ``keys.py`` say in functions."""

from itertools import combinations

import pytest
from fast_nursery import KINDS, SENDERS, both_ways, dice_of, key_of, plain_content, request_of
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_queries import (
    DOMAINS,
    LOCALS,
    NARROW_PARTS,
    ODD_CPRS,
    ODD_DOMAINS,
    ODD_LOCALS,
    ODD_PARTS,
    ODD_ROADS,
    ROADS,
    WIDE_PARTS,
    OddQueries,
)

from resolver_grpc.canonical.email import parse_domain, parse_email
from resolver_grpc.canonical.kvhx import Kvhx, parse_kvhx
from resolver_grpc.canonical.names import canonical_name_words
from resolver_grpc.canonical.numbers import parse_cpr
from resolver_grpc.canonical.text import UnreadableError
from resolver_grpc.fastpath import folds
from resolver_grpc.fastpath.recipes import RECIPES, Field, Part
from resolver_grpc.model import Kind
from resolver_grpc.v1.query_pb2 import Query
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchResponse

QUIET = settings(max_examples=300, deadline=None, derandomize=True, database=None)
NAMES = {
    recipe: f"{recipe.kind.name}-{recipe.size}-{'-'.join(sorted(field.name for field in recipe.needed))}"
    for recipe in RECIPES
}


def or_refused(read, *texts):
    """What is read; None where it is refused."""
    try:
        return read(*texts)
    except ValueError:
        return None


def translated(fold, text):
    """What the kernel makes of a word byte by byte, said in Python."""
    word = text.encode()
    between = [bool(fold.between[byte]) for byte in word]
    touching = any(one and other for one, other in zip([True, *between], [*between, True], strict=True))
    if not word or touching or len(word) > fold.word_bytes or not all(fold.table[byte] for byte in word):
        raise UnreadableError("refused")
    return bytes(fold.table[byte] for byte in word).decode()


def test_the_fields_are_those_of_the_wire():
    numbers = {descriptor.name.upper(): descriptor.number for descriptor in Query.DESCRIPTOR.fields}
    assert {field.name: field.value for field in Field} == {field.name: numbers[field.name] for field in Field}


def test_no_query_fits_two_recipes():
    """Either their kinds differ, or one needs a field that the other doesn't allow, or the same field has two sizes."""
    for one, other in combinations(RECIPES, 2):
        sizes_differ = one.sized and one.sized == other.sized and one.size != other.size
        needs_apart = not (one.needed | other.needed) <= (one.allowed & other.allowed)
        assert one.kind != other.kind or sizes_differ or needs_apart, (NAMES[one], NAMES[other])


def fits(recipe, query):
    given_fields = {field for field in Field if getattr(query, field.name.lower())}
    sized = getattr(query, recipe.sized.name.lower()) if recipe.sized else ""
    others = query.address_line or query.handle
    return (
        query.kind == recipe.kind
        and recipe.needed <= given_fields <= recipe.allowed
        and (not recipe.sized or len(sized.encode()) == recipe.size)
        and not others
    )


@pytest.mark.parametrize("recipe", RECIPES, ids=NAMES.get)
def test_each_recipe_makes_the_key_of_the_plain_way(recipe):
    """Queries of its form reach the owner under the plain way's key, and most of them by the kernel alone."""
    queries = OddQueries(dice_of(NAMES[recipe]), oddity=0.03)
    pool = []
    while len(pool) < 40:
        query = queries.query()
        if fits(recipe, query) and key_of(query):
            pool.append(query)
    with both_ways(plain_content(pool), SENDERS) as ways:
        response = ResolveBatchResponse.FromString(ways.agree(request_of(pool), 5))
    assert all(row.targets for row in response.decisions)
    assert ways.counts["fast"] > 20


def test_kinds_without_a_recipe_are_left_to_the_plain_way():
    kinds = {recipe.kind for recipe in RECIPES}
    queries = OddQueries(dice_of(4), oddity=0)
    pool = [query for query in (queries.query() for _ in range(300)) if query.kind not in kinds]
    assert {query.kind for query in pool} == set(KINDS) - kinds
    with both_ways(plain_content([*pool, queries.query()]), SENDERS) as ways:
        ways.agree(request_of(pool), 5)
    assert ways.counts["fast"] == 0


def kvhx_folds(size):
    """The folds of a layout's slices with their widths, as its recipes have them."""
    recipe = next(recipe for recipe in RECIPES if recipe.sized is Field.KVHX and recipe.size == size)
    steps = [step for step in recipe.steps if step.field is Field.KVHX]
    assert [step.part for step in steps] == [Part.SLICE] * 5
    assert [step.start for step in steps] + [size] == [0, *(step.stop for step in steps)]
    return [(step.fold, step.stop - step.start) for step in steps]


def parts_of(plain, width):
    cut = [f"{part[:width]:{fill}{side}{width}}" for part in ODD_PARTS for fill in "_ 0" for side in "<>"]
    wild = st.text("_ 019abkstvhSTK-/.é\n", min_size=width, max_size=width)
    likely = [*plain * 60, *cut, *[part.upper() for part in plain] * 10]
    return st.sampled_from(likely) | st.sampled_from(likely) | st.sampled_from(likely) | wild


@pytest.mark.parametrize(("size", "parts"), [(19, WIDE_PARTS), (18, NARROW_PARTS)])
def test_the_folds_of_a_kvhx_key_s_slices_say_what_is_said_of_the_whole(size, parts):
    """It can be read if and only if all slices can, and then each is what its slice is."""
    sliced = kvhx_folds(size)
    codes = [ROADS[0][:4], ROADS[1][:4]], [*(road[4:] for road in ROADS), *(road[4:] for road in ODD_ROADS)]
    plain = [*codes, *parts]
    read = 0

    @given(st.tuples(*(parts_of(part, width) for part, (_, width) in zip(plain, sliced, strict=True))))
    @QUIET
    def agree(slices):
        nonlocal read
        forms = [or_refused(fold.fold, part) for (fold, _), part in zip(sliced, slices, strict=True)]
        whole = or_refused(parse_kvhx, "".join(slices))
        assert whole == (None if None in forms else Kvhx(*forms))
        read += whole is not None

    agree()
    assert read > 10


@pytest.mark.parametrize(("size", "parts"), [(19, WIDE_PARTS), (18, NARROW_PARTS)])
@pytest.mark.parametrize("place", range(5))
def test_each_slice_is_read_as_it_is_within_a_key_that_is_right(size, parts, place):
    """Every odd slice alone, between slices that can be read."""
    sliced = kvhx_folds(size)
    right = [ROADS[0][:4], ROADS[0][4:], *(part[0] for part in parts)]
    fold, width = sliced[place]
    odd = [f"{part[:width]:{fill}{side}{width}}" for part in ODD_PARTS for fill in "_ 0" for side in "<>"]
    for part in odd:
        whole = or_refused(parse_kvhx, "".join([*right[:place], part, *right[place + 1 :]]))
        assert or_refused(fold.fold, part) == (whole and whole[place]), part


LOCAL_PARTS = (
    st.sampled_from([*LOCALS, *ODD_LOCALS])
    | st.text("aZ09_+-.@ å\"'", max_size=12)
    | st.integers(60, 66).map("a".__mul__)
)
DOMAIN_NAMES = (
    st.sampled_from([*DOMAINS, *ODD_DOMAINS])
    | st.lists(st.text("aZ0-øß王", max_size=8), max_size=4).map(".".join)
    | st.tuples(st.integers(30, 64), st.sampled_from("xø王")).map(lambda pair: pair[0] * pair[1] + ".dk")
)


@given(LOCAL_PARTS, DOMAIN_NAMES)
@settings(QUIET, max_examples=800)
def test_both_parts_of_an_e_mail_address_say_what_is_said_of_the_whole(local, domain):
    """What both folds take is the address; they may refuse what could be read."""
    local_form, domain_form = or_refused(translated, folds.LOCAL_PART, local), or_refused(parse_domain, domain)
    if local_form and domain_form:
        assert parse_email(f"{local}@{domain}") == f"{local_form}@{domain_form}"


@pytest.mark.parametrize("length", range(1, 65))
def test_the_longest_address_of_both_folds_is_one(length):
    """The library has limits of the whole address: none may be met where both parts are taken."""
    local = "a" * length
    for domain in (".".join(["x" * 45] * 4) + ".dk", "ø" * 44 + ".dk", "王" * 44 + ".cn", "x" * 44 + ".dk"):
        form = or_refused(parse_domain, domain)
        if form and translated(folds.LOCAL_PART, local):
            assert parse_email(f"{local}@{domain}") == f"{local}@{form}"


def test_common_addresses_are_taken_by_both_folds():
    for local, domain in (("Ann.Bo", "POST.dk"), ("a_b+c-d", "pøst.dk"), ("A1", "a.b.example.com")):
        assert f"{translated(folds.LOCAL_PART, local)}@{parse_domain(domain)}" == parse_email(f"{local}@{domain}")


DIGITS_AND_MORE = st.text("0123456789- \t٠", min_size=9, max_size=12) | st.sampled_from(ODD_CPRS)
REAL = st.dates().map(lambda day: f"{day:%d%m%y}")


@given(DIGITS_AND_MORE | st.builds("{}{}{:04d}".format, REAL, st.sampled_from(["", "-"]), st.integers(0, 9999)))
@settings(QUIET, max_examples=800)
def test_date_and_digits_say_what_is_said_of_the_whole_number(number):
    """Of a number of the recipes' sizes: it can be read if and only if both parts can."""
    ends = {10: 7, 11: 8}.get(len(number.encode()))
    if not ends or not number.isascii():
        return
    date, rest = (
        or_refused(folds.fold_birth_date, number[:ends]),
        or_refused(translated, folds.THREE_DIGITS, number[ends:]),
    )
    forms = date + rest if date and rest else None
    assert forms == or_refused(parse_cpr, number) or number != number.strip()


LETTERS = [chr(code) for code in range(0xC0, 0x180)]


def first_and_last(name):
    """What the kernel's folds make of an ordinary name: its words between blanks, one by one."""
    words = name.split(" ")
    return folds.fold_name_word(words[0]), folds.fold_name_word(words[-1])


@pytest.mark.parametrize("letter", LETTERS)
def test_every_ordinary_letter_folds_alone_as_it_does_among_others(letter):
    for name in (f"{letter} Bo", f"Ann{letter} {letter}Bo", f"A {letter} B{letter}", f"{letter}{letter} {letter}"):
        words = canonical_name_words(name)
        assert or_refused(first_and_last, name) in {None, (words[0], words[-1])}


@given(st.text([*LETTERS, *map(chr, range(0x20, 0x7F))], min_size=1, max_size=16), st.data())
@QUIET
def test_the_words_of_an_ordinary_name_fold_alone_as_they_do_together(name, data):
    """Of a name without blanks about it: both words are the whole's, or one is refused."""
    name = name.strip(" ") or "x"
    assert all(folds.ORDINARY[byte] for byte in name.encode())
    forms, words = or_refused(first_and_last, name), canonical_name_words(name)
    assert forms is None or forms == (words[0], words[-1])


def test_what_changes_its_neighbours_is_not_ordinary():
    """White space, combining marks and all that is not Latin: bytes of theirs have no class, or begin no letter."""
    for strange in "\t\n\x1f\x7f\x85\u00a0\u0301\u0345\u2010\u2028\u3000\u202e\ufeff王Ω\U0001f600":
        assert folds.ORDINARY[strange.encode()[0]] in ({0} if len(strange.encode()) != 1 else {0, 3})
    assert [folds.ORDINARY[byte] for byte in (0xC2, 0xC6, 0x00, 0xFF)] == [0] * 4


def test_forms_hold_no_separator_and_no_fold_is_without_a_step():
    used = {id(step.fold) for recipe in RECIPES for step in recipe.steps}
    known = {name for name, fold in vars(folds).items() if isinstance(fold, folds.Remembered | folds.Translated)}
    assert {name for name in known if id(getattr(folds, name)) not in used} == set()
    assert Kind.HANDLE not in {recipe.kind for recipe in RECIPES}
