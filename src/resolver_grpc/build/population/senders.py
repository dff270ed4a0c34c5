"""The made-up senders, which between them have every trait that the decision table asks about.

What belongs here: the senders and their file.
"""

from __future__ import annotations

from resolver_grpc.model import Kind, Route, Sender, SenderClass

ALL_KINDS = frozenset(Kind) - {Kind.UNSPECIFIED}
SENDERS = (
    Sender(
        "kommunen", "Kommunen", "10000009", SenderClass.PUBLIC, mandatory=True, fallback=Route.LETTER, kinds=ALL_KINDS
    ),
    Sender(
        "nordkraft",
        "Nordkraft A/S",
        "10000033",
        SenderClass.PRIVATE,
        terms_consent=True,
        hold=True,
        fallback=Route.LETTER,
        kinds=ALL_KINDS,
    ),
    Sender("forsikringen", "Forsikringen", "10000076", SenderClass.PRIVATE, terms_consent=True, kinds=ALL_KINDS),
    Sender(
        "foreningen", "Foreningen", "10000084", SenderClass.PRIVATE, hold=True, fallback=Route.LETTER, kinds=ALL_KINDS
    ),
    Sender(
        "pensionskassen",
        "Pensionskassen",
        "10000114",
        SenderClass.PRIVATE,
        mandatory=True,
        fallback=Route.LETTER,
        kinds=ALL_KINDS,
    ),
    Sender(
        "avisen",
        "Avisen",
        "10000122",
        SenderClass.PRIVATE,
        kinds=frozenset({Kind.FULL_NAME, Kind.EMAIL, Kind.CPR}),
    ),
)


def _toml_bool(value: bool) -> str:  # noqa: FBT001 - the value to be written
    return "true" if value else "false"


def senders_toml() -> str:
    """Return the senders as the text of ``senders.toml``."""
    blocks = []
    for sender in SENDERS:
        kinds = ", ".join(f'"{kind.name}"' for kind in sorted(sender.kinds))
        blocks.append(
            "[[senders]]\n"
            f'id = "{sender.id}"\nname = "{sender.name}"\ncvr = "{sender.cvr}"\n'
            f'class = "{sender.sender_class.value}"\nmandatory = {_toml_bool(sender.mandatory)}\n'
            f"terms_consent = {_toml_bool(sender.terms_consent)}\nhold = {_toml_bool(sender.hold)}\n"
            f'fallback = "{sender.fallback.name}"\nkinds = [{kinds}]\n'
        )
    return "\n".join(blocks)
