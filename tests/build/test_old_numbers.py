"""Old numbers lead to current ones, and where the register contradicts itself to nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.build.numbers import follow_numbers
from resolver_grpc.rows.persons import REPLACED

STATUSES = ("01", "03", "20", "30", "50", "60", "70", "80", "90")


def follow(links, statuses, rejected=()):
    return follow_numbers([tuple(link) for link in links.split()], in_use(statuses), rejected)


def in_use(statuses):
    return {number for number, status in statuses.items() if status not in REPLACED}


@pytest.mark.parametrize(
    ("links", "statuses", "leads"),
    [
        ("", {"a": "01"}, {"a": "a", "x": "x"}),
        ("ac", {"a": "60", "c": "01"}, {"a": "c", "c": "c"}),
        ("ac", {"a": "50", "c": "90"}, {"a": "c"}),
        ("ac", {"c": "01"}, {"a": "c"}),  # only the record of old numbers tells
        ("ac", {"a": "60"}, {"a": "c", "c": "c"}),  # the current number is in no row
        ("ab bc cd", {"a": "60", "b": "60", "c": "50", "d": "01"}, dict.fromkeys("abcd", "d")),
        ("ac bc", {"c": "01"}, {"a": "c", "b": "c"}),
        ("ab ba", {"a": "60", "b": "60"}, {"a": None, "b": None}),
        ("aa", {"a": "60"}, {"a": None}),
        ("aa", {"a": "01"}, {"a": None}),
        ("xa ab bc ca", {}, dict.fromkeys("xabc")),
        ("ab ac", {"b": "01", "c": "01"}, dict.fromkeys("abc")),
        ("ab ac bc", {"c": "01"}, dict.fromkeys("abc")),
        ("xa ab ac cd", {}, dict.fromkeys("xabcd")),
        *[("ac", {"a": status, "c": "01"}, {"a": None, "c": None}) for status in ("01", "03", "20", "30", "90")],
        ("ac xy", {"a": "01"}, {"a": None, "c": None, "x": "y"}),
    ],
)
def test_each_number_leads_to_its_current_one_or_to_nobody(links, statuses, leads):
    numbers = follow(links, statuses)
    assert {number: numbers.current(number) for number in leads} == leads
    assert set(numbers.contradicted) == {number for number, current in leads.items() if current is None}


def test_a_rejected_row_takes_out_all_numbers_linked_to_it_and_contradicts_none():
    numbers = follow("ab bc xy", {"c": "01", "y": "01"}, rejected={"b", "q"})
    assert [numbers.current(number) for number in "abcqxy"] == [None, None, None, None, "y", "y"]
    assert numbers.contradicted == frozenset()


NAMES = st.sampled_from("abcdef")


@given(
    st.sets(st.tuples(NAMES, NAMES), max_size=6),
    st.dictionaries(NAMES, st.sampled_from(["01", "60"]), max_size=6),
    st.sets(NAMES, max_size=1),
)
def test_numbers_agree_with_a_walk_over_all_links(links, statuses, rejected):
    """The oracle walks every path; whoever can reach a fault, in either direction, is out."""

    def reach(starts, steps):
        found = set(starts)
        while more := {new for old, new in steps if old in found} - found:
            found |= more
        return found

    faults = set(rejected)
    for old, _ in links:
        successors = {new for one, new in links if one == old}
        if len(successors) > 1 or old in reach(successors, links) or statuses.get(old) == "01":
            faults.add(old)
    out = reach(faults, links | {(new, old) for old, new in links})
    numbers = follow_numbers(links, in_use(statuses), rejected)
    assert set(numbers.out) == out
    for number in "abcdef":
        ends = reach({number}, links) - {old for old, _ in links}
        assert numbers.current(number) == (None if number in out else ends.pop())
