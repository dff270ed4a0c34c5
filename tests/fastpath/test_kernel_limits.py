"""The kernel's limits: arguments that don't fit together are refused, and no page makes it read outside of it."""

import ast
import struct
import subprocess
import sys
import textwrap
import weakref
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fast_nursery import (
    COLUMNS_KEY,
    HANDLES,
    KERNEL,
    KEYS,
    SENDERS,
    SNAPSHOT_ID,
    dice_of,
    key_of,
    message_of,
    plain_content,
    request_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_queries import OddQueries

from resolver_grpc.errors import SnapshotError
from resolver_grpc.fastpath.way import FastWay
from resolver_grpc.index.lmdb_index import LmdbIndex
from resolver_grpc.index.pages import decode_page
from resolver_grpc.index.writer import write_index
from resolver_grpc.model import Kind, QueryRow

REFUSED = (ValueError, TypeError, OverflowError)
CPRS = [QueryRow(f"{number}", Kind.CPR, number=f"01018{number:05d}") for number in range(300)]
REQUEST = request_of(CPRS)
MOST = 10_000


def argument_names(name):
    """How the compiled module's class calls its arguments, as its stub says."""
    stub = ast.parse(Path(KERNEL.__file__).with_name("_kernel.pyi").read_text())
    cls = next(node for node in stub.body if isinstance(node, ast.ClassDef) and node.name == name)
    init = next(node for node in cls.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    return [argument.arg for argument in init.args.args[1:]]


class Parts:
    """What a real index sets the kernel up with, by name; ``make`` changes some of it."""

    def __init__(self, folder):
        write_index(folder / "index.lmdb", plain_content(CPRS), COLUMNS_KEY, SNAPSHOT_ID)
        self.index = LmdbIndex(folder / "index.lmdb", COLUMNS_KEY, SNAPSHOT_ID)
        self.index.touch()
        self.arguments = {}
        names = ("Kernel", "PageSet", "Judge")
        module = SimpleNamespace(**{name: self._recording(name) for name in names}, Batch=KERNEL.Batch)
        self.way = FastWay(module, self.index, KEYS, HANDLES)
        self.way.judge(SENDERS["s"], 5, personal_content=False)
        self.kernel, self.judge, self.pages = self.make("Kernel"), self.make("Judge"), self.make("PageSet")

    def _recording(self, name):
        def make(*arguments):
            self.arguments[name] = dict(zip(argument_names(name), arguments, strict=True))
            return getattr(KERNEL, name)(*arguments)

        return make

    def make(self, name, **changes):
        return getattr(KERNEL, name)(*(self.arguments[name] | changes).values())

    def page_set(self, pages, **changes):
        """Pages of a test's own, all of them checked."""
        views = [memoryview(page) for page in pages]
        checked = {"checked": bytearray(b"\1" * len(views))} if "checked" in self.arguments["PageSet"] else {}
        return self.make("PageSet", pages=views, **checked | changes)

    def batch(self, request=REQUEST):
        return KERNEL.Batch(self.kernel, request, MOST)

    def run(self, pages, request=REQUEST):
        """Works a request off; gives the bytes, and how many rows were left to the plain way."""
        batch, done, written, others = self.batch(request), 0, b"", 0
        while done < batch.count:
            rows, left, *_ = batch.run(pages, self.judge, done)
            written += batch.write(self.judge, dict.fromkeys(left, b""), bytes(len(batch.handle_blocks())))
            done += rows
            others += len(left)
        return written, others


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    made = Parts(tmp_path_factory.mktemp("limits"))
    yield made
    made.index.close()


def test_real_arguments_are_taken(parts):
    written, left = parts.run(parts.pages)
    assert left == 0
    assert written.count(b"0000") > 100


@pytest.mark.parametrize("shape", ["short", "long", "two-dimensional", "strided", "wider", "none", "empty"])
@pytest.mark.parametrize("name", ["owner_flags", "relation_flags", "numbers", "address_numbers"])
def test_columns_of_another_shape_are_refused(parts, name, shape):
    column = parts.arguments["Judge"].get(name)
    if column is None:
        pytest.skip("the judge has no such column")
    changed = {
        "short": column[:-1].copy(),
        "long": np.append(column, column[:1]),
        "two-dimensional": column.reshape(1, -1),
        "strided": np.repeat(column, 2)[::2],
        "wider": column.astype(np.uint64),
        "none": None,
        "empty": column[:0].copy(),
    }[shape]
    with pytest.raises(REFUSED):
        parts.make("Judge", **{name: changed})


@pytest.mark.parametrize(
    "name", ["reach", "several", "routes", "reasons", "reaches", "with_targets", "targets", "left"]
)
def test_tables_of_another_length_are_refused(parts, name):
    table = parts.arguments["Judge"].get(name)
    if table is None:
        pytest.skip("the judge has no such table")
    for changed in (table[:-1], table + b"\0", b"", None, list(table)):
        with pytest.raises(REFUSED):
            parts.make("Judge", **{name: changed})


@pytest.mark.parametrize(("name", "value"), [("routes", 8), ("routes", 255), ("reasons", 128)])
def test_a_route_or_a_reason_that_the_response_can_t_hold_is_refused(parts, name, value):
    table = bytearray(parts.arguments["Judge"][name])
    table[77] = value
    with pytest.raises(ValueError, match="no name"):
        parts.make("Judge", **{name: bytes(table)})


@pytest.mark.parametrize(
    ("name", "value"), [("extra", 8192), ("extra", -1), ("policy_flags", 256), ("policy_flags", -1)]
)
def test_bits_past_the_code_are_refused(parts, name, value):
    with pytest.raises(REFUSED):
        parts.make("Judge", **{name: value})


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": b""},
        {"secret": bytes(65)},
        {"secret": None},
        {"separator": 256},
        {"street_kind": -1},
        {"ordinary": bytes(255)},
        {"ordinary": None},
        {"recipes": None},
        {"recipes": [()]},
        {"recipes": [None]},
        {"folds": [()]},
        {"folds": [None]},
        {"folds": [(bytes(256), bytes(255), 3)]},
        {"folds": [(bytes(255), bytes(256), 3)]},
        {"folds": []},
        {"seed": -1},
        {"seed": 1 << 64},
    ],
    ids=str,
)
def test_a_kernel_of_broken_parts_is_refused(parts, changes):
    with pytest.raises(REFUSED):
        parts.make("Kernel", **changes)


