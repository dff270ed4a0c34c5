"""Why a change is refused: a closed list, and the error that carries it.

What belongs here: words. Which change is refused for which, ``parsing.py`` and ``owner.py`` say.
"""

from __future__ import annotations

from enum import StrEnum, unique


@unique
class ChangeReason(StrEnum):
    """Why a change is refused. The first part is seen in the change alone, the second beside its owner or the log."""

    INVALID_CHANGE_ID = "INVALID_CHANGE_ID"
    INVALID_NUMBER = "INVALID_NUMBER"
    INVALID_TIME = "INVALID_TIME"
    INVALID_EVENT = "INVALID_EVENT"
    INVALID_PERSON = "INVALID_PERSON"
    INVALID_STATUS = "INVALID_STATUS"
    INVALID_NAME = "INVALID_NAME"
    INVALID_CODE = "INVALID_CODE"
    INVALID_STREET = "INVALID_STREET"
    INVALID_HOUSE_NUMBER = "INVALID_HOUSE_NUMBER"
    INVALID_FLOOR = "INVALID_FLOOR"
    INVALID_DOOR = "INVALID_DOOR"
    INVALID_TOWN = "INVALID_TOWN"
    INVALID_POSTAL_CODE = "INVALID_POSTAL_CODE"
    INVALID_PROTECTIONS = "INVALID_PROTECTIONS"
    INVALID_EVIDENCE = "INVALID_EVIDENCE"
    INVALID_EMAIL = "INVALID_EMAIL"
    INVALID_DAY = "INVALID_DAY"
    INVALID_SENDER = "INVALID_SENDER"
    NOT_A_PERSON = "NOT_A_PERSON"
    NOT_AN_ORGANISATION = "NOT_AN_ORGANISATION"

    UNKNOWN_OWNER = "UNKNOWN_OWNER"
    CONTRADICTORY_NUMBER = "CONTRADICTORY_NUMBER"
    NO_OPT_OUT = "NO_OPT_OUT"
    OPT_OUT_IN_FORCE = "OPT_OUT_IN_FORCE"
    NO_FORWARDING = "NO_FORWARDING"
    CHANGE_ID_TAKEN = "CHANGE_ID_TAKEN"
    RECORD_NEEDED = "RECORD_NEEDED"


class RefusedChangeError(ValueError):
    """A change that can't be taken: the reason and the path of the field; never its content."""

    def __init__(self, reason: ChangeReason, path: str) -> None:
        super().__init__(reason.name)
        self.reason = reason
        self.field = path
