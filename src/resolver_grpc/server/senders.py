"""The onboarded senders, read from a TOML file.

Source of the fields: domain rules, section 6. The file is taken whole or not at all.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from resolver_grpc.canonical.numbers import parse_cvr
from resolver_grpc.canonical.text import UnreadableError
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.model import Kind, Limits, Route, Sender, SenderClass
from resolver_grpc.server.strict_tables import check_keys, read_choice, read_text

_SENDER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_REQUIRED = ("id", "name", "cvr", "class", "kinds")
_FLAGS = ("mandatory", "terms_consent", "hold")
_KNOWN = (*_REQUIRED, *_FLAGS, "fallback", *Limits._fields)
_MOST = 1_000_000_000
_KINDS = {kind.name: kind for kind in Kind if kind is not Kind.UNSPECIFIED}
_FALLBACKS = {"REJECT": Route.REJECT, "LETTER": Route.LETTER}


def read_senders(path: Path) -> dict[str, Sender]:
    """Reads the senders by their id.

    Raises:
        ConfigurationError: the file is missing, no TOML, or one of its senders is not complete and sound;
            names the sender and the key.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: can't be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        # No UTF-8, no TOML, a number past what Python reads, or lists within lists without end.
        raise ConfigurationError(f"{path}: not a TOML file in UTF-8") from None
    tables = document.get("senders")
    if set(document) != {"senders"} or not isinstance(tables, list):
        raise ConfigurationError(f"{path}: holds no [[senders]], or something else beside them")
    senders: dict[str, Sender] = {}
    for place, table in enumerate(tables, start=1):
        try:
            sender = parse_sender(table)
        except ValueError as error:
            raise ConfigurationError(f"{path}: sender {place}: {error}") from None
        if sender.id in senders:
            raise ConfigurationError(f"{path}: sender {place}: its id stands twice")
        senders[sender.id] = sender
    return senders


def parse_sender(table: Mapping[str, object]) -> Sender:
    """Reads one sender.

    Raises:
        ValueError: a key is unknown, missing or has no sensible value.
    """
    if not isinstance(table, Mapping):
        raise ValueError("is no table of keys and values")  # noqa: TRY004 - a file's fault, not a caller's
    check_keys(table, _REQUIRED, _KNOWN)
    sender_class = read_choice(table, "class", {one.value: one for one in SenderClass})
    return Sender(
        id=_sender_id(table),
        name=read_text(table, "name"),
        cvr=_cvr(table),
        sender_class=sender_class,
        mandatory=_mandatory(table, sender_class),
        terms_consent=_flag(table, "terms_consent"),
        hold=_flag(table, "hold"),
        fallback=read_choice(table, "fallback", _FALLBACKS) if "fallback" in table else Route.REJECT,
        kinds=_kinds(table),
        limits=Limits(**{name: _limit(table, name) for name in Limits._fields if name in table}),
    )


def _sender_id(table: Mapping[str, object]) -> str:
    sender_id = read_text(table, "id")
    if not _SENDER_ID.fullmatch(sender_id):
        raise ValueError("`id` is not 1-64 letters, digits, `.`, `_` and `-`")
    return sender_id


def _cvr(table: Mapping[str, object]) -> str:
    try:
        return parse_cvr(read_text(table, "cvr"))
    except UnreadableError:
        raise ValueError("`cvr` is not a CVR number") from None


def _flag(table: Mapping[str, object], key: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise ValueError(f"`{key}` is neither true nor false")  # noqa: TRY004 - a file's fault, not a caller's
    return value


def _mandatory(table: Mapping[str, object], sender_class: SenderClass) -> bool:
    """A public authority is always mandatory (domain rules, section 6); saying otherwise is a mistake."""
    if sender_class is not SenderClass.PUBLIC:
        return _flag(table, "mandatory")
    if "mandatory" in table and not _flag(table, "mandatory"):
        raise ValueError("`mandatory` is false, but a PUBLIC sender is always mandatory")
    return True


def _limit(table: Mapping[str, object], key: str) -> int:
    value = table[key]
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST:
        raise ValueError(f"`{key}` is not a whole number from 1 to {_MOST:,}")
    return value


def _kinds(table: Mapping[str, object]) -> frozenset[Kind]:
    names = table["kinds"]
    if not isinstance(names, list) or any(not isinstance(name, str) or name not in _KINDS for name in names):
        raise ValueError(f"`kinds` is not a list of some of {', '.join(_KINDS)}")
    return frozenset(_KINDS[name] for name in names)
