"""The manifest: what a snapshot says of itself, in ``manifest.json`` beside the index file.

What belongs here: the fields, their one spelling in JSON and the refusal of every other. A manifest holds
counts, digests and versions, never a row of the content. Its last line is a digest of all the others: the
index file vouches for some fields, but nothing else does for the register date or the build time.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NoReturn

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import FORMAT_VERSION, LAST_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MANIFEST_FILE: Final = "manifest.json"

_OWN_DIGEST: Final = "manifest_digest"
_OWN_DIGEST_BYTES: Final = 32

_SNAPSHOT_ID: Final = re.compile(r"[0-9a-f]{32}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_INSTANT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Source:
    """One input table that the snapshot was built from.

    Attributes:
        table: the table's name.
        digest: what its file's digest was, in hexadecimal.
        rows: how many rows it had.
        rejected: how many of them were rejected.
        change_sequence: the sequence of the last change that it takes account of.
    """

    table: str
    digest: str
    rows: int
    rejected: int
    change_sequence: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a snapshot says of itself.

    Attributes:
        format_version: the version of the index format.
        canonical_version: the version of the canonical forms that its keys were made from.
        key_id: names the key file it was built with.
        snapshot_id: the keyed digest of its content, 32 hexadecimal digits.
        file_size: the index file's size in bytes.
        file_digest: what ``files.measure_file`` says of the index file: 256 bits of BLAKE2b, in hexadecimal.
        owners: how many owners it holds.
        counts: how many of what it holds, by names of the builder's choice.
        sources: the tables that it was built from.
        register_date: the register's day, ``YYYY-MM-DD``.
        change_sequence: the sequence of the last change that it contains.
        build_time: when it was built, ``YYYY-MM-DDTHH:MM:SSZ``.
        report: what the builder tells of its work, by topic (rows dropped, keys, sizes, seconds) and name.
    """

    format_version: int
    canonical_version: int
    key_id: str
    snapshot_id: str
    file_size: int
    file_digest: str
    owners: int
    counts: Mapping[str, int]
    sources: tuple[Source, ...]
    register_date: str
    change_sequence: int
    build_time: str
    report: Mapping[str, Mapping[str, float]]


def encode_manifest(manifest: Manifest) -> bytes:
    """Writes a manifest as JSON, its fields in their order, one to a line, then the digest of these lines."""
    values = asdict(manifest)
    return _spell(values | {_OWN_DIGEST: blake2b(_spell(values), digest_size=_OWN_DIGEST_BYTES).hexdigest()})


def decode_manifest(text: bytes) -> Manifest:
    """Reads a manifest.

    Raises:
        SnapshotError: it is no JSON object, of another format version, a field is missing, unknown or wrong, or
            it is not byte for byte what was written.
    """
    try:
        values = json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise SnapshotError("The manifest is no JSON object; publish the snapshot again.")
    _count(values.get("format_version"), "format_version")
    if values["format_version"] > LAST_VERSION:
        raise SnapshotError("The manifest states a format that there can't be; publish the snapshot again.")
    if values["format_version"] != FORMAT_VERSION:
        raise SnapshotError(
            f"The snapshot has format {values['format_version']}, this program reads format {FORMAT_VERSION}; "
            "build the snapshot again with this version.",
            format_version=values["format_version"],
        )
    values.pop(_OWN_DIGEST, None)
    manifest = Manifest(**_read(values, Manifest, _MANIFEST_FIELDS, ""))
    if text != encode_manifest(manifest):
        raise SnapshotError("The manifest is damaged, its digest is another; publish the snapshot again.")
    return manifest


def _spell(values: Mapping[str, object]) -> bytes:
    # A lone surrogate, which JSON can state but UTF-8 can't, then differs from what was read: it is refused.
    return (json.dumps(values, ensure_ascii=False, indent=2) + "\n").encode(errors="surrogatepass")


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a field stands there twice")
    return values


def _read(
    values: object, shape: type[Manifest | Source], readers: Mapping[str, Callable[[object, str], object]], path: str
) -> dict[str, Any]:
    """Reads the fields of an object: each one of the shape's, and no other."""
    if not isinstance(values, dict):
        _refuse(path.removesuffix("."), "is no object")
    names = [one.name for one in fields(shape)]
    if unknown := values.keys() - set(names):
        raise SnapshotError(
            f"The manifest has {len(unknown)} unknown fields; open the snapshot with the version that built it."
        )
    for name in names:
        if name not in values:
            _refuse(f"{path}{name}", "is missing")
    return {name: readers[name](values[name], f"{path}{name}") for name in names}


def _refuse(field: str, fault: str) -> NoReturn:
    raise SnapshotError(f"The manifest's field {field} {fault}; publish the snapshot again.", field=field)


def _count(value: object, field: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        _refuse(field, "is no count")
    return value


def _text(value: object, field: str) -> str:
    if not isinstance(value, str) or not value:
        _refuse(field, "is no text")
    return value


def _matching(pattern: re.Pattern[str], fault: str) -> Callable[[object, str], str]:
    def read(value: object, field: str) -> str:
        if not pattern.fullmatch(_text(value, field)):
            _refuse(field, fault)
        return _text(value, field)

    return read


def _day(value: object, field: str) -> str:
    text = _matching(_DAY, "is no day YYYY-MM-DD")(value, field)
    try:
        date.fromisoformat(text)
    except ValueError:
        _refuse(field, "is no day YYYY-MM-DD")
    return text


def _instant(value: object, field: str) -> str:
    text = _matching(_INSTANT, "is no instant YYYY-MM-DDTHH:MM:SSZ")(value, field)
    try:
        datetime.fromisoformat(text)
    except ValueError:
        _refuse(field, "is no instant YYYY-MM-DDTHH:MM:SSZ")
    return text


def _counts(value: object, field: str) -> dict[str, int]:
    if not isinstance(value, dict):
        _refuse(field, "is no object")
    # Told by its place: a name in a file that nobody vouches for may be anything.
    return {name: _count(count, f"{field}[{place}]") for place, (name, count) in enumerate(value.items())}


def _report(value: object, field: str) -> dict[str, dict[str, float]]:
    if not isinstance(value, dict):
        _refuse(field, "is no object")
    return {topic: _figures(figures, f"{field}[{place}]") for place, (topic, figures) in enumerate(value.items())}


def _figures(value: object, field: str) -> dict[str, float]:
    if not isinstance(value, dict) or not all(type(figure) in {int, float} for figure in value.values()):
        _refuse(field, "is no object of numbers")
    return value


def _sources(value: object, field: str) -> tuple[Source, ...]:
    if not isinstance(value, list):
        _refuse(field, "is no list")
    return tuple(
        Source(**_read(source, Source, _SOURCE_FIELDS, f"{field}[{place}].")) for place, source in enumerate(value)
    )


_SOURCE_FIELDS: Final[Mapping[str, Callable[[object, str], object]]] = {
    "table": _text,
    "digest": _text,
    "rows": _count,
    "rejected": _count,
    "change_sequence": _count,
}
_MANIFEST_FIELDS: Final[Mapping[str, Callable[[object, str], object]]] = {
    "format_version": _count,
    "canonical_version": _count,
    "key_id": _text,
    "snapshot_id": _matching(_SNAPSHOT_ID, "is no snapshot id"),
    "file_size": _count,
    "file_digest": _matching(_DIGEST, "is no digest"),
    "owners": _count,
    "counts": _counts,
    "sources": _sources,
    "register_date": _day,
    "change_sequence": _count,
    "build_time": _instant,
    "report": _report,
}
