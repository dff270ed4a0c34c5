"""E-mail addresses: exactly the verified address, no dot or plus folding.

Source of the rules: domain rules, section 4; the syntax and IDNA 2008 are email-validator's.
"""

from __future__ import annotations

from unicodedata import normalize

from email_validator import EmailNotValidError, validate_email

from resolver_grpc.canonical.text import UnreadableError

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
