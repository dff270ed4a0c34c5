"""The resolver's client: queries in, decisions out, in order, over one channel.

What belongs here: calls, their pipelining and their repetition. A batch is kept until its response has been
checked, so that a call that failed can be made again and no decision is lost or given twice.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import grpc

from resolver_grpc.client.batches import Limits, cut_batches
from resolver_grpc.client.channel import open_channel
from resolver_grpc.client.patience import Patience, Surroundings
from resolver_grpc.client.refusals import pause_asked, refusal
from resolver_grpc.errors import ConfigurationError, MismatchedResponseError
from resolver_grpc.v1 import resolver_service_pb2 as wire
from resolver_grpc.v1.resolver_service_pb2_grpc import ResolverServiceStub

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from types import TracebackType

    from resolver_grpc import model
    from resolver_grpc.v1.decision_pb2 import Decision

Response = TypeVar("Response")


class _Flight(Generic[Response]):
    """A call under way, and how to make it once more."""

    def __init__(self, start: Callable[[], grpc.CallFuture[Response]]) -> None:
        self._start = start
        self.call = start()

    def is_to_be_repeated(self) -> bool:
        """Whether the call ended with UNAVAILABLE, or came too soon; waits for its end."""
        return self.call.code() is grpc.StatusCode.UNAVAILABLE or self.pause_asked() is not None

    def pause_asked(self) -> float | None:
        """How many seconds the server asked to be left alone, where it said that the call came too soon."""
        return pause_asked(self.call)

    def restart(self) -> None:
        self.call = self._start()

    def cancel(self) -> None:
        future: grpc.Future[Response] = self.call
        future.cancel()


class ResolverClient:
    """A client of one resolver; a context manager that closes its channel.

    Args:
        target: the server's loopback address with its port, such as ``127.0.0.1:50051``; with credentials any server.
        batch_size: the most queries in one request; the server's own limit is kept as well.
        in_flight: how many requests may be under way at a time.
        timeout: seconds that each attempt at a request may take.
        retry_for: seconds, from a request's first failure, for which it is repeated while the server is
            UNAVAILABLE, or says that the sender asks too much in a second.
        surroundings: clock, sleep and jitter of the waits between attempts.
        credentials: TLS, as ``read_channel_credentials`` makes it; without it queries travel in the clear.
        token: gives the token that says who calls, asked before each attempt, such as a ``TokenFile``.

    Raises:
        ConfigurationError: without credentials a target that is not on this machine, or a number out of its range.
    """

    def __init__(  # noqa: PLR0913 - each is one choice of the caller's, with a default
        self,
        target: str,
        *,
        batch_size: int = 1000,
        in_flight: int = 4,
        timeout: float = 30.0,
        retry_for: float = 60.0,
        surroundings: Surroundings | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        token: Callable[[], str] | None = None,
    ) -> None:
        if batch_size < 1 or in_flight < 1 or timeout <= 0 or retry_for < 0:
            raise ConfigurationError(
                "A client needs a batch_size and in_flight of at least 1, a timeout above 0 and a retry_for from 0 on."
            )
        self._batch_size = batch_size
        self._in_flight = in_flight
        self._timeout = timeout
        self._retry_for = retry_for
        self._surroundings = surroundings or Surroundings()
        self._limits: Limits | None = None
        self._closed = False
        self._token = token
        self._channel = open_channel(target, credentials)
        self._stub = ResolverServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channel; what is under way is cancelled. Closing twice does nothing."""
        self._closed = True
        self._channel.close()

    def server_info(self, *, retry_for: float | None = None) -> wire.GetServerInfoResponse:
        """Ask the server for its limits, snapshot and versions.

        Args:
            retry_for: seconds for which the call is repeated, where other than the client's.

        Raises:
            ServerRefusedError: the server could not be reached, or refused.
        """
        request = wire.GetServerInfoRequest()
        flight = self._fly(
            lambda: self._stub.GetServerInfo.future(request, timeout=self._timeout, metadata=self._metadata())
        )
        return self._land(deque([flight]), self._retry_for if retry_for is None else retry_for)

    def resolve(
        self,
        queries: Iterable[model.Query],
        *,
        sender_id: str,
        shipment_id: str = "",
        personal_content: bool = False,
    ) -> Generator[Decision]:
        """Resolve queries: one decision each, in the order of the queries.

        Queries are taken as they are needed, up to ``in_flight + 1`` batches ahead, so that the iterable may
        be endless. Closing the generator cancels what is under way.

        Args:
            queries: anything with the fields of ``model.Query``; wire messages are sent as they are.
            sender_id: the onboarded sender whose letters these are.
            shipment_id: the sender's name for the shipment.
            personal_content: whether the letters hold personal content.

        Raises:
            ConfigurationError: the sender or the shipment id is no text.
            UnsendableQueryError: a query that the wire can't carry.
            ServerRefusedError: the server could not be reached for ``retry_for`` seconds, or refused a batch.
            MismatchedResponseError: a response that does not answer its batch query by query.
        """
        try:
            envelope = wire.ResolveBatchRequest(
                sender_id=sender_id, shipment_id=shipment_id, personal_content=personal_content
            )
        except (TypeError, ValueError):
            envelope = None
        if envelope is None:
            raise ConfigurationError("The sender id and the shipment id must be text, and personal_content a truth.")
        return self._resolve(queries, envelope)

    def _resolve(self, queries: Iterable[model.Query], envelope: wire.ResolveBatchRequest) -> Generator[Decision]:
        batches = cut_batches(queries, envelope, self._server_limits())
        requests: deque[wire.ResolveBatchRequest] = deque()
        flights: deque[_Flight[wire.ResolveBatchResponse]] = deque()
        try:
            self._fill(batches, requests, flights)
            while flights:
                response = self._land(flights, self._retry_for)
                flights.popleft()
                check_response(requests.popleft(), response)
                # The next batch flies while the caller works on this one.
                self._fill(batches, requests, flights)
                yield from response.decisions
        finally:
            for flight in flights:
                flight.cancel()

    def _fill(
        self,
        batches: Iterator[wire.ResolveBatchRequest],
        requests: deque[wire.ResolveBatchRequest],
        flights: deque[_Flight[wire.ResolveBatchResponse]],
    ) -> None:
        while len(flights) < self._in_flight and (request := next(batches, None)) is not None:
            requests.append(request)
            flights.append(self._fly_batch(request))

    def _fly_batch(self, request: wire.ResolveBatchRequest) -> _Flight[wire.ResolveBatchResponse]:
        return self._fly(
            lambda: self._stub.ResolveBatch.future(request, timeout=self._timeout, metadata=self._metadata())
        )

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self._token()}"),) if self._token else ()

    def _fly(self, start: Callable[[], grpc.CallFuture[Response]]) -> _Flight[Response]:
        if self._closed:
            raise ConfigurationError("The client is closed: open a new one.")
        return _Flight(start)

    def _land(self, flights: deque[_Flight[Response]], retry_for: float) -> Response:
        """Wait for the first flight's response, repeating whatever found the server unavailable or came too soon."""
        first = flights[0]
        patience = Patience(retry_for, self._surroundings)
        while first.is_to_be_repeated():
            if not patience.wait(first.pause_asked()):
                break
            for flight in flights:
                if flight.call.done() and flight.is_to_be_repeated():
                    flight.restart()
        if first.call.code() is not grpc.StatusCode.OK:
            raise refusal(first.call)
        return first.call.result()

    def _server_limits(self) -> Limits:
        if self._limits is None:
            info = self.server_info()
            if not (info.max_queries and info.max_request_bytes):
                raise MismatchedResponseError("The server states no limits: check that its address is a resolver's.")
            self._limits = Limits(min(self._batch_size, info.max_queries), info.max_request_bytes)
        return self._limits


def check_response(request: wire.ResolveBatchRequest, response: wire.ResolveBatchResponse) -> None:
    """Check that a response answers its request query by query.

    Raises:
        MismatchedResponseError: another number of decisions, or a decision with another query's reference.
    """
    if len(response.decisions) != len(request.queries):
        raise MismatchedResponseError(
            f"The server gave {len(response.decisions)} decisions for {len(request.queries)} queries: "
            "use none of them, and tell its operator."
        )
    for query, decision in zip(request.queries, response.decisions, strict=True):
        if query.reference != decision.reference:
            raise MismatchedResponseError(
                "The server gave a decision with another reference than its query's: "
                "use none of this batch, and tell its operator."
            )
