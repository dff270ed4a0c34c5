import hashlib
import importlib.util
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc import bulk_keys as module
from resolver_grpc.bulk_keys import MAX_PARTS, Part, Texts, bulk_keys
from resolver_grpc.keys import SEPARATOR, IndexKeys, KeyKind

KEYS = IndexKeys(b"k" * 32)
_WAYS = ("plain", "one by one", "four wide")

_texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.builds(
        lambda letter, size: letter * size,
        st.sampled_from("aå道𝄞\x1f\0"),
        st.one_of(st.integers(0, 20), st.integers(105, 132), st.integers(250, 260)),
    ),
)


def part(texts, indices):
    return Part(Texts.of(texts), np.array(indices, np.uint32))


def rows_of(keys):
    return [key.tobytes() for key in keys]


def use(monkeypatch, way):
    """Makes the keys one way from here on; skips where this machine or installation hasn't got it."""
    if way != "plain" and not module.KERNEL:
        pytest.skip("the compiled module isn't there: no C compiler at installation")
    if way == "four wide" and not module.WIDE:
        pytest.skip("this processor has no AVX2")
    monkeypatch.setattr(module, "KERNEL", way != "plain")
    monkeypatch.setattr(module, "WIDE", way == "four wide", raising=False)


@pytest.fixture(params=_WAYS)
def way(request, monkeypatch):
    use(monkeypatch, request.param)


def expected(keys, kind, parts_as_lists):
    """The oracle: a loop over ``IndexKeys.key``."""
    return [keys.key(kind, *texts) for texts in zip(*parts_as_lists, strict=True)]


@pytest.fixture(scope="module", autouse=True)
def _compiled_here():
    """An installation of this tree with a C compiler has the module: else the tests below would only skip."""
    if importlib.util.find_spec("resolver_grpc._bulk_keys") is not None:
        assert module.KERNEL


@pytest.mark.parametrize("name", _WAYS)
@given(
    kind=st.sampled_from(KeyKind),
    table=st.integers(1, MAX_PARTS).flatmap(
        lambda parts: st.lists(st.tuples(*[_texts] * parts), min_size=0, max_size=11).map(lambda rows: (parts, rows))
    ),
    secret=st.one_of(st.just(KEYS.secret), st.binary(min_size=0, max_size=64)),
)
def test_bulk_keys_are_the_keys_of_each_row(name, kind, table, secret):
    part_count, rows = table
    columns = [[row[number] for row in rows] for number in range(part_count)]
    distinct = [sorted(set(column)) for column in columns]
    parts = [
        part(texts, [texts.index(text) for text in column]) for texts, column in zip(distinct, columns, strict=True)
    ]
    keys = IndexKeys(secret)
    with pytest.MonkeyPatch.context() as monkeypatch:
        use(monkeypatch, name)
        assert rows_of(bulk_keys(keys, kind, parts)) == expected(keys, kind, columns)


def test_every_length_is_hashed_as_hashlib_does(way):
    """One block, two, three and four; a full last block; each length alone and in company."""
    texts = ["x" * size for size in range(401)]
    made = rows_of(bulk_keys(KEYS, KeyKind.EMAIL, [part(texts, range(401))]))
    assert made == [
        hashlib.blake2b(b"\x07" + text.encode(), digest_size=16, key=KEYS.secret).digest() for text in texts
    ]
    alone = [rows_of(bulk_keys(KEYS, KeyKind.EMAIL, [part([text], [0])]))[0] for text in texts]
    assert alone == made


@pytest.mark.parametrize("size", range(110, 131))
def test_a_block_may_end_anywhere_among_the_parts(way, size):
    """Before, in and behind a separator, with empty parts to follow."""
    columns = [["a" * size, "b"], ["", "å"], ["c", ""], ["", ""]]
    parts = [part(column, [0, 1]) for column in columns]
    assert rows_of(bulk_keys(KEYS, KeyKind.TEXT_ADDRESS, parts)) == expected(KEYS, KeyKind.TEXT_ADDRESS, columns)


def test_short_and_long_rows_keep_their_places(way):
    """A long row leaves the company of four, whichever place in it it had."""
    texts = ["", "ann", "x" * 127, "x" * 128, "y" * 1000]
    rng = np.random.default_rng(4)
    indices = rng.integers(0, len(texts), 203, dtype=np.uint32)
    made = bulk_keys(KEYS, KeyKind.CPR, [Part(Texts.of(texts), indices)])
    assert rows_of(made) == expected(KEYS, KeyKind.CPR, [[texts[index] for index in indices]])


def test_many_rows_are_shared_out_to_threads_and_keep_their_places(way, monkeypatch):
    monkeypatch.setattr(module, "_SLICE_ROWS", 100)
    names = [f"name{number}" for number in range(1_037)]
    back = list(range(1_036, -1, -1))
    made = rows_of(bulk_keys(KEYS, KeyKind.EMAIL, [part(names, back), part(["", "b"], [i % 2 for i in back])]))
    assert made == [KEYS.key(KeyKind.EMAIL, names[i], ["", "b"][i % 2]) for i in back]


