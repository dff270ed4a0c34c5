"""What the time tells: the program runs, its classes are one answer, and its figure is what it says."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

from telling import _chance

PROGRAM = Path(__file__).parents[1] / "bench" / "telling.py"


def test_the_chance_is_how_often_one_is_longer():
    assert _chance([1, 2, 3], [1, 2, 3]) == 0.5
    assert _chance([4, 5], [1, 2, 3]) == 1
    assert _chance([0], [1, 2]) == 0
    assert _chance([2], [1, 2, 3, 4]) == 1.5 / 4


def test_every_class_is_measured_on_both_ways(tmp_path):
    words = ["--each", "5", "--batches", "2", "--queries", "10", "--out", str(tmp_path / "telling.md")]
    done = subprocess.run([sys.executable, PROGRAM, *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "telling.md").read_text(encoding="utf-8")
    assert text == done.stdout.removesuffix("\n")
    assert [text.count(f"| {name} |") for name in ("unknown", "opted out", "protected", "not subscribed")] == [
        4,
        4,
        2,
        2,
    ]
