from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.index import layout


@pytest.mark.parametrize(("keys", "buckets"), [(0, 1), (1, 1), (178, 1), (179, 2), (30_000_000, 168_540)])
def test_buckets_are_made_for_178_keys(keys, buckets):
    assert layout.bucket_count(keys) == buckets


def test_a_page_of_the_target_size_fills_one_overflow_page():
    """LMDB takes 16 bytes of a page's 4,096 for itself."""
    assert layout.KEYS_PER_BUCKET * layout.ENTRY_BYTES <= 4_080
    assert 204 * layout.ENTRY_BYTES == 4_080


@given(key=st.binary(min_size=16, max_size=16), buckets=st.integers(1, 2**31))
def test_a_bucket_is_the_keys_share_of_all_keys(key, buckets):
    share = int.from_bytes(key[:4], "big") / 2**32
    assert layout.bucket_of(key, buckets) == int(share * buckets)
    assert 0 <= layout.bucket_of(key, buckets) < buckets


def test_chunks_of_a_column_follow_each_other_and_no_other_column_comes_between():
    names = [layout.chunk_key(column, number) for column in sorted(layout.COLUMN_TYPES) for number in (0, 1, 255, 256)]
    assert names == sorted(names)
