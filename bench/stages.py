"""The cost of the fast way by stage, told apart from outside the kernel: by what it takes to stop sooner.

What belongs here: passes over the same messages that stop after one stage or another, and the arithmetic that makes
stages of them. A pass stops sooner because the kernel was given less: no recipes, a last step that refuses every
row, pages without keys, an index of a single owner. Each stage is the difference of two passes, so that all stages
make up the whole.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from lesser import Lesser, lone_judge, machine_without_recipes, refusing_machine
from resolver_grpc.fastpath.machine import set_up
from resolver_grpc.server.batch import MAX_QUERIES
from resolver_grpc.v1.query_pb2 import Query
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest
from rounds import micros

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from resolver_grpc.fastpath._kernel import Batch, Judge
    from resolver_grpc.fastpath.way import FastWay
    from resolver_grpc.index.lmdb_index import LmdbIndex
    from resolver_grpc.keys import IndexKeys
    from resolver_grpc.server.fast_batches import FastBatches

Resolve: TypeAlias = "Callable[[Batch, int], tuple[Any, ...]]"
"""Resolves a slice of a batch from a row on; gives how many rows it has, then which of them are left."""

STAGES: Final = {
    "frame": "where the rows lie; making the batch and freeing it",
    "fields": "walking each row's fields",
    "words": "choosing the recipe, finding the words and their canonical forms, laying the key's text together",
    "hashes": "the key's hash and the street's, whether several roads share the street; and passing over the rows "
    "with nothing to wait for in the stages that follow",
    "pages": "probing; of ADDRESS queries judging everyone under the key, too",
    "owners": "flags and relations of the owners, the policy's outcome",
    "writing": "the targets' handles, decisions as bytes",
    "Python": "all else: slices, the sender, the judge, joining the response and its last fields",
}
"""The stages in their order, and what each lumps together."""


class Passes(NamedTuple):
    """What passes over the same messages take, in microseconds of the processor a query.

    Attributes:
        framed: making batches.
        empty_framed: making batches of as many rows without fields.
        empty: that, and running over them: each row is left, and noted as such.
        walked: batches made and run, each row left once its fields are found.
        worded: likewise, each row left once its canonical forms are laid together.
        keyed: likewise, looked up in pages without keys, decided for the only owner of an index.
        missed: likewise, decided for owners of the real index, whom a miss looks at, too.
        probed: likewise, in the real index.
        written: that, and the decisions written.
        whole: bytes of the request in, bytes of the response out.
    """

    framed: float
    empty_framed: float
    empty: float
    walked: float
    worded: float
    keyed: float
    missed: float
    probed: float
    written: float
    whole: float


def stages_of(passes: Passes) -> dict[str, float]:
    """Makes stages of passes; they add up to the whole.

    A difference of two passes may come out below nothing where a stage costs less than they vary.
    """
    noting = passes.empty - passes.empty_framed
    costs = (
        passes.framed,
        passes.walked - passes.framed - noting,
        passes.worded - passes.walked,
        passes.keyed - passes.worded + noting,
        passes.probed - passes.missed,
        passes.missed - passes.keyed,
        passes.written - passes.probed,
        passes.whole - passes.written,
    )
    return dict(zip(STAGES, costs, strict=True))


class Staging:
    """All that the passes need, of one open index.

    Args:
        kernel: the compiled module.
        index: the open index.
        keys: makes the index's keys.
        judge: decides for the sender of the messages.

    Attributes:
        judge: that one.
        lesser: by the names of the passes, what they stop sooner with.
    """

    def __init__(self, kernel: ModuleType, index: LmdbIndex, keys: IndexKeys, judge: Judge) -> None:
        raw, one = index.raw, lone_judge(kernel)
        no_key, checked, streets = [memoryview(b"")], bytearray(b"\1"), raw.shared_streets
        nothing = kernel.PageSet(no_key, 1, 0, checked, streets)
        missing = kernel.PageSet(no_key, raw.owners, 0, checked, streets)
        machine = set_up(kernel, keys)
        self.judge = judge
        self.lesser = {
            "walked": Lesser(kernel, machine_without_recipes(kernel, keys), nothing, one),
            "worded": Lesser(kernel, refusing_machine(kernel, keys), nothing, one),
            "keyed": Lesser(kernel, machine, nothing, one),
            "missed": Lesser(kernel, machine, missing, judge),
        }

    def works(self, fast: FastBatches, messages: Sequence[bytes], instant: int) -> dict[str, Callable[[], float]]:
        """The passes by their names in ``Passes``; each gives the microseconds that a query took.

        Args:
            fast: answers the messages from the same index.
            messages: of well-formed queries of one sender, whom the judge decides for.
            instant: what everything is judged at.
        """
        way = fast.way
        batch = partial(way.batch, most=MAX_QUERIES)
        counts = [batch(message).count for message in messages]
        empty = [ResolveBatchRequest(queries=[Query()] * count).SerializeToString() for count in counts]
        bare = self.lesser["walked"]
        passes: dict[str, Callable[[], object]] = {
            "framed": partial(_frame, messages, batch),
            "empty_framed": partial(_frame, empty, bare.batch),
            "empty": partial(_run, empty, bare.batch, bare.resolve),
            **{name: partial(_run, messages, one.batch, one.resolve) for name, one in self.lesser.items()},
            "probed": partial(_run, messages, batch, partial(_resolve, way, self.judge)),
            "written": partial(_write, messages, way, self.judge),
            "whole": partial(_answer, messages, partial(fast.answer, instant=instant)),
        }
        return {name: partial(_warm_micros, one, sum(counts)) for name, one in passes.items()}


def count_left(way: FastWay, judge: Judge, message: bytes) -> int:
    """How many rows of a message the kernel leaves to the plain way."""
    batch = way.batch(message, MAX_QUERIES)
    done = left = 0
    while done < batch.count:
        rows, some = way.run(batch, judge, done)
        done += rows
        left += len(some)
    return left


def _warm_micros(one: Callable[[], object], queries: int) -> float:
    """Measures a pass right after one like it: the memories of words that it looks at are its own, and in the cache."""
    one()
    return micros(one, queries)


def _resolve(way: FastWay, judge: Judge, batch: Batch, first: int) -> tuple[Any, ...]:
    return way.run(batch, judge, first)


def _frame(messages: Sequence[bytes], read: Callable[[bytes], Batch]) -> None:
    for message in messages:
        read(message)


def _run(messages: Sequence[bytes], read: Callable[[bytes], Batch], resolve: Resolve) -> None:
    for message in messages:
        batch, done = read(message), 0
        while done < batch.count:
            done += resolve(batch, done)[0]


def _write(messages: Sequence[bytes], way: FastWay, judge: Judge) -> None:
    """Writes the decisions too; where the plain way's should stand, nothing."""
    for message in messages:
        batch, done = way.batch(message, MAX_QUERIES), 0
        while done < batch.count:
            rows, left = way.run(batch, judge, done)
            handles = way.handles.encipher(batch.sender_id.decode(), batch.handle_blocks())
            batch.write(judge, dict.fromkeys(left, b""), handles)
            done += rows


def _answer(messages: Sequence[bytes], answer: Callable[[bytes], bytes]) -> None:
    for message in messages:
        answer(message)
