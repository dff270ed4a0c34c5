"""The key file: a ring of keys as text, read and changed.

What belongs here: the file's form, and the care for it: its owner alone may read it, a change leaves the old file or
the new one, whole, and two changes take turns. What is derived from a key is ``keys.py``'s. A line for each key, the
newest last, the words parted by blanks::

    # A line that begins so is a comment, and stays where it is.
    ID BASE64 kept
    ID BASE64 active

The id is the key's own, so that no line can say it is another key than it is. A file of the former form, one line of
bare base64, is a ring of that one key. No error ever shows a word of the file.
"""

from __future__ import annotations

import base64
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from resolver_grpc.errors import KeyFileError
from resolver_grpc.keys import SECRET_BYTES, KeyRing, MasterKey

_ACTIVE: Final = "active"
_KEPT: Final = "kept"
_FILE_MODE: Final = 0o600
_MAX_BYTES: Final = 1 << 16
_HEADING: Final = "# Keys of resolver-grpc, each with its id, in base64, active or kept; as secret as the register."
_MAKE_ONE: Final = "make one with `resolver-grpc keys new`"
_RESTORE: Final = "restore the file from its backup"


class _Line(NamedTuple):
    """A line as it stands, and the key in it; None in a comment and in an empty line."""

    text: str
    key: MasterKey | None = None
    is_active: bool = False


class _Change(NamedTuple):
    """Where the key file really stands, and where the one that takes its place is written, in the same folder."""

    target: Path
    fresh: Path


def create_key_file(path: Path) -> MasterKey:
    """Writes a new random key, the active one, to a new file that only its owner may read.

    Raises:
        KeyFileError: the file exists already, or can't be written.
    """
    key = MasterKey(os.urandom(SECRET_BYTES))
    with _changing(path) as change:
        _write(change.fresh, [_Line(_HEADING), _line(key, _ACTIVE)])
        try:
            # A link and no renaming, which would take the place of a file.
            os.link(change.fresh, path)
        except FileExistsError:
            raise KeyFileError(f"{path}: exists already; a key is never overwritten, choose another file") from None
    return key


def read_key_ring(path: Path) -> KeyRing:
    """Reads a key file, readable by its owner alone.

    Raises:
        KeyFileError: it is missing, open to others, or no key file.
    """
    return _ring(_read(path))


def rotate_key_file(path: Path) -> KeyRing:
    """Makes a new random key the active one, and keeps the former ones.

    Returns:
        The keys that the file holds from now on.

    Raises:
        KeyFileError: the file can't be read or written, or is full; it is then as it was.
    """
    with _changing(path) as change:
        lines = [_line(line.key, _KEPT) if line.key else line for line in _read(path)]
        return _replace(change, [*lines, _line(MasterKey(os.urandom(SECRET_BYTES)), _ACTIVE)])


def drop_kept_key(path: Path, key_id: str) -> KeyRing:
    """Removes a kept key for good: nothing that was made under it can be read any more.

    Returns:
        The keys that the file holds from now on.

    Raises:
        KeyFileError: the file can't be read or written, or the key is the active one or not in it; it is then as it
            was.
    """
    with _changing(path) as change:
        lines = _read(path)
        ring = _ring(lines)
        if key_id == ring.active.key_id:
            raise KeyFileError(f"{path}: that is the active key; rotate first, and drop it when no snapshot needs it")
        if key_id not in {key.key_id for key in ring.kept}:
            raise KeyFileError(f"{path}: holds no key of that id; `resolver-grpc keys list` tells which it holds")
        return _replace(change, [line for line in lines if not line.key or line.key.key_id != key_id])


