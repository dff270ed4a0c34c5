#!/usr/bin/env python3
"""Servers of gRPC's two Python stacks with handlers of our own: what a call costs without, or around, our server.

What belongs here: servers for measurements alone, several ports in one process, of which one is asked at a time.
An empty handler takes bytes and gives none; the others answer batches with the same object as the real server.
"""

from __future__ import annotations

import asyncio
import gc
import json
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
import grpc
from prometheus_client import CollectorRegistry

from resolver_grpc.errors import ConfigurationError
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.program import one_line_errors
from resolver_grpc.server.gate import Gate, recognize_anyone
from resolver_grpc.server.in_service import InService
from resolver_grpc.server.log import make_log
from resolver_grpc.server.metrics import Metrics
from resolver_grpc.server.opening import wall_clock
from resolver_grpc.server.options import ALONE, LIMITS
from resolver_grpc.server.senders import read_senders
from resolver_grpc.server.served import Served, open_served
from resolver_grpc.server.service import SERVICE_NAME, ResolverService
from resolver_grpc.snapshot.store import key_id_of
from resolver_grpc.times import parse_time

# The real server's options, so that nothing but the handler differs; private, since nobody else may build upon them.
_AS_SERVED = (*LIMITS, *ALONE)
_EXISTING = click.Path(path_type=Path, exists=True)

Answer = Callable[[bytes], bytes]
Handler = Any
Server = Any
"""gRPC's stubs know neither handlers without serializers nor what its two stacks have in common."""


class Variant(NamedTuple):
    """One of the servers of a process.

    Attributes:
        stack: ``aio``; ``sliced``, which is aio with the real server's handlers; or ``sync``.
        threads: of ``sync``, the threads of its pool.
        options: channel options beside the real server's, which they replace where they have the same name.
    """

    stack: str
    threads: int = 1
    options: dict[str, int | str] = {}  # noqa: RUF012 - a default that nobody writes to


def read_variant(text: str) -> Variant:
    """Reads a variant from JSON: its stack, threads and options.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        stack, threads, options = json.loads(text)
    except (TypeError, ValueError):
        raise ConfigurationError(f'{text}: no variant; write ["aio", 1, {{}}], with channel options by name') from None
    if stack not in _STARTERS:
        raise ConfigurationError(f"{stack}: no stack of gRPC's; choose among {', '.join(_STARTERS)}")
    return Variant(stack, threads, options)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--variant", "variants", multiple=True, required=True, help="A server to start, as JSON.")
@click.option("--snapshot", type=_EXISTING, help="What to answer from; without it every answer is empty.")
@click.option("--keys", type=_EXISTING, help="The key file it was built with.")
@click.option("--senders", type=_EXISTING, help="The onboarded senders.")
@click.option("--as-of", help="Judge everything at this instant.")
@one_line_errors()
def main(
    variants: tuple[str, ...], snapshot: Path | None, keys: Path | None, senders: Path | None, as_of: str | None
) -> None:
    """Starts servers, prints their addresses as JSON, and serves until SIGTERM.

    \b
    Example:
      bench/stack_server.py --variant '["aio", 1, {}]' --variant '["aio", 1, {"grpc.http2.bdp_probe": 0}]'
    """
    wanted = [read_variant(variant) for variant in variants]
    answer: Answer = _answer_nothing
    sliced = _aio_handler(answer)
    if snapshot:
        if not keys or not senders or not as_of:
            raise ConfigurationError("--snapshot wants --keys, --senders and --as-of beside it")
        instant = parse_time(as_of)
        key = read_key_ring(keys).of(key_id_of(snapshot))
        served = open_served(snapshot, key, read_senders(senders), instant)
        served.touch()
        answer = partial(_answer_batch, served, instant)
        metrics = Metrics(CollectorRegistry())
        sliced = ResolverService(InService(served), lambda: instant, make_log(), metrics).handler()
    gc.collect()
    gc.freeze()
    asyncio.run(_serve(wanted, answer, sliced))


def _answer_nothing(_request: bytes) -> bytes:
    return b""


def _answer_batch(served: Served, instant: int, request: bytes) -> bytes:
    return served.batches.answer(request, instant)


async def _serve(variants: list[Variant], answer: Answer, sliced: Handler) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    servers = [_STARTERS[variant.stack](variant, answer, sliced) for variant in variants]
    ports = [server.add_insecure_port("127.0.0.1:0") for server in servers]
    for server in servers:
        await _finish(server.start())
    print(json.dumps([f"127.0.0.1:{port}" for port in ports]), flush=True)
    await stop.wait()
    for server in servers:
        await _finish(server.stop(0))


async def _finish(begun: Any) -> None:  # noqa: ANN401 - what a stack's own start and stop give
    """Waits for what the one stack gives as a coroutine; the other's is done, or an event that nobody needs."""
    if asyncio.iscoroutine(begun):
        await begun


def _start_aio(variant: Variant, answer: Answer, _sliced: Handler) -> Server:
    return _make_aio(variant, _aio_handler(answer))


def _start_sliced(variant: Variant, _answer: Answer, sliced: Handler) -> Server:
    # The real service asks the gate who calls, which lets everybody in here.
    return _make_aio(variant, sliced, [Gate(recognize_anyone, wall_clock, make_log())])


def _make_aio(variant: Variant, handler: Handler, interceptors: Sequence[Gate] = ()) -> Server:
    server = grpc.aio.server(interceptors=interceptors, options=_options(variant))
    server.add_generic_rpc_handlers((handler,))
    return server


def _start_sync(variant: Variant, answer: Answer, _sliced: Handler) -> Server:
    def unary(request: bytes, _context: object) -> bytes:
        return answer(request)

    def stream(requests: Iterator[bytes], _context: object) -> Iterator[bytes]:
        return map(answer, requests)

    server = grpc.server(ThreadPoolExecutor(variant.threads), options=_options(variant))
    server.add_generic_rpc_handlers((_handler(unary, stream),))
    return server


def _aio_handler(answer: Answer) -> Handler:
    async def unary(request: bytes, _context: object) -> bytes:
        return answer(request)

    async def stream(requests: AsyncIterator[bytes], _context: object) -> AsyncIterator[bytes]:
        async for request in requests:
            yield answer(request)

    return _handler(unary, stream)


def _handler(unary: Any, stream: Any) -> Handler:  # noqa: ANN401 - either stack's
    methods: dict[str, Any] = {
        "ResolveBatch": grpc.unary_unary_rpc_method_handler(unary),
        "ResolveStream": grpc.stream_stream_rpc_method_handler(stream),
    }
    return grpc.method_handlers_generic_handler(SERVICE_NAME, methods)


def _options(variant: Variant) -> list[tuple[str, int | str]]:
    return list((dict(_AS_SERVED) | variant.options).items())


_STARTERS = {"aio": _start_aio, "sliced": _start_sliced, "sync": _start_sync}


if __name__ == "__main__":
    main()
