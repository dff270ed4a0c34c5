import pytest

from resolver_grpc.errors import KeyFileError
from resolver_grpc.key_file import create_key_file, drop_kept_key, rotate_key_file
from resolver_grpc.server.key_source import KeySource


@pytest.fixture
def file(tmp_path):
    create_key_file(tmp_path / "index.key")
    return tmp_path / "index.key"


def test_a_key_that_was_made_since_is_found_and_those_before_it_still_are(file):
    source = KeySource(file)
    ring = rotate_key_file(file)
    assert [source.of(key.key_id) for key in ring] == list(ring)


def test_a_key_in_memory_needs_no_file(file):
    source = KeySource(file)
    key = rotate_key_file(file).active
    source.of(key.key_id)
    file.unlink()
    assert source.of(key.key_id) == key


def test_once_the_file_is_read_again_a_dropped_key_is_gone(file):
    source = KeySource(file)
    former = rotate_key_file(file).kept[0]
    assert source.of(former.key_id) == former
    drop_kept_key(file, former.key_id)
    with pytest.raises(KeyFileError, match="built under another key"):
        source.of("0" * 16)
    with pytest.raises(KeyFileError, match="built under another key"):
        source.of(former.key_id)


def test_a_file_that_turned_bad_is_refused_by_its_name_alone_and_what_was_read_stays(file):
    source = KeySource(file)
    key = rotate_key_file(file).kept[0]
    file.chmod(0o640)
    with pytest.raises(KeyFileError) as raised:
        source.of("0" * 16)
    assert raised.value.message == "index.key: others may read it; run `chmod 600` on it"
    assert source.of(key.key_id) == key


def test_a_bad_file_is_refused_at_the_start_with_its_path(file):
    file.chmod(0o640)
    with pytest.raises(KeyFileError, match=f"{file}: others may read it"):
        KeySource(file)
