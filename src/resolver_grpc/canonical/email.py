"""E-mail addresses: exactly the verified address, no dot or plus folding.

Source of the rules: domain rules, section 4; the syntax and IDNA 2008 are email-validator's.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from unicodedata import normalize

from email_validator import EmailNotValidError, validate_email

from resolver_grpc.canonical.text import UnreadableError

_USUAL_LOCAL_PART = re.compile(r"[a-zA-Z0-9_+-]+(\.[a-zA-Z0-9_+-]+)*")
_LOCAL_BYTES = 64
_MEMORY = 1 << 15
_DOMAIN_LETTERS = 47
_DOMAIN_BYTES = 189


def parse_email(text: str) -> str:
    """Reads an e-mail address: NFC, trimmed, local part in lower case, domain in its ASCII form.

    Raises:
        UnreadableError: it is something else, or its domain can't be one (IDNA 2008).
    """
    try:
        found = validate_email(normalize("NFC", text.strip()), check_deliverability=False)
    except EmailNotValidError:
        raise UnreadableError("not an e-mail address") from None
    return f"{normalize('NFC', found.local_part.lower())}@{found.ascii_domain}"


def read_email(text: str) -> str:
    """Reads what ``parse_email`` does, the usual ones much faster, for domains repeat.

    Raises:
        UnreadableError: as ``parse_email``.
    """
    local, _, domain = text.partition("@")
    if _USUAL_LOCAL_PART.fullmatch(local) and len(local) <= _LOCAL_BYTES:
        with suppress(UnreadableError):
            return f"{local.lower()}@{_known_domain(domain)}"
    return parse_email(text)


def parse_domain(text: str) -> str:
    """Reads the domain of an e-mail address, as far as nothing about the whole address depends on it.

    The library allows 254 bytes for an address as it was written, with its domain in Unicode and in ASCII. Well
    below that it has no say about the length of the whole: 64 bytes, the @, and 47 letters of four bytes.

    Raises:
        UnreadableError: no address has it, or a long one.
    """
    domain = parse_email(f"a@{text}").removeprefix("a@") if len(text) <= _DOMAIN_LETTERS else ""
    if not 0 < len(domain) <= _DOMAIN_BYTES:
        raise UnreadableError("not a short domain")
    return domain


_known_domain = lru_cache(_MEMORY)(parse_domain)
