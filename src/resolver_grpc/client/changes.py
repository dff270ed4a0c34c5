"""The registrar's client: changes in, outcomes out, and changes watched, over one channel.

What belongs here: calls, and making them again. A change is known by its id, so that one whose outcome was not heard
may be sent once more; who watches goes on from the last response.
"""

from __future__ import annotations

from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Self

import grpc

from resolver_grpc.client.channel import open_channel
from resolver_grpc.client.patience import Patience, Surroundings
from resolver_grpc.client.refusals import read_reason, refusal
from resolver_grpc.errors import MismatchedResponseError
from resolver_grpc.v1 import change_service_pb2 as wire
from resolver_grpc.v1.change_service_pb2_grpc import ChangeServiceStub

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from types import TracebackType

    from resolver_grpc.v1.change_pb2 import Change

_CHANGES_AT_ONCE: Final = 500
"""Changes of a message: of the longest ones that there can be it has fewer bytes than the server takes."""
_MESSAGES_AHEAD: Final = 4
_TOO_SLOW: Final = "SLOW_READER"


class ChangesClient:
    """A registrar's client of one resolver; a context manager that closes its channel.

    Args:
        target: the server's loopback address with its port, such as ``127.0.0.1:50051``; with credentials any server.
        retry_for: seconds without any progress for which calls are repeated while the server is UNAVAILABLE.
        surroundings: clock, sleep and jitter of the waits between attempts.
        credentials: TLS, as ``read_channel_credentials`` makes it.
        token: gives the token that says who calls, asked before each attempt, such as a ``TokenFile``.

    Raises:
        ConfigurationError: the target lacks its port, or is elsewhere and nothing is encrypted.
    """

    def __init__(
        self,
        target: str,
        *,
        retry_for: float = 60.0,
        surroundings: Surroundings | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        token: Callable[[], str] | None = None,
    ) -> None:
        self._retry_for = retry_for
        self._surroundings = surroundings or Surroundings()
        self._token = token
        self._channel = open_channel(target, credentials)
        self._stub = ChangeServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channel; what is under way is cancelled. Closing twice does nothing."""
        self._channel.close()

    def apply(self, changes: Iterable[Change]) -> Generator[wire.ChangeOutcome]:
        """Send changes: one outcome each, in the order of the changes.

        Changes are taken as they are needed, some messages ahead, so that the iterable may be endless. While the
        server is gone, what it has not answered is sent again; it is taken once.

        Args:
            changes: each with an id of its own.

        Raises:
            ServerRefusedError: the server could not be reached for ``retry_for`` seconds, or refused a message.
            MismatchedResponseError: a response that does not answer its message change by change.
        """
        messages, unanswered = _cut(changes), deque[wire.ApplyChangesRequest]()
        patience = Patience(self._retry_for, self._surroundings)
        while True:
            sent: SimpleQueue[wire.ApplyChangesRequest | None] = SimpleQueue()
            for message in unanswered:
                sent.put(message)
            call: Any = self._stub.ApplyChanges(_until_none(sent), metadata=self._metadata())
            answered = 0
            try:
                while _fill(messages, unanswered, sent):
                    response = next(call, wire.ApplyChangesResponse())
                    yield from _checked(unanswered.popleft(), response)
                    answered, patience = answered + 1, Patience(self._retry_for, self._surroundings)
            except grpc.RpcError:
                if not (_may_pass(call, answered) and patience.wait()):
                    raise refusal(call) from None
            else:
                return
            finally:
                # Ends gRPC's thread, which waits for a message.
                sent.put(None)
                call.cancel()

    def watch(self, from_sequence: int = 1) -> Generator[wire.WatchChangesResponse]:
        """Watch changes from a sequence on, without an end; close the generator to stop.

        Each response's ``next_sequence`` is the checkpoint to keep once its changes are taken care of. Where the
        server is gone for a while, or cuts a slow reader off, watching goes on from the last response.

        Raises:
            ServerRefusedError: the server could not be reached for ``retry_for`` seconds, or refused.
        """
        patience, following = Patience(self._retry_for, self._surroundings), from_sequence
        while True:
            request = wire.WatchChangesRequest(from_sequence=following)
            call: Any = self._stub.WatchChanges(request, metadata=self._metadata())
            answered = 0
            try:
                for response in call:
                    yield response
                    following = response.next_sequence
                    answered, patience = answered + 1, Patience(self._retry_for, self._surroundings)
            except grpc.RpcError:
                if not (_may_pass(call, answered) and patience.wait()):
                    raise refusal(call) from None
            finally:
                call.cancel()

    def owner(self, number: str) -> wire.GetOwnerResponse:
        """Ask for all that is held of an owner.

        Raises:
            ServerRefusedError: the server could not be reached, or refused; nothing is held by UNKNOWN_OWNER.
        """
        told: wire.GetOwnerResponse = self._repeated(self._stub.GetOwner, wire.GetOwnerRequest(number=number))
        return told

    def erase(self, number: str, change_id: str) -> int:
        """Erase an owner; tells the sequence of the erasure.

        Raises:
            ServerRefusedError: the server could not be reached, or refused; nothing is held by UNKNOWN_OWNER.
        """
        request = wire.EraseOwnerRequest(number=number, change_id=change_id)
        return int(self._repeated(self._stub.EraseOwner, request).sequence)

    def _repeated(self, method: Any, request: Any) -> Any:  # noqa: ANN401 - each method has types of its own
        patience = Patience(self._retry_for, self._surroundings)
        while True:
            call = method.future(request, metadata=self._metadata())
            if call.code() is grpc.StatusCode.OK:
                return call.result()
            if not (_may_pass(call, 0) and patience.wait()):
                raise refusal(call)

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self._token()}"),) if self._token else ()


def _may_pass(call: grpc.Call, answered: int) -> bool:
    """Whether a call that ended may be made again: the server was gone, the caller slow, or its token has expired."""
    code = call.code()
    has_expired = code is grpc.StatusCode.UNAUTHENTICATED and answered > 0
    return code is grpc.StatusCode.UNAVAILABLE or has_expired or read_reason(call) == _TOO_SLOW


def _cut(changes: Iterable[Change]) -> Iterator[wire.ApplyChangesRequest]:
    following = iter(changes)
    while some := [change for _, change in zip(range(_CHANGES_AT_ONCE), following, strict=False)]:
        yield wire.ApplyChangesRequest(changes=some)


def _until_none(sent: SimpleQueue[wire.ApplyChangesRequest | None]) -> Iterator[wire.ApplyChangesRequest]:
    while (message := sent.get()) is not None:
        yield message


def _fill(
    messages: Iterator[wire.ApplyChangesRequest],
    unanswered: deque[wire.ApplyChangesRequest],
    sent: SimpleQueue[wire.ApplyChangesRequest | None],
) -> bool:
    """Sends some messages ahead; tells whether one is to be answered still."""
    while len(unanswered) < _MESSAGES_AHEAD and (message := next(messages, None)) is not None:
        unanswered.append(message)
        sent.put(message)
    return bool(unanswered)


def _checked(request: wire.ApplyChangesRequest, response: wire.ApplyChangesResponse) -> Iterable[wire.ChangeOutcome]:
    if [change.change_id for change in request.changes] != [outcome.change_id for outcome in response.outcomes]:
        raise MismatchedResponseError(
            "The server gave outcomes of other changes than it was sent: use none of them, and tell its operator."
        )
    return response.outcomes