@pytest.mark.parametrize(
    ("places", "word_bytes", "form_bytes"),
    [
        (0, 8, 8),
        (3, 8, 8),
        (2, 8, 8),
        (12, 8, 8),
        (-4, 8, 8),
        (4, 0, 8),
        (4, 256, 8),
        (4, 8, 0),
        (4, 8, 256),
        (4, -1, 8),
    ],
)
def test_a_memory_of_no_shape_is_refused(parts, places, word_bytes, form_bytes):
    with pytest.raises(REFUSED):
        parts.make("Kernel", folds=[(str, places, word_bytes, form_bytes)], recipes=[])


def test_more_recipes_folds_or_steps_than_there_is_room_for_are_refused(parts):
    recipes, folds = parts.arguments["Kernel"]["recipes"], parts.arguments["Kernel"]["folds"]
    steps = recipes[0][-1]
    for changes in (
        {"recipes": recipes * 10},
        {"folds": list(folds) * 10},
        {"recipes": [(*recipes[0][:-1], steps * 9)]},
    ):
        with pytest.raises(ValueError, match=r"."):
            parts.make("Kernel", **changes)
    with pytest.raises(ValueError, match=r"."):
        parts.make("Kernel", recipes=[(*recipes[0][:-1], [])])


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, 0), (0, 18), (0, -1), (1, 8), (1, -1), (2, -1), (3, 0), (3, 99), (4, 99), (4, -1), (5, 256)],
)
def test_a_step_outside_its_field_or_without_a_fold_is_refused(parts, place, value):
    """Each number of a step of a slice in turn: field, part, start, stop, fold, what stands before it."""
    recipes = parts.arguments["Kernel"]["recipes"]
    recipe = next(one for one in recipes if one[-1][0][1] == 5)
    step = list(recipe[-1][0])
    if place == 3 and value == 99:
        assert value > max(one[3] for one in recipe[-1])
    step[place] = value
    with pytest.raises(REFUSED):
        parts.make("Kernel", recipes=[(*recipe[:-1], [tuple(step)])])


