"""Made-up mailboxes and relations: consents, claims, logins, exemptions, forwarding.

What belongs here: the rows of mailboxes and relations, and the times in them. Who has a mailbox is drawn
here too, organisations and people outside the register among them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from resolver_grpc.build.population.folding import fold_text
from resolver_grpc.build.population.senders import SENDERS

if TYPE_CHECKING:
    from random import Random

    from resolver_grpc.build.population.calendar_pool import TimePool
    from resolver_grpc.build.population.households import CellRow
    from resolver_grpc.build.population.number_making import NumberMaker

EMAIL_DOMAINS = ("post.example", "mail.example", "webmail.example", "blåbær.example", "familien-bak.example")
SENDER_IDS = tuple(sender.id for sender in SENDERS)
_WITH_MAILBOX, _WITH_CONSENT, _WITH_EMAIL, _CONTESTED = 0.88, 0.85, 0.45, 0.02
_ODD_LIFE, _EXEMPT, _SUBSCRIBED, _BOUND, _OPTED_OUT = 0.09, 0.02, 0.3, 0.03, 0.06
_UNDER_OLD_NUMBER, _ORGANISATIONS_PER_PERSON, _OUTSIDERS_PER_PERSON = 0.6, 0.03, 0.004
_FORWARDING, _ORGANISATION_EMAIL, _ODD_ORGANISATION = 0.5, 0.3, 0.15


class MailboxMaker:
    """Gives mailboxes and relations to the people of one block after the other."""

    def __init__(self, rng: Random, numbers: NumberMaker, times: TimePool) -> None:
        self._rng = rng
        self._numbers = numbers
        self._times = times
        self._serial = 0

    def fill(self, persons: list[CellRow]) -> tuple[list[CellRow], list[CellRow]]:
        """Return the rows of mailboxes and of relations for a block's persons."""
        rng, mailboxes, relations = self._rng, [], []
        emails: list[str] = []
        for row in persons:
            if "current_number" in row or rng.random() > _WITH_MAILBOX:
                continue
            number = self._number(row, persons)
            mailbox = self._mailbox(number)
            if rng.random() < _WITH_EMAIL:
                self._claim(mailbox, row.get("full_name", ""), emails)
            mailboxes.append(mailbox)
            relations.extend(self._relations(number))
        for _ in range(self._times_for(len(persons) * _ORGANISATIONS_PER_PERSON)):
            mailbox = self._organisation(emails)
            mailboxes.append(mailbox)
            relations.extend(self._relations(mailbox["number"]))
        for _ in range(self._times_for(len(persons) * _OUTSIDERS_PER_PERSON)):
            mailbox = self._mailbox(self._numbers.cpr())
            self._claim(mailbox, "", emails)
            mailboxes.append(mailbox)
        return mailboxes, relations

    def _times_for(self, expected: float) -> int:
        return int(expected + self._rng.random())

    def _number(self, row: CellRow, persons: list[CellRow]) -> str:
        """Return the number that a mailbox is kept under: sometimes an old one."""
        if "old_numbers" not in row or self._rng.random() > _UNDER_OLD_NUMBER:
            return row["number"]
        linked = {row["number"], *row["old_numbers"].split(";")}
        older = [other["number"] for other in persons if other.get("current_number") in linked]
        return self._rng.choice([*older, row["old_numbers"].split(";")[0]])

    def _mailbox(self, number: str) -> CellRow:
        rng, times = self._rng, self._times
        row = {"number": number, "opened": rng.choice(times.past_days), "last_login": rng.choice(times.recent)}
        if rng.random() < _ODD_LIFE:
            self._live_oddly(row)
        if rng.random() < _WITH_CONSENT:
            self._consent(row)
        if rng.random() < _EXEMPT:
            self._exempt(row)
        return row

    def _live_oddly(self, row: CellRow) -> None:
        rng, times = self._rng, self._times
        row.update(
            rng.choice(
                (
                    {"closed": rng.choice(times.past_days)},
                    {"closed": rng.choice(times.edges)},
                    {"closed": rng.choice(times.future_days)},
                    {"private_closed": rng.choice(times.past_days)},
                    {"private_closed": rng.choice(times.edges)},
                    {"last_login": rng.choice(times.stale)},
                    {"last_login": rng.choice(times.login_edges)},
                    {"opened": rng.choice(times.login_edges), "last_login": ""},
                    {"opened": rng.choice(times.stale), "last_login": ""},
                    {"opened": rng.choice(times.edges), "last_login": ""},
                )
            )
        )

    def _consent(self, row: CellRow) -> None:
        rng, times = self._rng, self._times
        row["address_consent_given"] = rng.choice(times.past)
        chance = rng.random()
        if chance < 0.03:  # noqa: PLR2004 - a share of this list alone
            row["address_consent_withdrawn"] = rng.choice(times.past)
        elif chance < 0.04:  # noqa: PLR2004
            row["address_consent_withdrawn"] = row["address_consent_given"]
        elif chance < 0.05:  # noqa: PLR2004
            row["address_consent_withdrawn"] = rng.choice(times.edges)
        elif chance < 0.06:  # noqa: PLR2004
            row["address_consent_given"] = rng.choice(times.edges)

    def _exempt(self, row: CellRow) -> None:
        rng, times = self._rng, self._times
        first = rng.choice((*times.past_days[:500], times.horizon_days[1]))
        last = rng.choice(("", "", times.horizon_days[0], times.horizon_days[3], max(first, times.past_days[-1])))
        row["exempt_from"] = first
        row["exempt_to"] = max(first, last) if last else ""

    def _claim(self, row: CellRow, full_name: str, emails: list[str]) -> None:
        """Let an owner claim an e-mail address; now and then one that somebody of the block claims too."""
        rng, times = self._rng, self._times
        self._serial += 1
        local = ".".join(re.findall("[a-z]+", fold_text(full_name)))[:40].strip(".") or "post"
        email = f"{local}.{self._serial}@{rng.choice(EMAIL_DOMAINS)}"
        row["email_address"] = rng.choice(emails) if emails and rng.random() < _CONTESTED else email
        emails.append(row["email_address"])
        row["email_verified"] = row["email_claimed"] = rng.choice(times.past)
        odd = rng.randrange(60)
        if odd in range(4):
            row.update(rng.choice(({"email_verified": ""}, {"email_claimed": ""}, {"email_claimed": times.edges[1]})))
        elif odd in range(4, 8):
            row["email_dropped"] = rng.choice((rng.choice(times.past), row["email_claimed"], rng.choice(times.edges)))

    def _organisation(self, emails: list[str]) -> CellRow:
        rng, times = self._rng, self._times
        row = {"number": self._numbers.cvr(), "opened": rng.choice(times.past_days), "last_login": ""}
        row["last_login"] = rng.choice(times.recent)
        if rng.random() < _ODD_ORGANISATION:
            self._live_oddly(row)
        if rng.random() < _ORGANISATION_EMAIL:
            self._claim(row, "kontakt", emails)
        if rng.random() < _FORWARDING:
            self._serial += 1
            first = rng.choice((*times.past_days[:8], times.horizon_days[1], times.future_days[0], ""))
            last = rng.choice(("", "", "", times.past_days[-1], *times.horizon_days[:3], *times.future_days[1:3]))
            row["forwarding_address"] = f"post.{self._serial}@firma.example"
            row["forwarding_from"] = first
            row["forwarding_to"] = last if last >= first else ""
        return row

    def _relations(self, number: str) -> list[CellRow]:
        rng, times = self._rng, self._times
        rows: list[CellRow] = []
        for relation, share in (("SUBSCRIBED", _SUBSCRIBED), ("BOUND", _BOUND), ("OPTED_OUT", _OPTED_OUT)):
            if rng.random() < share:
                effective = rng.choice(times.past_days if rng.random() > _ODD_ORGANISATION else times.edges)
                rows.extend(
                    {"number": number, "sender_id": sender_id, "relation": relation, "effective_time": effective}
                    for sender_id in rng.sample(SENDER_IDS, rng.randint(1, 3))
                )
        return rows
