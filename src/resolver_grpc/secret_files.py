"""Small files that hold a secret: only their owner may read them.

What belongs here: reading such a file whole. What its bytes mean is the caller's.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from resolver_grpc.errors import KeyFileError

_MOST_BYTES = 64 * 1024


def read_secret_file(path: Path) -> bytes:
    """Reads a file that nobody but its owner may read.

    Raises:
        KeyFileError: it is missing, open to others, or too long to be what it should be.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise KeyFileError(f"{path}: can't be read: {error.strerror}") from None
    if mode & 0o077:
        raise KeyFileError(f"{path}: others may read it; run `chmod 600` on it")
    if len(content) > _MOST_BYTES:
        raise KeyFileError(f"{path}: is longer than any key or token; name another file")
    return content