def test_read_only_columns_and_slices_of_columns_will_do(way):
    """Tables hand out memory that must not be written."""
    data = np.frombuffer(b"....annbo....", np.uint8)
    texts = Texts(data, np.array([0, 4, 7, 9], np.int64)[1:])
    indices = np.arange(4, dtype=np.uint32) % 2
    indices.flags.writeable = False
    assert rows_of(bulk_keys(KEYS, KeyKind.CVR, [Part(texts, indices[1:])])) == [
        KEYS.key(KeyKind.CVR, name) for name in ("bo", "ann", "bo")
    ]


def test_no_rows_give_no_keys(way):
    made = bulk_keys(KEYS, KeyKind.CVR, [part([], []), part(["a"], [])])
    assert made.shape == (0, 16)
    assert made.dtype == np.uint8


def test_an_index_out_of_range_is_refused_and_told_by_its_part(way):
    with pytest.raises(IndexError, match="part 1 has an index that is not below 2"):
        bulk_keys(KEYS, KeyKind.CVR, [part(["a"], [0, 0]), part(["a", "b"], [1, 2])])
    with pytest.raises(IndexError, match="not below 0"):
        bulk_keys(KEYS, KeyKind.CVR, [part([], [0])])
    with pytest.raises(IndexError, match="not below 1"):
        bulk_keys(KEYS, KeyKind.CVR, [part(["a"], [0xFFFFFFFF])])


def test_unequal_parts_are_refused(way):
    with pytest.raises(ValueError, match="part 1 has 1 rows and part 0 has 2"):
        bulk_keys(KEYS, KeyKind.CVR, [part(["a"], [0, 0]), part(["a"], [0])])


@pytest.mark.parametrize("count", [0, MAX_PARTS + 1])
def test_no_parts_and_too_many_are_refused(way, count):
    with pytest.raises(ValueError, match=f"not of {count}"):
        bulk_keys(KEYS, KeyKind.CVR, [part(["a"], [0])] * count)


@pytest.mark.parametrize(
    "indices",
    [np.zeros(2, np.int64), np.zeros(2, ">u4"), np.zeros((2, 1), np.uint32), np.zeros(4, np.uint32)[::2]],
    ids=["signed", "big-endian", "2-d", "strided"],
)
def test_indices_that_are_no_column_are_refused(way, indices):
    with pytest.raises(ValueError, match="contiguous column of uint32"):
        bulk_keys(KEYS, KeyKind.CVR, [Part(Texts.of(["a"]), indices)])


@pytest.mark.parametrize("edges", [[], [-1, 3], [0, 4], [0, 2, 1, 3], [4, 4]])
def test_edges_outside_the_data_or_out_of_order_are_refused(edges):
    with pytest.raises(ValueError, match="edges of texts"):
        Texts(np.zeros(3, np.uint8), np.array(edges, np.int64))


def test_texts_of_other_types_are_refused():
    with pytest.raises(ValueError, match="column of uint8"):
        Texts(np.zeros(3, np.int8), np.array([0, 3]))
    with pytest.raises(ValueError, match="column of int64"):
        Texts(np.zeros(3, np.uint8), np.array([0, 3], np.int32))


@given(st.lists(_texts))
def test_texts_lie_end_to_end(texts):
    laid = Texts.of(texts)
    assert len(laid) == len(texts)
    assert [laid.at(index) for index in range(len(laid))] == texts
    assert laid.data.tobytes() == "".join(texts).encode()


def test_a_text_without_utf_8_is_refused_as_by_key():
    for make in (lambda: Texts.of(["\ud800"]), lambda: KEYS.key(KeyKind.CVR, "\ud800")):
        with pytest.raises(UnicodeEncodeError):
            make()


def test_without_the_compiled_module_the_same_keys_are_made(monkeypatch):
    """As after an installation without a C compiler: the import fails, and the plain way takes over."""
    spec = importlib.util.spec_from_file_location("bulk_keys_uncompiled", module.__file__)
    uncompiled = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, uncompiled)
    monkeypatch.setitem(sys.modules, "resolver_grpc._bulk_keys", None)
    spec.loader.exec_module(uncompiled)
    assert not uncompiled.KERNEL
    parts = [uncompiled.Part(uncompiled.Texts.of(["ann", "bo"]), np.array([1, 0, 1], np.uint32))]
    made = uncompiled.bulk_keys(KEYS, KeyKind.EMAIL, parts)
    assert rows_of(made) == [KEYS.key(KeyKind.EMAIL, name) for name in ("bo", "ann", "bo")]


@pytest.mark.skipif(not module.KERNEL, reason="the compiled module isn't there: no C compiler at installation")
def test_the_kernel_refuses_what_its_stack_has_no_room_for():
    columns = [(np.zeros(1, np.uint8), np.array([0, 1]), np.zeros(1, np.uint32))]
    keys = np.zeros((1, 16), np.uint8)
    for secret, parts, into in (
        (b"k" * 65, columns, keys),
        (b"k", columns * (MAX_PARTS + 1), keys),
        (b"k", columns, np.zeros((1, 15), np.uint8)),
    ):
        with pytest.raises(ValueError, match="than the kernel takes"):
            module.fill_keys(secret, 1, ord(SEPARATOR), parts, 0, into, wide=False)
