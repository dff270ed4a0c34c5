"""The list of defences fits the code, the page on security and the page that says what came of it.

That each is one, ``make defences`` shows: it takes them out.
"""

import ast
import dataclasses
import re

import pytest
from defence_page import MOST_CHARACTERS, page_of, said_on, shortened
from defence_table import PAGE, ROOT, Defence, read_defences, read_threats
from taking_out import UnnoticedError, said_without

DEFENCES = read_defences()
ONE = Defence(
    threat="nobody", defence="a wall", file="a.py", stands="wall", without="", tests=("t.py::test_it",)
)  # fmt: skip


@pytest.fixture(scope="module")
def sources():
    return {one.file: (ROOT / one.file).read_text(encoding="utf-8") for one in DEFENCES}


def test_each_defence_stands_once_where_the_list_says_and_leaves_python_behind(sources):
    for one in DEFENCES:
        without = one.taken_out_of(sources[one.file])
        assert without != sources[one.file]
        if one.file.endswith(".py"):
            ast.parse(without)
        assert one.compiled == one.file.endswith((".pyx", ".pxi"))


def test_the_tests_are_there():
    named = {test.partition("::")[::2] for one in DEFENCES for test in one.tests}
    texts = {file: (ROOT / file).read_text(encoding="utf-8") for file, _ in named}
    missing = [name for file, name in named if not re.search(rf"^def {name}\(", texts[file], re.MULTILINE)]
    assert missing == []


def test_every_threat_has_a_defence_and_every_defence_a_threat():
    assert {one.threat for one in DEFENCES} == set(read_threats())


def test_no_defence_is_listed_twice():
    assert len({(one.threat, one.defence) for one in DEFENCES}) == len(DEFENCES)
    assert len({(one.file, one.stands, one.without) for one in DEFENCES}) >= len(DEFENCES) - 2


def test_the_page_names_the_defences_and_their_tests_and_nothing_else():
    """What the tests said is left out: ``make defences`` alone knows."""
    column = re.compile(r" \| [^|]*(?:\\\|[^|]*)*\|$", re.MULTILINE)
    blank = page_of(DEFENCES, {one: [""] * len(one.tests) for one in DEFENCES}, read_threats())
    assert column.sub("", PAGE.read_text(encoding="utf-8")) == column.sub("", blank)


def test_the_page_holds_nothing_of_one_machine_and_nothing_that_looks_personal():
    text = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"/(?:tmp|home|root)\b|0x[0-9a-f]{6}|\b\d{6}-?\d{4}\b|\w@\w", text) == []


@pytest.mark.parametrize("text", ["", "wall wall"])
def test_a_defence_that_stands_nowhere_or_twice_is_not_taken_out(text):
    with pytest.raises(ValueError, match=r"a wall: its text stands [02] times in a\.py"):
        ONE.taken_out_of(text)


def failed(*errors):
    return {"errors": list(errors), "said": "assert 1 == 2"}


def test_what_a_test_says_counts_where_what_it_holds_does_not_hold():
    late = dataclasses.replace(ONE, fails_with="Timeout")
    for one, ends in ((ONE, failed("AssertionError", "Failed")), (late, failed("Timeout")), (late, failed("Failed"))):
        assert said_without(one, "t.py::test_it", ends) == "assert 1 == 2"


@pytest.mark.parametrize(
    ("ends", "sentence"),
    [
        (None, "`a wall` can be taken out, and t.py::test_it passes all the same"),
        (failed("ImportError"), "`a wall`: t.py::test_it ends with ImportError"),
        (failed("AssertionError", "NameError"), "ends with AssertionError, NameError"),
        (failed("exit code 4"), "ends with exit code 4"),
        (failed("Timeout"), "ends with Timeout"),
    ],
)
def test_what_goes_unnoticed_or_fails_otherwise_shows_no_defence(ends, sentence):
    with pytest.raises(UnnoticedError, match=sentence):
        said_without(ONE, "t.py::test_it", ends)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("AssertionError: assert 3\n  == 2\n   + where 3 = len([1, 2, 3])", "AssertionError: assert 3 == 2"),
        ("Failed: DID NOT RAISE", "Failed: DID NOT RAISE"),
        ("KeyFileError: /var/me/pytest-of-me/pytest-7/test_a0/index.key: no", "KeyFileError: …/index.key: no"),
        ("0101801239 and 010180-1239, ann@post.dk", "########## and ##########, …@…"),
        ("<Thing at 0x7f00aa12bb>, 7e1ab2c3d4e5f607", "<Thing at 0x…>, …"),
        ("b'\\x01\\x02\\x03\\x04' at 127.0.0.1:4711", "b'…' at 127.0.0.1:…"),
        ("{'audit/audit-20261123-1-075954633373.jsonl': 1}", "{'audit/audit-….jsonl': 1}"),
        ("x" * 500, "x" * (MOST_CHARACTERS - 1) + "…"),
    ],
)
def test_what_a_test_says_is_shortened_and_told_without_what_is_personal(said, told):
    assert shortened(said) == told


TWO = dataclasses.replace(ONE, defence="a moat | a ditch", tests=("t.py::test_it", "u.py::test_it", "u.py::test_deep"))


def test_what_a_page_says_of_a_defence_is_read_again_word_for_word():
    said = {ONE: ["assert 1 == 2"], TWO: ["a | b `c`", "", "x" * 500]}
    page = page_of([ONE, TWO], said, ["somebody", "nobody"])
    kept = said_on(page, [TWO, ONE])
    assert kept == {ONE: ["assert 1 == 2"], TWO: ["a | b 'c'", "", shortened("x" * 500)]}
    assert page_of([ONE, TWO], kept, ["somebody", "nobody"]) == page
    others = [
        dataclasses.replace(ONE, defence="a door"),
        dataclasses.replace(ONE, threat="somebody"),
        dataclasses.replace(ONE, tests=("t.py::test_other",)),
        dataclasses.replace(TWO, tests=TWO.tests[:2]),
    ]
    assert said_on(page, others) == {}


def test_a_defence_of_which_nothing_was_said_is_left_out_of_the_page():
    assert "a wall" not in page_of([ONE, TWO], {TWO: ["", "", ""]}, ["nobody"])


def test_the_page_that_is_there_is_read_again_word_for_word():
    text = PAGE.read_text(encoding="utf-8")
    assert page_of(DEFENCES, said_on(text, DEFENCES), read_threats()) == text
