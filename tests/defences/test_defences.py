"""The list of defences fits the code, the page on security and the page that says what came of it.

That each is one, ``make defences`` shows: it takes them out.
"""

import ast
import dataclasses
import re

import pytest
from defence_page import MOST_CHARACTERS, page_of, shortened
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
        ("x" * 500, "x" * (MOST_CHARACTERS - 1) + "…"),
    ],
)
def test_what_a_test_says_is_shortened_and_told_without_what_is_personal(said, told):
    assert shortened(said) == told
