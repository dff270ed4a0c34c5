"""Typed errors.

Every error that leaves a module of this package is one of these: it carries a reason (a stable word for
machines), a sentence for people that names the fix, and metadata. None of the three ever holds personal
data: no name, address, e-mail address, number, key, handle or reference. ``server/status.py`` maps each
class to a gRPC status; programs print the sentence and end with exit code 2.
"""

from __future__ import annotations

from typing import ClassVar


class ResolverError(Exception):
    """The root of all errors of this package.

    Args:
        message: one sentence that says what is wrong and, where it can, what to do.
        **metadata: facts for machines; never personal data.
    """

    reason: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, **metadata: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = {name: str(value) for name, value in metadata.items()}


class MalformedRequestError(ResolverError):
    """Bytes that are no request message."""

    reason = "MALFORMED_REQUEST"


class TooManyQueriesError(ResolverError):
    """A request with more queries than the server takes at once."""

    reason = "TOO_MANY_QUERIES"


class UnknownSenderError(ResolverError):
    """A sender that was never onboarded."""

    reason = "UNKNOWN_SENDER"


class UnauthenticatedError(ResolverError):
    """A caller that shows nothing it is known by. Its notes say why, for the log alone."""

    reason = "UNAUTHENTICATED"


class NotPermittedError(ResolverError):
    """A known caller whose role may not make the call."""

    reason = "NOT_PERMITTED"


class TooManyCallsError(ResolverError):
    """A caller with more calls under way than one may have."""

    reason = "TOO_MANY_CALLS"


class NotYetValidError(ResolverError):
    """A snapshot asked about an instant before its register date."""

    reason = "SNAPSHOT_NOT_YET_VALID"


class SnapshotError(ResolverError):
    """A snapshot that is missing, damaged, foreign or of another format."""

    reason = "SNAPSHOT_REFUSED"


class KeyFileError(ResolverError):
    """A key file that is missing, open to others or not a key."""

    reason = "KEY_FILE_REFUSED"


class AuditError(ResolverError):
    """An audit that can't be written, or a folder of one that can't be read."""

    reason = "AUDIT_UNAVAILABLE"


class BudgetFileError(ResolverError):
    """A file of budgets that can't be read or written, or is none."""

    reason = "BUDGETS_UNAVAILABLE"


class OverBudgetError(ResolverError):
    """A sender that has used up one of its budgets; each subclass is one of them.

    Args:
        message: see ``ResolverError``.
        sender_id: the sender, for the audit.
        retry_after: seconds until it may ask again.
        **metadata: see ``ResolverError``.
    """

    reason = "OVER_BUDGET"

    def __init__(self, message: str, *, sender_id: str = "", retry_after: float = 0.0, **metadata: str | int) -> None:
        super().__init__(message, **metadata)
        self.sender_id = sender_id
        self.retry_after = retry_after


class RateExceededError(OverBudgetError):
    """A sender that asks for more queries a second than it may."""

    reason = "RATE_EXCEEDED"


class MissesSpentError(OverBudgetError):
    """A sender that asked for as many recipients who are not found as it may in a day."""

    reason = "MISSES_SPENT"


class AddressesSpentError(OverBudgetError):
    """A sender that asked for as many addresses as it may in a day."""

    reason = "ADDRESSES_SPENT"


class ChangeLogError(ResolverError):
    """A log of changes that can't be read or written, is damaged, or is none."""

    reason = "CHANGE_LOG_UNAVAILABLE"


class ChangeIdTakenError(ResolverError):
    """A change whose id another change has; the metadata hold its position in what was to be appended."""

    reason = "CHANGE_ID_TAKEN"


class ChangesTrimmedError(ResolverError):
    """Changes that the log doesn't hold any more; the metadata hold the first sequence that it does hold."""

    reason = "CHANGES_TRIMMED"


class SequenceNotReachedError(ResolverError):
    """A sequence that the log has not reached.

    Args:
        message: see ``ResolverError``.
        asked: the sequence.
        **metadata: see ``ResolverError``.
    """

    reason = "SEQUENCE_NOT_REACHED"

    def __init__(self, message: str, *, asked: int = 0, **metadata: str | int) -> None:
        super().__init__(message, **metadata)
        self.asked = asked


class TooManyChangesError(ResolverError):
    """A request with more changes than the server takes at once."""

    reason = "TOO_MANY_CHANGES"


class SlowReaderError(ResolverError):
    """A caller who watches changes and leaves them untaken."""

    reason = "SLOW_READER"


class InvalidNumberError(ResolverError):
    """A text that is no CPR or CVR number."""

    reason = "INVALID_NUMBER"


class UnknownOwnerError(ResolverError):
    """A number of whose owner nothing is held."""

    reason = "UNKNOWN_OWNER"


class TableError(ResolverError):
    """An input table that can't be read as what it should be."""

    reason = "TABLE_REFUSED"


class ConfigurationError(ResolverError):
    """A configuration that can't be taken: senders, addresses to listen on, instants."""

    reason = "CONFIGURATION_REFUSED"


class ShipmentError(ResolverError):
    """A shipment file that can't be read."""

    reason = "SHIPMENT_REFUSED"


class ServerRefusedError(ResolverError):
    """A call that the server refused; the metadata holds the status code and the server's reason."""

    reason = "SERVER_REFUSED"


class UnsendableQueryError(ResolverError):
    """A query that can't be put on the wire; the metadata holds its row number and, if known, its field."""

    reason = "UNSENDABLE_QUERY"


class MismatchedResponseError(ResolverError):
    """A response whose decisions are not those of the batch's queries, one for each and in order."""

    reason = "MISMATCHED_RESPONSE"
