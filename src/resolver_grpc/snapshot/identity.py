"""What a snapshot's id stands for beside its content.

What belongs here: the one text that builder and verifier mix into the digest of a content, so that they
can't differ.
"""

from __future__ import annotations

from typing import Final

# No key id, version, day or count holds it.
_SEPARATOR: Final = "\x1f"


def identity_context(key_id: str, canonical_version: int, register_date: str, change_sequence: int) -> bytes:
    """Gives the context of a snapshot's content digest; the arguments are those of its manifest.

    The build time is left out: the same rows give the same id, whenever they are built.
    """
    return _SEPARATOR.join((key_id, str(canonical_version), register_date, str(change_sequence))).encode()
