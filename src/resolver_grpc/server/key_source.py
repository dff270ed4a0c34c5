"""The keys of a running server: read at its start, and again when a snapshot was built under one that is not there.

What belongs here: when a server reads its key file. So a key that was made while it runs is found without a restart.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from resolver_grpc.errors import KeyFileError
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.keys import KeyRing, MasterKey


class KeySource:
    """Finds keys by their ids; used by one thread at a time.

    Args:
        path: the key file.

    Raises:
        KeyFileError: the key file is refused.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ring = read_key_ring(path)

    @property
    def ring(self) -> KeyRing:
        """All keys as they were read last."""
        return self._ring

    def of(self, key_id: str) -> MasterKey:
        """Finds a key in memory, else in the file, which is then read again.

        Raises:
            KeyFileError: it is not in the file, or the file is refused; what was in memory stays there.
        """
        with suppress(KeyFileError):
            return self._ring.of(key_id)
        try:
            self._ring = read_key_ring(self._path)
        except KeyFileError as error:
            # Callers are told of it as the reason of a refusal, and no more of this machine's folders than the name.
            raise KeyFileError(error.message.replace(str(self._path), self._path.name)) from None
        return self._ring.of(key_id)
