"""A process that has an audit written, killed at any instant: what was acknowledged is there, and nothing is amiss."""

import random

import pytest
from audit_nursery import __file__ as nursery_program
from audit_nursery import faults_of, numbers_in

from nursery import Nursery
from resolver_grpc.audit.naming import list_chains

STARTS = 12


@pytest.fixture(scope="module")
def nursery():
    nursery = Nursery(nursery_program)
    yield nursery
    nursery.close()


@pytest.mark.parametrize("callers", [1, 8])
def test_all_that_was_acknowledged_is_there_however_often_it_is_killed(nursery, tmp_path, callers):
    """One folder, start after start: each goes on from the ends that kills left, once their keepers are gone."""
    folder, told = tmp_path / "audit", tmp_path / "told"
    folder.mkdir()
    dice = random.Random(callers)  # noqa: S311 - a choice of test data
    for start in range(STARTS):
        how, after = ("after", "begun")[start % 2], dice.uniform(0.001, 0.25)
        assert nursery.fate(how, after, folder, told, start * 1_000_000, callers) == "died"
        assert faults_of(folder) == []
    acknowledged = sorted(int(line) for line in told.read_bytes().split(b"\n")[:-1])
    written = numbers_in(folder)
    # However slow the disk is; a quick one takes hundreds in that time.
    assert len(acknowledged) >= STARTS
    assert not set(acknowledged) - set(written)
    assert len(set(written)) == len(written)
    assert len(list_chains(folder)) <= STARTS