def test_without_recipes_every_row_is_the_plain_way_s(parts):
    batch = KERNEL.Batch(parts.make("Kernel", recipes=[]), REQUEST, MOST)
    rows, left, *_ = batch.run(parts.pages, parts.judge, 0)
    assert list(left) == list(range(rows))


def test_every_request_is_framed_for_as_many_rows_as_are_taken(parts):
    assert parts.batch().usual
    assert KERNEL.Batch(parts.kernel, REQUEST, 300).usual
    for most in (299, 0, -1):
        assert not KERNEL.Batch(parts.kernel, REQUEST, most).usual
    for broken in (None, "text", bytearray(9), memoryview(b"")):
        with pytest.raises(TypeError):
            KERNEL.Batch(parts.kernel, broken, MOST)


def test_rows_that_there_are_not_are_refused(parts):
    batch, unusual = parts.batch(), parts.batch(b"\xff")
    assert batch.row(0) == message_of(CPRS[0]).SerializeToString()
    assert batch.row(299) == message_of(CPRS[299]).SerializeToString()
    for number in (-1, 300, 2**40):
        with pytest.raises(IndexError):
            batch.row(number)
    for first in (-1, 301, 2**40):
        with pytest.raises(IndexError):
            batch.run(parts.pages, parts.judge, first)
    with pytest.raises(IndexError):
        unusual.row(0)
    with pytest.raises(IndexError):
        unusual.run(parts.pages, parts.judge, 0)
    with pytest.raises(OverflowError):
        batch.row(2**80)
    assert batch.run(parts.pages, parts.judge, 300)[0] == 0
    assert batch.write(parts.judge, {}, b"") == b""


def test_what_was_not_run_is_not_written(parts):
    for batch in (parts.batch(), parts.batch(b"\xff")):
        with pytest.raises(ValueError, match="another judge"):
            batch.write(parts.judge, {}, b"")
        with pytest.raises(ValueError, match="nothing was decided"):
            batch.handle_blocks()


def test_a_row_that_the_plain_way_was_to_write_must_be_there(parts):
    batch = parts.batch(request_of([CPRS[0], QueryRow("r", Kind.HANDLE), CPRS[1]]))
    assert list(batch.run(parts.pages, parts.judge, 0)[1]) == [1]
    handles = bytes(len(batch.handle_blocks()))
    with pytest.raises(KeyError):
        batch.write(parts.judge, {}, handles)
    for broken in (None, {1: None}, {1: "text"}, {1: bytearray(3)}, {1: 3}):
        with pytest.raises(TypeError):
            batch.write(parts.judge, broken, handles)
    assert len(batch.write(parts.judge, {1: b"x" * 20_000}, handles)) > 20_000


def test_handles_of_another_length_than_the_targets_need_are_refused(parts):
    batch = parts.batch()
    rows, left, *_ = batch.run(parts.pages, parts.judge, 0)
    assert left == []
    needed = len(batch.handle_blocks())
    assert needed > 16 * rows // 2
    for length in (0, 1, needed - 16, needed - 1, needed + 1, needed + 16, 2 * needed):
        with pytest.raises(ValueError, match="one handle for each target"):
            batch.write(parts.judge, {}, bytes(length))
    for broken in (None, "x" * needed, bytearray(needed), memoryview(bytes(needed)), needed):
        with pytest.raises(TypeError):
            batch.write(parts.judge, {}, broken)
    assert batch.write(parts.judge, {}, b"h" * needed).count(b"h" * 16) == needed // 16


def test_a_slice_that_was_broken_off_has_no_targets(parts):
    """An error of a fold leaves rows undecided: neither their blocks nor they themselves are laid out."""

    def fail(_text):
        raise RuntimeError("no fold")

    folds = [(fail, *fold[1:]) if len(fold) == 4 else fold for fold in parts.arguments["Kernel"]["folds"]]
    batch = KERNEL.Batch(parts.make("Kernel", folds=folds), REQUEST, MOST)
    with pytest.raises(RuntimeError, match="no fold"):
        batch.run(parts.pages, parts.judge, 0)
    with pytest.raises(ValueError, match="nothing was decided"):
        batch.handle_blocks()
    with pytest.raises(ValueError, match="another judge"):
        batch.write(parts.judge, {}, b"")


