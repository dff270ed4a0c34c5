"""The kernel's check of pages beside ``check_pages``: it lets pass what that one lets pass, and refuses the rest."""

import struct
from types import SimpleNamespace

import lmdb
import numpy as np
import pytest
from fast_nursery import COLUMNS_KEY, HANDLES, KERNEL, KEYS, SENDERS, SNAPSHOT_ID, key_of, plain_content, request_of
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver_grpc.errors import SnapshotError
from resolver_grpc.fastpath.way import FastWay
from resolver_grpc.index.layout import DATABASES
from resolver_grpc.index.lmdb_index import LmdbIndex
from resolver_grpc.index.pages import check_pages
from resolver_grpc.index.writer import write_index
from resolver_grpc.model import Kind, QueryRow
from resolver_grpc.resolve import Resolver
from resolver_grpc.server.batch import Batches
from resolver_grpc.server.fast_batches import FastBatches

OWNERS, POSTINGS = 5, 3
TOP = 0x8000_0000
GOOD_SLOTS = [0, OWNERS - 1, TOP, TOP + POSTINGS - 1]
BAD_SLOTS = [OWNERS, TOP - 1, TOP + POSTINGS, 0xFFFF_FFFF]
STRETCHES = st.lists(
    st.lists(
        st.tuples(
            st.one_of(
                st.binary(min_size=16, max_size=16), st.integers(0, 3).map(lambda byte: bytes(15) + bytes([byte]))
            ),
            st.sampled_from(GOOD_SLOTS + BAD_SLOTS[:1]),
        ),
        max_size=5,
    ),
    min_size=1,
    max_size=4,
)


def page_of(entries):
    """A page of keys and slots, as they come."""
    return b"".join(key for key, _ in entries) + b"".join(struct.pack("<I", slot) for _, slot in entries)


def page_set(pages, checked=None, owners=OWNERS, postings=POSTINGS):
    """The kernel's page set of some pages, none of them checked."""
    noted = bytearray(len(pages)) if checked is None else checked
    return KERNEL.PageSet([memoryview(page) for page in pages], owners, postings, noted, [])


def is_sound(pages, bucket, buckets):
    """What ``check_pages`` says of one page."""
    try:
        check_pages([pages[bucket]], bucket, buckets, OWNERS, POSTINGS)
    except SnapshotError:
        return False
    return True


def sorted_into_buckets(entries, buckets):
    """Pages as a builder makes them."""
    found = sorted(dict(entries).items())
    numbers = [(int.from_bytes(key[:4], "big") * buckets) >> 32 for key, _ in found]
    return [page_of([one for one, number in zip(found, numbers, strict=True) if number == n]) for n in range(buckets)]


@given(stretches=STRETCHES, well_made=st.booleans())
@settings(max_examples=400, deadline=None, derandomize=True, database=None)
def test_the_kernel_and_check_pages_agree_page_by_page(stretches, well_made):
    buckets = len(stretches)
    pages = list(map(page_of, stretches))
    if well_made:
        pages = sorted_into_buckets([entry for entries in stretches for entry in entries], buckets)
    checked = bytearray(buckets)
    kernels = page_set(pages, checked)
    told = [kernels.check(bucket, bucket + 1) for bucket in range(buckets)]
    assert told == [is_sound(pages, bucket, buckets) for bucket in range(buckets)]
    assert list(checked) == told


@given(place=st.integers(0, 20 * 64 - 1), flip=st.integers(1, 255))
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_a_page_with_a_byte_turned_over_is_judged_alike(place, flip):
    keys = np.random.default_rng(3).bytes(16 * 64)
    entries = sorted({keys[at : at + 16] for at in range(0, len(keys), 16)})
    page = bytearray(page_of([(key, number % OWNERS) for number, key in enumerate(entries)]))
    page[place] ^= flip
    assert page_set([bytes(page)]).check(0, 1) == is_sound([bytes(page)], 0, 1)


@pytest.mark.parametrize("slot", GOOD_SLOTS + BAD_SLOTS)
def test_slots_are_held_against_owners_and_posting_lists(slot):
    assert page_set([page_of([(bytes(16), slot)])]).check(0, 1) == (slot in GOOD_SLOTS)


def test_checking_stops_at_the_first_broken_page_and_notes_only_sound_ones():
    good, broken = page_of([]), page_of([(bytes(16), BAD_SLOTS[0])])
    checked = bytearray(4)
    assert not page_set([good, good, broken, good], checked).check(0, 4)
    assert list(checked) == [1, 1, 0, 0]


def test_what_was_checked_is_not_looked_at_again():
    broken = page_of([(bytes(16), BAD_SLOTS[0])])
    assert page_set([broken], bytearray(b"\1")).check(0, 1)


@pytest.mark.parametrize(("first", "until"), [(0, 3), (2, 1), (3, 3), (2**64 - 1, 2)])
def test_pages_that_are_not_there_are_refused(first, until):
    with pytest.raises(IndexError):
        page_set([b"", b""]).check(first, until)


@pytest.mark.parametrize(("first", "until"), [(-1, 1), (0, -1), (0, 2**64)])
def test_numbers_that_are_none_are_refused(first, until):
    with pytest.raises(OverflowError):
        page_set([b"", b""]).check(first, until)


def test_no_pages_are_sound():
    assert page_set([b"", b""]).check(2, 2)


def test_a_broken_page_is_refused_ahead_and_when_it_is_asked(tmp_path):
    """Both ways say the same sentence, and a page that was refused answers nobody later."""
    path, rows = tmp_path / "index.lmdb", [QueryRow("r", Kind.CPR, number="0101180000")]
    write_index(path, plain_content(rows), COLUMNS_KEY, SNAPSHOT_ID)
    with lmdb.open(str(path), subdir=False, lock=False, max_dbs=len(DATABASES), map_size=1 << 26) as environment:
        pages = environment.open_db(b"pages", integerkey=True)
        with environment.begin(pages, write=True) as transaction:
            transaction.put(struct.pack("=I", 0), key_of(rows[0]) + struct.pack("<I", 0x7FFF_FFFF))
    index = LmdbIndex(path, COLUMNS_KEY, SNAPSHOT_ID)
    plain = Batches(
        Resolver(index, KEYS, 0, HANDLES), SimpleNamespace(snapshot_id="5e", change_sequence=7), SENDERS, horizon=0
    )
    fast = FastBatches(plain, FastWay(KERNEL, index, KEYS, HANDLES))
    for ask in (
        fast.way.touch,
        lambda: fast.answer(request_of(rows), 5),
        lambda: plain.answer(request_of(rows), 5),
    ) * 2:
        with pytest.raises(SnapshotError, match="no owner"):
            ask()
    index.close()
    with pytest.raises(SnapshotError, match="closed"):
        fast.way.touch()