def _read(path: Path) -> list[_Line]:
    """Reads the lines of a key file whose keys make a ring."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise KeyFileError(f"{path}: can't be read: {error.strerror}; {_MAKE_ONE}") from None
    if mode & 0o077:
        raise KeyFileError(f"{path}: others may read it; run `chmod 600` on it")
    if len(content) > _MAX_BYTES:
        raise KeyFileError(f"{path}: has more than the {_MAX_BYTES:,} bytes of a key file; {_RESTORE}")
    lines = _parse(content, path)
    _check_ring(lines, path)
    return lines


def _parse(content: bytes, path: Path) -> list[_Line]:
    # A comment is written again as it was read, whatever its bytes.
    texts = content.decode(errors="surrogateescape").removesuffix("\n").split("\n")
    words = [word for text in texts if not _is_comment(text) for word in text.split()]
    if len(words) > 1:
        return [_parse_line(text, f"{path}: line {number}") for number, text in enumerate(texts, start=1)]
    former = _line(_parse_key("".join(words), f"{path}:", _MAKE_ONE), _ACTIVE)
    return [_Line(text) if _is_comment(text) else former for text in texts]


def _is_comment(text: str) -> bool:
    return not text.strip() or text.lstrip().startswith("#")


def _parse_line(text: str, place: str) -> _Line:
    if _is_comment(text):
        return _Line(text)
    match text.split():
        case [key_id, secret, state] if state in {_ACTIVE, _KEPT}:
            key = _parse_key(secret, place, _RESTORE)
        case _:
            raise KeyFileError(f"{place} is neither `ID BASE64 {_ACTIVE}` nor `ID BASE64 {_KEPT}`; {_RESTORE}")
    if key.key_id != key_id:
        raise KeyFileError(f"{place} has an id that is not its key's; {_RESTORE}")
    return _Line(text, key, state == _ACTIVE)


def _parse_key(text: str, place: str, fix: str) -> MasterKey:
    try:
        secret = base64.b64decode(text, validate=True)
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise KeyFileError(f"{place} holds no key of {SECRET_BYTES} bytes in base64; {fix}")
    return MasterKey(secret)


def _check_ring(lines: list[_Line], path: Path) -> None:
    if (active := sum(line.is_active for line in lines)) != 1:
        raise KeyFileError(
            f"{path}: holds {active} active keys; write `{_ACTIVE}` behind one, `{_KEPT}` behind the others"
        )
    keys = [line.key for line in lines if line.key]
    if len(set(keys)) < len(keys):
        raise KeyFileError(f"{path}: holds a key twice; remove one of its two lines")


def _ring(lines: list[_Line]) -> KeyRing:
    (active,) = (line.key for line in lines if line.key and line.is_active)
    return KeyRing(active, tuple(line.key for line in reversed(lines) if line.key and not line.is_active))


def _line(key: MasterKey, state: str) -> _Line:
    return _Line(f"{key.key_id} {base64.b64encode(key.secret).decode()} {state}", key, state == _ACTIVE)


@contextmanager
def _changing(path: Path) -> Iterator[_Change]:
    """Holds the key file's folder, so that of two changes none is lost; a killed one's leftover is removed.

    The lock is the kernel's (``flock``), on the folder itself: it leaves no file behind and dies with its holder.
    """
    # Through a symbolic link the file that it leads to is changed, and the link stays.
    target = Path(os.path.realpath(path))
    fresh = target.with_name(f".{target.name}.unfinished")
    try:
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            fresh.unlink(missing_ok=True)
            try:
                yield _Change(target, fresh)
            finally:
                # Once it was renamed there is nothing left to remove.
                fresh.unlink(missing_ok=True)
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise KeyFileError(f"{path}: can't be written: {error.strerror}") from None


def _replace(change: _Change, lines: list[_Line]) -> KeyRing:
    _write(change.fresh, lines, change.target.stat())
    change.fresh.rename(change.target)
    return _ring(lines)


def _write(fresh: Path, lines: list[_Line], former: os.stat_result | None = None) -> None:
    content = "".join(f"{line.text}\n" for line in lines).encode(errors="surrogateescape")
    if len(content) > _MAX_BYTES:
        raise KeyFileError(f"A key file has at most {_MAX_BYTES:,} bytes; drop kept keys that no snapshot needs.")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE), "wb") as file:
        if former and os.geteuid() == 0:
            # Else a server that runs as the file's owner could not read what root rotated.
            os.fchown(file.fileno(), former.st_uid, former.st_gid)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