@pytest.mark.parametrize("value", [2, 4, 255])
def test_a_target_without_its_handle_is_refused(parts, value):
    with pytest.raises(ValueError, match="without its handle"):
        parts.make("Judge", targets=parts.arguments["Judge"]["targets"][:-1] + bytes([value]))


def other_judge(parts, owners):
    """A judge of an index with fewer owners."""
    arguments = parts.arguments["Judge"]
    changes = {"owner_flags": np.zeros(owners, np.uint8), "relation_flags": np.zeros((owners + 1) // 2, np.uint8)}
    changes |= {"numbers": np.zeros(10 * owners, np.uint8), "address_numbers": np.zeros(owners, np.uint32)}
    return parts.make("Judge", **{name: change for name, change in changes.items() if name in arguments})


def test_a_judge_of_another_index_neither_decides_nor_writes(parts):
    """Its numbers end before the ordinals that were found."""
    batch, other = parts.batch(), other_judge(parts, 3)
    with pytest.raises(ValueError, match="another index"):
        batch.run(parts.pages, other, 0)
    batch.run(parts.pages, parts.judge, 0)
    with pytest.raises(ValueError, match=r"."):
        batch.write(other, {}, b"")


def test_pages_of_a_broken_length_are_refused(parts):
    for length in (1, 19, 21, 4_079):
        with pytest.raises((ValueError, SnapshotError)):
            parts.page_set([bytes(20), bytes(length)])
    for broken in ([], None, [None], ["text"], [np.zeros((2, 20), np.uint8)]):
        with pytest.raises((*REFUSED, AttributeError, BufferError)):
            parts.make("PageSet", pages=broken)
    for streets in ([b"short"], [bytes(17)], [None], ["x" * 16], None):
        with pytest.raises(REFUSED):
            parts.page_set([b""], streets=streets)
    for name in ("owners", "postings"):
        for value in (-1, 2**32):
            with pytest.raises(REFUSED):
                parts.page_set([b""], **{name: value})


@pytest.mark.parametrize("count", [1, 2, 3, 1_000])
def test_empty_pages_hold_nobody(parts, count):
    written, left = parts.run(parts.page_set([b""] * count))
    assert left == 0
    assert b"0000" not in written


def test_a_page_set_keeps_its_pages_whatever_becomes_of_the_list(parts):
    views = [memoryview(bytes(20)) for _ in range(3)]
    alive = [weakref.ref(view) for view in views]
    checked = {"checked": bytearray(3)} if "checked" in parts.arguments["PageSet"] else {}
    page_set = parts.make("PageSet", pages=views, **checked)
    views.clear()
    assert all(view() is not None for view in alive)
    del page_set


def one_page(slot):
    """A page in which every key leads to one slot."""
    keys = sorted(filter(None, map(key_of, CPRS)))
    return b"".join(keys) + struct.pack("<I", slot) * len(keys)


@pytest.mark.parametrize("slot", [299_999, 0x7FFF_FFFF, 0x8000_0000, 0x8000_0001, 0xFFFF_FFFF])
def test_a_slot_that_leads_nowhere_is_an_error(parts, slot):
    """An ordinal of no owner, the number of no posting list; afterwards nothing can be written."""
    batch = parts.batch()
    with pytest.raises(SnapshotError):
        batch.run(parts.page_set([one_page(slot)], postings=0), parts.judge, 0)
    assert batch.handle_blocks() == batch.write(parts.judge, {}, b"") == b""


def test_the_last_owner_and_the_last_posting_list_are_reached(parts):
    owners = parts.index.owners
    _, left = parts.run(parts.page_set([one_page(owners - 1)]))
    assert left == 0
    found = sum(key is not None for key in map(key_of, CPRS))
    assert parts.run(parts.page_set([one_page(0x8000_0006)], postings=7))[1] == found
    for slot, postings in ((owners, 0), (0x8000_0007, 7)):
        with pytest.raises(SnapshotError):
            parts.run(parts.page_set([one_page(slot)], postings=postings))


def test_pages_that_are_not_sorted_answer_something_or_nothing(parts):
    """A damaged page may hide its keys; it is read to its ends and no further, and nobody else's number is told."""
    real = [bytes(page) for page in parts.arguments["PageSet"]["pages"]]
    expected, _ = parts.run(parts.pages)
    for seed in range(20):
        dice = dice_of(seed)
        shuffled = []
        for page in real:
            keys, slots = decode_page(page)
            order = dice.sample(range(len(keys)), len(keys))
            shuffled.append(keys[order].tobytes() + slots[order].astype("<u4").tobytes())
        written, left = parts.run(parts.page_set(shuffled))
        assert left == 0
        assert len(written) <= len(expected)


@given(st.lists(st.binary(max_size=200).map(lambda page: page[: len(page) // 20 * 20]), min_size=1, max_size=5))
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
def test_pages_of_any_bytes_answer_or_are_an_error(parts, pages):
    try:
        parts.run(parts.page_set(pages, postings=5))
    except SnapshotError:
        return


@pytest.mark.parametrize("head", [bytes(8), b"\xff" * 8])
def test_pages_of_equal_keys_and_keys_of_another_bucket_answer(parts, head):
    """All keys at one end of a page, so that every search runs to it."""
    written, left = parts.run(parts.page_set([(head + bytes(8)) * 200 + bytes(4) * 200] * 3))
    assert left == 0
    assert b"0000" not in written


@pytest.mark.parametrize("exception", [UnicodeError, ValueError])
def test_a_fold_that_refuses_leaves_the_row(parts, exception):
    def refuse(_text):
        raise exception("refused")

    folds = [(refuse, *fold[1:]) if len(fold) == 4 else fold for fold in parts.arguments["Kernel"]["folds"]]
    rows, left, *_ = KERNEL.Batch(parts.make("Kernel", folds=folds), REQUEST, MOST).run(parts.pages, parts.judge, 0)
    assert len(left) == rows


@pytest.mark.parametrize("form", ["x" * 300, "x\x1fy", "\x1f", "\ud800", ""], ids=ascii)
def test_a_form_that_no_key_holds_is_never_laid_into_one(parts, form):
    """Too long, with a separator, or no UTF-8: the row is the plain way's; an empty one is nothing to the key."""
    folds = [((lambda _: form), *fold[1:]) if len(fold) == 4 else fold for fold in parts.arguments["Kernel"]["folds"]]
    queries = OddQueries(dice_of(1), oddity=0)
    request = request_of([queries.query() for _ in range(100)])
    batch = KERNEL.Batch(parts.make("Kernel", folds=folds), request, MOST)
    rows, left, *_ = batch.run(parts.pages, parts.judge, 0)
    assert rows > 0
    assert (len(left) == rows) == bool(form)


def test_an_error_of_a_fold_comes_out(parts):
    def fail(_text):
        raise RuntimeError("no fold")

    folds = [(fail, *fold[1:]) if len(fold) == 4 else fold for fold in parts.arguments["Kernel"]["folds"]]
    with pytest.raises(RuntimeError, match="no fold"):
        KERNEL.Batch(parts.make("Kernel", folds=folds), REQUEST, MOST).run(parts.pages, parts.judge, 0)


@pytest.mark.parametrize(
    "call",
    [
        "parts.batch().run(None, parts.judge, 0)",
        "parts.batch().run(parts.pages, None, 0)",
        "parts.batch().write(None, {}, b'')",
        "parts.batch().write(parts.judge, {}, None)",
        "Batch(None, REQUEST, MOST).run(parts.pages, parts.judge, 0)",
    ],
)
def test_what_is_none_is_refused_and_does_not_end_the_process(call):
    """In a process of its own, that a crash would end."""
    program = f"""
        import pathlib, tempfile
        from resolver_grpc.fastpath._kernel import Batch
        from test_kernel_limits import MOST, Parts, REQUEST
        with tempfile.TemporaryDirectory() as folder:
            parts = Parts(pathlib.Path(folder))
            try:
                {call}
            except TypeError:
                print("refused")
            parts.index.close()
    """
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    command = f"import sys; sys.path[:0] = {folders}\n{textwrap.dedent(program)}"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "refused\n", "")
