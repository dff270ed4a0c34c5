"""Whether a change is seen by every worker as soon as it is acknowledged.

What belongs here: changes whose effect anybody can ask for, and asking for it at once. It is asked by CPR number: who
subscribes to the sender, no longer does, and closes the mailbox gets another decision each time.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from latency import MEDIAN, P99, percentile
from loading import run_on_loop
from loops import Call, Channel
from nation.requests import SENDER_ID
from registrars import Office, Taking, apply_over, connected, exchange, sequences_of
from resolver_grpc.errors import ConfigurationError, MismatchedResponseError
from resolver_grpc.v1 import change_pb2 as pb
from resolver_grpc.v1 import decision_pb2, query_pb2
from resolver_grpc.v1.change_service_pb2 import ApplyChangesRequest
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest, ResolveBatchResponse
from rounds import table

_RESOLVE = "/resolver_grpc.v1.ResolverService/ResolveBatch"
_WORKERS, _ASKED_AT_ONCE, _ALL, _MILLI = 2, 1_000, 1_000, 1e3
_STEPS: Final = {
    "subscribed": decision_pb2.REASON_DELIVERABLE,
    "unsubscribed": decision_pb2.REASON_SUBSCRIBED_BY_TERMS,
    "mailbox_closed": decision_pb2.REASON_NOT_FOUND,
}
"""What happens to an owner who was SUBSCRIBED_BY_TERMS, and the reason of the decision after each."""


class Sights(NamedTuple):
    """What was seen of changes.

    Attributes:
        acknowledged: how many changes were acknowledged.
        seconds: from the acknowledgement to each worker's answer, ascending.
        misses: answers of an earlier sequence, or of another decision than the change leads to.
    """

    acknowledged: int
    seconds: list[float]
    misses: int


class Step(NamedTuple):
    """A change of one owner, as a request; who is asked for then, and the reason that is right."""

    change: bytes
    query: bytes
    reason: int


def seen_at_once(
    office: Office, numbers: Sequence[str], load: Sequence[bytes], count: int, instant: int
) -> Iterator[str]:
    """Looks for changes in every worker as soon as they are acknowledged.

    Args:
        office: what the servers are started from.
        numbers: of persons of the snapshot.
        load: messages of changes of others, which another stream sends meanwhile, the second time.
        count: how many changes are looked after, at most.
        instant: the servers' now.

    Yields:
        The lines of a report.

    Raises:
        MismatchedResponseError: something was not seen; after the lines.
    """
    rows, missed = [], 0
    for name, beside in (("nothing else", ()), ("another stream's messages of 100", load)):
        with office.taking(office.new_log(), workers=_WORKERS) as taking:
            sights = run_on_loop(_look(taking, numbers, beside, count, instant))
        missed += sights.misses
        times = [f"{percentile(sights.seconds, share) * _MILLI:.2f}" for share in (MEDIAN, P99, _ALL)]
        rows.append([name, f"{sights.acknowledged:,}", f"{len(sights.seconds):,}", f"{sights.misses:,}", *times])
    head = ("beside", "acknowledged", "answers asked for then", "not of it", "p50, ms", "p99, ms", "longest, ms")
    yield (
        f"Once a change is acknowledged each of {_WORKERS} workers is asked for its owner by CPR number at once, over "
        "a connection of its own; the answer has to be of that change or a later one, and the changed decision. The "
        "changes come by both workers in turn. Milliseconds from the acknowledgement to an answer.\n"
    )
    yield from table(head, rows)
    if missed:
        raise MismatchedResponseError(f"{missed} answers were not of a change that had been acknowledged: none may be")


async def _look(taking: Taking, numbers: Sequence[str], load: Sequence[bytes], count: int, instant: int) -> Sights:
    async with connected(taking.running, 1) as each:
        channels = [some[0] for some in each]
        asking = [channel.unary_unary(_RESOLVE) for channel in channels]
        owners = await _subscribed_by_terms(asking[0], taking, numbers)
        steps = itertools.islice(_steps(owners, instant), count)
        async with connected(taking.running, 1) as others:
            call = apply_over(others[0][0], taking.registrar)
            loading = asyncio.create_task(exchange(call, iter(load), 1, lambda _response: None))
            try:
                return await _follow(taking, channels, asking, steps, loading if load else None)
            finally:
                loading.cancel()
                await asyncio.gather(loading, return_exceptions=True)


async def _follow(
    taking: Taking,
    channels: Sequence[Channel],
    asking: Sequence[Call],
    steps: Iterator[Step],
    loading: asyncio.Task[None] | None,
) -> Sights:
    """Takes step after step, as long as the load lasts where there is one."""
    streams = itertools.cycle([apply_over(channel, taking.registrar) for channel in channels])
    acknowledged, misses, seconds = 0, 0, list[float]()
    for step, stream in zip(steps, streams, strict=False):
        if loading and loading.done():
            break
        await stream.write(step.change)
        response = await stream.read()
        begun = time.perf_counter()
        answers = await asyncio.gather(*(_ask(one, taking, step.query) for one in asking))
        (sequence,) = sequences_of(response).values()
        if not sequence:
            raise ConfigurationError("a change was refused that was to be seen; name a snapshot of a country")
        acknowledged += 1
        seconds += [answered - begun for answered, _ in answers]
        misses += sum(not _is_right(answer, sequence, step.reason) for _, answer in answers)
    return Sights(acknowledged, sorted(seconds), misses)


async def _ask(method: Call, taking: Taking, query: bytes) -> tuple[float, bytes]:
    answer = await method(query, metadata=taking.delivery)
    return time.perf_counter(), answer


def _is_right(answer: bytes, sequence: int, reason: int) -> bool:
    response = ResolveBatchResponse.FromString(answer)
    return response.change_sequence >= sequence and [one.reason for one in response.decisions] == [reason]


def _query(*numbers: str) -> bytes:
    queries = [query_pb2.Query(kind=query_pb2.KIND_CPR, number=number) for number in numbers]
    return ResolveBatchRequest(sender_id=SENDER_ID, queries=queries).SerializeToString()


async def _subscribed_by_terms(method: Call, taking: Taking, numbers: Sequence[str]) -> list[str]:
    """Those whom the sender reaches by its terms alone."""
    some = numbers[:_ASKED_AT_ONCE]
    response = ResolveBatchResponse.FromString(await method(_query(*some), metadata=taking.delivery))
    wanted = decision_pb2.REASON_SUBSCRIBED_BY_TERMS
    return [number for number, one in zip(some, response.decisions, strict=True) if one.reason == wanted]


def _steps(owners: Sequence[str], instant: int) -> Iterator[Step]:
    for number in owners:
        for place, (event, reason) in enumerate(_STEPS.items()):
            time_of = Timestamp(seconds=instant - len(_STEPS) + place)
            change = pb.Change(change_id=f"seen-{number}-{event}", number=number, effective_time=time_of)
            getattr(change, event).SetInParent()
            if event != "mailbox_closed":
                getattr(change, event).sender_id = SENDER_ID
            yield Step(ApplyChangesRequest(changes=[change]).SerializeToString(), _query(number), reason)
