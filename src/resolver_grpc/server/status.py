"""The one table from errors to gRPC status.

An error's reason and metadata travel as ``google.rpc.ErrorInfo`` in the status details, beside it how long to wait
where a budget is used up, as ``google.rpc.RetryInfo``. Anything that is
no ``ResolverError`` becomes INTERNAL with a neutral text: no exception's own text ever leaves.
"""

from __future__ import annotations

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from resolver_grpc.errors import (
    AddressesSpentError,
    AuditError,
    BudgetFileError,
    ChangeIdTakenError,
    ChangeLogError,
    ChangesTrimmedError,
    ConfigurationError,
    InvalidNumberError,
    KeyFileError,
    MalformedRequestError,
    MismatchedResponseError,
    MissesSpentError,
    NotPermittedError,
    NotYetValidError,
    OverBudgetError,
    RateExceededError,
    ResolverError,
    SequenceNotReachedError,
    ServerRefusedError,
    ShipmentError,
    SlowReaderError,
    SnapshotError,
    TableError,
    TooManyCallsError,
    TooManyChangesError,
    TooManyQueriesError,
    UnauthenticatedError,
    UnknownOwnerError,
    UnknownSenderError,
    UnsendableQueryError,
)

ERROR_DOMAIN = "resolver-grpc"
DETAILS_KEY = "grpc-status-details-bin"

STATUS_CODES: dict[type[ResolverError], StatusCode] = {
    MalformedRequestError: StatusCode.INVALID_ARGUMENT,
    TooManyQueriesError: StatusCode.INVALID_ARGUMENT,
    UnauthenticatedError: StatusCode.UNAUTHENTICATED,
    NotPermittedError: StatusCode.PERMISSION_DENIED,
    # Also for a sender that the caller may not act for: it learns nothing of who is onboarded.
    UnknownSenderError: StatusCode.PERMISSION_DENIED,
    TooManyCallsError: StatusCode.RESOURCE_EXHAUSTED,
    NotYetValidError: StatusCode.FAILED_PRECONDITION,
    # Nothing is resolved that can't be accounted for.
    AuditError: StatusCode.UNAVAILABLE,
    BudgetFileError: StatusCode.UNAVAILABLE,
    # What can't be kept is not acknowledged.
    ChangeLogError: StatusCode.UNAVAILABLE,
    ChangeIdTakenError: StatusCode.ALREADY_EXISTS,
    ChangesTrimmedError: StatusCode.OUT_OF_RANGE,
    SequenceNotReachedError: StatusCode.FAILED_PRECONDITION,
    TooManyChangesError: StatusCode.INVALID_ARGUMENT,
    SlowReaderError: StatusCode.RESOURCE_EXHAUSTED,
    InvalidNumberError: StatusCode.INVALID_ARGUMENT,
    # Told to registrars alone, who may know.
    UnknownOwnerError: StatusCode.NOT_FOUND,
    OverBudgetError: StatusCode.RESOURCE_EXHAUSTED,
    RateExceededError: StatusCode.RESOURCE_EXHAUSTED,
    MissesSpentError: StatusCode.RESOURCE_EXHAUSTED,
    AddressesSpentError: StatusCode.RESOURCE_EXHAUSTED,
    # Damage met while serving; before that it stops the program.
    SnapshotError: StatusCode.INTERNAL,
    # These concern programs and clients; a server that meets one has a fault of its own.
    ResolverError: StatusCode.INTERNAL,
    KeyFileError: StatusCode.INTERNAL,
    TableError: StatusCode.INTERNAL,
    ConfigurationError: StatusCode.INTERNAL,
    ShipmentError: StatusCode.INTERNAL,
    ServerRefusedError: StatusCode.INTERNAL,
    UnsendableQueryError: StatusCode.INTERNAL,
    MismatchedResponseError: StatusCode.INTERNAL,
}

_NEUTRAL = "the server met a fault of its own; its log tells more"


def refusal(error: Exception) -> tuple[StatusCode, str, tuple[tuple[str, bytes], ...]]:
    """The status code, the sentence and the trailing metadata that answer an error."""
    code, reason, sentence, metadata = StatusCode.INTERNAL, "INTERNAL", _NEUTRAL, dict[str, str]()
    if isinstance(error, ResolverError) and STATUS_CODES[type(error)] is not StatusCode.INTERNAL:
        code, reason, sentence, metadata = STATUS_CODES[type(error)], error.reason, error.message, error.metadata
    details = [ErrorInfo(reason=reason, domain=ERROR_DOMAIN, metadata=metadata)]
    if isinstance(error, OverBudgetError):
        delay = Duration()
        delay.FromMicroseconds(round(error.retry_after * 1_000_000))
        details.append(RetryInfo(retry_delay=delay))
    status = Status(code=code.value[0], message=sentence, details=map(_packed, details))
    return code, sentence, ((DETAILS_KEY, status.SerializeToString()),)


def _packed(detail: Message) -> Any:
    packed = Any()
    packed.Pack(detail)
    return packed
