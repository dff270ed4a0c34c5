"""The benchmark of changes: its mix, that what it measures is right, and that the program runs on a tiny country."""

import sys
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from resolver_grpc.fastpath.machine import find_kernel

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import changes
from change_mix import ROUND, draw_changes
from nation.requests import encode_requests
from nation.world import make_country
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.changes.parsing import parse_change
from sites import find_site, opening

SIZE, SEED, COUNT = 1_000, 7, 200

pytestmark = pytest.mark.skipif(find_kernel() is None, reason="this installation has no compiled kernel")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return find_site(SIZE, SEED, tmp_path_factory.mktemp("changes"), None, None)


def test_the_mix_is_the_usual_one_and_the_same_each_time():
    numbers = [f"0101{year}1234" for year in range(60, 90)]
    drawn = list(draw_changes(numbers, ROUND * 3, 1_793_534_400, SEED))
    assert drawn == list(draw_changes(numbers, ROUND * 3, 1_793_534_400, SEED))
    assert {parse_change(change).number for change in drawn} == set(numbers)
    kinds = Counter(change.WhichOneof("event") for change in drawn)
    relations = sum(kinds[name] for name in ("subscribed", "opted_out", "bound"))
    assert (kinds["address_consent_given"], kinds["logged_in"], relations, kinds["moved"]) == (12, 12, 18, 12)
    assert kinds.total() == 60


def test_what_is_followed_answers_as_what_was_taken(site, tmp_path):
    """The fast way and the plain way, over the changes that another process wrote to the log."""
    path = tmp_path / "changes.log"
    judged, refused = changes.append_changes(site, path, COUNT, SEED)
    assert judged > 0
    with opening(site) as opened, ChangeLog(path, changes._RING) as log:
        overlay, costs = changes.follow_log(opened, log, judged, refused)
        assert costs.taken + refused == COUNT
        assert overlay.version == costs.taken
        assert costs.worked_out < 0.1
        (message,) = encode_requests(make_country(SIZE, SEED), "mix", batch=500, count=1, hit_rate=0.8, seed=SEED)
        changed = changes.answering(opened, overlay)
        told = changed.answer(message, opened.instant)
        assert told == changed.plain.answer(message, opened.instant)
        assert told != opened.fast.answer(message, opened.instant)


def test_the_program_tells_each_figure_beside_its_target(site, tmp_path):
    words = ["--mailboxes", SIZE, "--seed", SEED, "--changes", 60, "--messages", 1, "--rounds", 2]
    words += ["--snapshot", site.snapshot, "--keys", site.keys, "--out", tmp_path / "changes.md"]
    done = CliRunner().invoke(changes.main, list(map(str, words)))
    assert done.exit_code == 0, done.output
    text = (tmp_path / "changes.md").read_text(encoding="utf-8")
    told = [text.count(target) for target in ("| 50 µs |", "| 10 s |", "| 400 bytes |", "target is 1.25")]
    # Memory of a worker that follows, and of one that takes changes, too.
    assert told == [1, 1, 2, 1]
    assert all(f"| {name} |" in text for name in (changes._NONE, changes._CHANGED, changes._CHANGING))
