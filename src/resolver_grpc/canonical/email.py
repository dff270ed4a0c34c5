"""E-mail addresses: exactly the verified address, no dot or plus folding.

Source of the rules: domain rules, section 4; the syntax and IDNA 2008 are email-validator's.
"""

from __future__ import annotations

from unicodedata import normalize

from email_validator import EmailNotValidError, validate_email

from resolver_grpc.canonical.text import UnreadableError


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
