"""Lets the fuzzing use what the other tests are made of; imported before anything of them is."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
FOUND = TESTS / "fuzz" / "found"
"""Inputs that once broke a target, in a folder for each; they are tried again for good."""

sys.path[:0] = [str(TESTS / folder) for folder in (".", "fastpath", "audit", "server", "build", "fuzz")]
