"""Every target of the fuzzing, without the fuzzer: its seeds, what once broke it, and changes to both."""

from datetime import timedelta

import pytest
from fuzz_oracle import check_told, own_words
from fuzz_paths import FOUND
from fuzz_targets import TARGETS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

_NO_HANG = timedelta(seconds=20)
"""No input of a target may take as long, however busy the machine; most take a millisecond."""
_DICTIONARY = [
    b"\0",
    b"\xff",
    b"\n",
    b'"',
    b",",
    b";",
    "\u202e".encode(),
    "\u0300".encode() * 9,
    b"[" * 300,
    b"9" * 5000,
]


@st.composite
def changed(draw, inputs, longest):
    """One of some inputs after a few changes: bytes replaced, taken out, put in, doubled, or another's taken over."""
    data = draw(st.sampled_from(inputs))
    for _ in range(draw(st.integers(1, 4))):
        start, length = draw(st.integers(0, len(data))), draw(st.sampled_from([0, 0, 1, 2, 8, 64]))
        put = draw(
            st.one_of(st.binary(max_size=4), st.sampled_from(_DICTIONARY), st.just(data[start : start + length] * 2))
        )
        data = data[:start] + put + data[start + length :]
    if draw(st.sampled_from([False] * 5 + [True])):
        data = data[: len(data) // 2] + draw(st.sampled_from(inputs))[len(data) // 2 :]
    return data[:longest]


def found_of(name):
    folder = FOUND / name
    return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
def test_no_input_breaks_a_target_or_is_told_of(target):
    """Seeds and what was found stand as they are; some changes of them are the same in every run."""
    # Once, so that it is no input that seems to take its time.
    own_words()
    with target.opening() as environment:
        inputs = [b"", *target.seeds(environment), *found_of(target.name)]
        for data in inputs:
            target.run(environment, data)

        @given(changed(inputs, target.longest))
        @settings(
            max_examples=target.examples,
            deadline=_NO_HANG,
            derandomize=True,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
        )
        def hold(data):
            target.run(environment, data)

        hold()


def test_what_was_found_belongs_to_a_target():
    assert {folder.name for folder in FOUND.iterdir()} <= set(TARGETS)


@pytest.mark.parametrize("told", ["line 3: Karen is not known", "who is 0101801239?", "a\nb", "\x1b[2J", "\u202eneraK"])
def test_the_oracle_sees_what_must_not_be_told(told):
    data = b"1;Karen;0101801239"
    with pytest.raises(AssertionError):
        check_told(told, data)


def test_the_oracle_lets_the_projects_own_words_pass():
    check_told("the bytes are no ResolveBatchRequest", b"ResolveBatchRequest 1234 bytes")
    assert "karen" not in own_words()
