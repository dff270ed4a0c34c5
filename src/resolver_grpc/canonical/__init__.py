"""Canonical forms: what a sender wrote, and what the register holds, brought to one spelling.

Pure functions from text to text, used by builder and server alike. ``fold_`` and ``canonical_`` are total
and idempotent; ``parse_`` refuses what it can't read with ``UnreadableError``. Folding meets spelling
variants and never guesses. Any change of a result is a new ``CANONICAL_VERSION``: it stands in every
snapshot's manifest, and a server refuses a snapshot of another version.
"""

CANONICAL_VERSION = 1
