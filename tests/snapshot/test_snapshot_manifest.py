from __future__ import annotations

import json
from dataclasses import fields
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snapshot_files import make_manifest

from resolver_grpc.errors import SnapshotError
from resolver_grpc.snapshot.manifest import Manifest, Source, decode_manifest, encode_manifest

TEXT = st.text(min_size=1, max_size=9).filter(lambda text: text.isprintable())
COUNT = st.integers(0, 2**70)


@given(
    manifest=st.builds(
        make_manifest,
        canonical_version=COUNT,
        key_id=TEXT,
        snapshot_id=st.binary(min_size=16, max_size=16).map(bytes.hex),
        file_size=COUNT,
        file_digest=st.binary(min_size=32, max_size=32).map(bytes.hex),
        counts=st.dictionaries(TEXT, COUNT, max_size=3),
        sources=st.lists(st.builds(Source, TEXT, TEXT, COUNT, COUNT, COUNT), max_size=3).map(tuple),
        register_date=st.dates().map(str),
        build_time=st.datetimes().map(lambda time: f"{time:%Y-%m-%dT%H:%M:%S}Z".zfill(20)),
    )
)
def test_decoding_undoes_encoding(manifest):
    assert decode_manifest(encode_manifest(manifest)) == manifest


def test_a_manifest_is_json_with_its_fields_in_order():
    values = json.loads(encode_manifest(make_manifest()))
    assert list(values) == [*(field.name for field in fields(Manifest)), "manifest_digest"]
    assert values["sources"][0] == {
        "table": "persons",
        "digest": "ab" * 32,
        "rows": 1_100,
        "rejected": 2,
        "change_sequence": 17,
    }


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"7", b"null", b"\xff\xfe{", b"[" * 100_000, b'{"owners": 1, "owners": 2}', b"1" * 5_000],
    ids=["empty", "cut off", "list", "number", "null", "no text", "deep", "a field twice", "a huge number"],
)
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(SnapshotError, match="no JSON object"):
        decode_manifest(text)


def changed(**changes):
    return json.dumps(json.loads(encode_manifest(make_manifest())) | changes).encode()


def test_its_last_line_is_a_digest_of_the_others():
    values = json.loads(encode_manifest(make_manifest()))
    stated = values.pop("manifest_digest")
    text = (json.dumps(values, ensure_ascii=False, indent=2) + "\n").encode()
    assert stated == blake2b(text, digest_size=32).hexdigest()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace(b"2026-11-22T03", b"2026-11-22T04"),
        lambda text: text.replace(b'"rejected": 2', b'"rejected": 3'),
        lambda text: text.replace(b"\n  ", b"\n\t "),
        lambda text: text.replace(b'"4f1c"', rb'"\ud800"'),
        lambda text: text.replace(b"manifest_digest", b"manifest_digesT"),
        lambda text: text.rstrip(),
        lambda text: text.decode().encode("utf-16"),
        lambda text: json.dumps({k: v for k, v in json.loads(text).items() if k != "manifest_digest"}).encode(),
    ],
    ids=["time", "count", "blank", "surrogate", "name", "cut", "encoding", "no digest"],
)
def test_what_is_well_formed_but_was_not_written_so_is_refused(spoil):
    text = encode_manifest(make_manifest())
    assert spoil(text) != text
    with pytest.raises(SnapshotError, match=r"manifest is damaged, its digest is another; publish|1 unknown field"):
        decode_manifest(spoil(text))


@given(place=st.integers(0), flip=st.integers(1, 255))
def test_any_flipped_byte_is_found(place, flip):
    text = bytearray(encode_manifest(make_manifest()))
    text[place % len(text)] ^= flip
    with pytest.raises(SnapshotError):
        decode_manifest(bytes(text))


@pytest.mark.parametrize("version", [0, 2, 999])
def test_another_format_is_refused_before_its_fields_are_read(version):
    with pytest.raises(SnapshotError, match=rf"format {version}, this program reads format 1; build"):
        decode_manifest(json.dumps({"format_version": version, "shards": 4}).encode())


@pytest.mark.parametrize("name", [field.name for field in fields(Manifest)])
def test_every_field_must_be_there(name):
    values = json.loads(encode_manifest(make_manifest()))
    del values[name]
    with pytest.raises(SnapshotError, match=f"field {name} is"):
        decode_manifest(json.dumps(values).encode())


def test_an_unknown_field_is_refused():
    with pytest.raises(SnapshotError, match="1 unknown field"):
        decode_manifest(changed(shards=4))


SOURCE = {"table": "persons", "digest": "ab", "rows": 1, "rejected": 0, "change_sequence": 0}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, value) for name in ("canonical_version", "file_size", "owners", "change_sequence", "format_version")
          for value in (-1, 1.0, True, "1", None, [])),
        *(("key_id", value) for value in ("", 7, None, ["4f1c"])),
        *(("snapshot_id", value) for value in ("ab", "AB" * 16, "g" * 32, "ab" * 17, 7, None)),
        *(("file_digest", value) for value in ("ab", "AB" * 32, "g" * 64, None)),
        *(("register_date", value) for value in ("2026-02-30", "20261122", "2026-11-22Z", "", "٢٠٢٦-11-22", 20261122)),
        *(("build_time", value) for value in ("2026-11-22T03:04:05", "2026-11-22T03:04:05+01:00", "2026-11-22",
                                              "2026-11-22T25:04:05Z", "2026-11-22 03:04:05Z", 0)),
        *(("counts", value) for value in ([], None, {"keys": -1}, {"keys": "1"}, {"keys": True})),
        *(("sources", value) for value in ({}, None, [7], [SOURCE | {"rows": "1"}], [SOURCE | {"table": ""}],
                                           [SOURCE | {"digest": None}], [{"table": "persons"}])),
    ],
)  # fmt: skip
def test_a_field_of_the_wrong_kind_is_refused_by_its_name(field, value):
    with pytest.raises(SnapshotError, match=f"field {field}") as caught:
        decode_manifest(changed(**{field: value}))
    assert caught.value.metadata["field"].startswith(field)


def test_a_source_with_an_unknown_field_is_refused():
    with pytest.raises(SnapshotError, match="unknown field"):
        decode_manifest(changed(sources=[SOURCE | {"path": "persons.csv"}]))
