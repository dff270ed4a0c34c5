"""The naive model of changes: the rows that the tables would have, edited by each event and read by the builder.

A row has room for one beginning and one end of a thing. So the model keeps all that it was told, and writes the rows
as they would be exported at the instant that is asked about; what they mean the builder's own readers say.
"""

from __future__ import annotations

from datetime import date, timedelta

from blank_rows import blank, mailbox, relation
from resolver_grpc.build.owners import join_owners
from resolver_grpc.build.schema import PERSONS
from resolver_grpc.build.sources import Sources
from resolver_grpc.times import danish_day, danish_midnight, format_instant

NEVER = 1 << 40
WITH_RECORD = {"mailbox_opened", "logged_in", "protection_set", "protection_lifted"}
"""Events that may bring the register's record along."""


def midnight(day):
    return danish_midnight(day)


def day_is_over(instant):
    """The end of the last day of something that ends at an instant; at midnight that is the day before."""
    day = danish_day(instant)
    return instant if midnight(day) == instant else midnight(day + timedelta(days=1))


class Statements:
    """Lists that take each other's place at the end of a day."""

    def __init__(self):
        self.all, self.latest = [], -1

    def add(self, instant, what):
        if instant > self.latest:
            self.all = [(told, min(over, day_is_over(instant))) for told, over in self.all]
        self.all.append((what, NEVER))
        self.latest = max(self.latest, instant)

    def at(self, instant):
        return [told for told, over in self.all if over > instant]


class Begun:
    """A thing that is said to begin and to end, in any order."""

    def __init__(self):
        self.begins, self.ends = [], []

    def cells(self, begin, end):
        """The later wins, at a tie the end; of several ends the first after the beginning, else the last before."""
        after = [one for one in self.ends if self.begins and one >= max(self.begins)]
        last = min(after) if after else max(self.ends, default=None)
        return {
            begin: format_instant(max(self.begins)) if self.begins else "",
            end: "" if last is None else format_instant(last),
        }

    def has_ended_by(self, instant):
        return any(max(self.begins) <= end <= instant for end in self.ends) if self.begins else True


class RowsModel:
    """The rows of one owner."""

    def __init__(self, number):
        self.number, self.mailbox_number, self.olds = number, number, []
        self.opened = self.closed = self.login = self.private = None
        self.closings, self.records, self.departures = [], [], []
        self.protections, self.exemptions = Statements(), Statements()
        self.consent = Begun()
        self.relations = {}
        self.notices = []
        self.email, self.claimed, self.verified, self.drops = "", -1, {}, {}
        self.forwarding, self.forwarding_ends = None, []

    def take(self, name, t, event):
        """Edits the rows; ``event`` is the message of the event."""
        getattr(self, f"on_{name}")(t, event)
        if name in WITH_RECORD and event.HasField("person"):
            self.record(t, event.person)

    def on_mailbox_opened(self, t, _):
        if self.opened is not None and not self.closings:
            return
        if self.closings and t <= max(self.closings):
            return
        if self.login is not None:
            self.login = max(self.login, t)
        self.opened, self.closed, self.closings = t, None, []

    def on_mailbox_closed(self, t, _):
        self.closings.append(t)
        self.closed = min(self.closings)

    def on_logged_in(self, t, _):
        self.login = max(t, self.opened if self.login is None else self.login)

    def on_private_post_ended(self, t, _):
        self.private = t if self.private is None else min(t, self.private)

    def on_address_consent_given(self, t, event):
        self.consent.begins.append(t)
        self.record(t, event.person)

    def on_address_consent_withdrawn(self, t, _):
        self.consent.ends.append(t)

    def on_moved(self, t, event):
        self.record(t, event.person)

    on_renamed = on_moved

    def record(self, t, person):
        self.protections.add(t, [f"{one.first_day}/{one.last_day}" for one in person.protections])
        if (self.records and t < self.records[-1][0]) or any(t <= one for one in self.departures):
            return
        cells = {field.name: getattr(person, field.name) for field in person.DESCRIPTOR.fields[:-1]}
        self.records = [*[one for one in self.records if one[0] < t], [t, cells, NEVER]]

    def on_protection_set(self, t, event):
        self.protections.add(t, [f"{one.first_day}/{one.last_day}" for one in event.protections])

    def on_protection_lifted(self, t, _):
        self.protections.add(t, [])

    def on_died(self, t, _):
        self.departures.append(t)
        for record in self.records:
            record[2] = min(record[2], t)

    on_emigrated = on_disappeared = on_died

    def on_number_replaced(self, t, event):
        self.olds.append(self.number)
        self.number = event.current_number
        self.record(t, event.person)

    def on_email_verified(self, t, event):
        self.verified[event.email_address] = min(t, self.verified.get(event.email_address, t))

    def on_email_claimed(self, t, event):
        if t >= self.claimed:
            self.email, self.claimed = event.email_address, t

    def on_email_dropped(self, t, event):
        self.drops.setdefault(event.email_address, []).append(t)

    def on_exempted(self, t, event):
        self.exemptions.add(t, {"exempt_from": str(danish_day(t)), "exempt_to": event.last_day})

    def on_exemption_ended(self, t, _):
        self.exemptions.add(t, {})

    def related(self, relation_name, event):
        return self.relations.setdefault((relation_name, event.sender_id), Begun())

    def on_subscribed(self, t, event):
        self.related("SUBSCRIBED", event).begins.append(t)

    def on_unsubscribed(self, t, event):
        self.related("SUBSCRIBED", event).ends.append(t)

    def on_bound(self, t, event):
        self.related("BOUND", event).begins.append(t)

    def on_agreement_ended(self, t, event):
        self.related("BOUND", event).ends.append(t)

    def on_opted_out(self, t, event):
        self.notices.append((event.sender_id, danish_day(t)))

    def on_opt_out_cancelled(self, t, event):
        day = danish_day(t)
        self.notices = [
            (sender, notice)
            for sender, notice in self.notices
            if sender != event.sender_id or not notice <= day < notice + timedelta(days=7)
        ]

    def on_forwarding_set(self, t, event):
        if not self.forwarding or t >= self.forwarding[0]:
            self.forwarding = t, event.forwarding_address, event.last_day

    def on_forwarding_changed(self, t, event):
        start, _, last_day = self.forwarding
        if start <= t:
            self.forwarding_ends = [one for one in self.forwarding_ends if one >= start]
            self.forwarding = t, event.forwarding_address, last_day

    def on_curator_took_over(self, t, event):
        if not self.forwarding or t >= self.forwarding[0]:
            self.forwarding = t, event.forwarding_address, ""

    def on_forwarding_ended(self, t, _):
        self.forwarding_ends.append(t)

    def on_erased(self, _t, _):
        """No row is left; the numbers are known for one who may open a mailbox again."""
        number, mailbox_number, olds = self.number, self.mailbox_number, self.olds
        self.__init__(number)
        self.mailbox_number, self.olds = mailbox_number, olds

    def rows_at(self, instant):
        """The tables' rows of this owner as they would be exported at an instant: persons, mailboxes, relations."""
        persons = [] if len(self.number) < 10 else [self.person_row(instant)]
        persons += [blank(PERSONS, number=old, status="60", current_number=self.number) for old in self.olds]
        return persons, [self.mailbox_row(instant)], list(self.relation_rows(instant))

    def person_row(self, instant):
        told = [one for statement in self.protections.at(instant) for one in statement]
        begun = [record for record in self.records if record[0] <= instant]
        cells = dict(begun[-1][1]) if begun else {"status": "80"}
        if begun and begun[-1][2] <= instant:
            cells["status"] = "90"
        elif cells["status"] in {"01", "03"} and self.will_live_elsewhere(cells, len(begun)):
            cells["status"] = "20"
        return blank(PERSONS, **cells | {"number": self.number, "protections": ";".join(told)})

    def will_live_elsewhere(self, cells, begun):
        """Whether a record that is known already tells of another home or name: the old ones are not kept."""
        later = [one for _, one, _ in self.records[begun:]]
        return any(one | {"status": ""} != cells | {"status": ""} for one in later)

    def mailbox_row(self, instant):
        times = {"opened": self.opened, "closed": self.closed, "last_login": self.login, "private_closed": self.private}
        cells = {name: format_instant(one) for name, one in times.items() if one is not None}
        cells |= self.consent.cells("address_consent_given", "address_consent_withdrawn")
        if self.email in self.verified:
            drops = [one for one in self.drops.get(self.email, []) if one >= self.claimed]
            cells |= {"email_address": self.email, "email_verified": format_instant(self.verified[self.email])}
            cells |= {"email_claimed": format_instant(self.claimed)}
            cells |= {"email_dropped": format_instant(min(drops))} if drops else {}
        for row in self.exemptions.at(instant):
            if row and date.fromisoformat(row["exempt_from"]) <= danish_day(instant) <= last_day(row["exempt_to"]):
                cells |= row
        if self.forwards_at(instant):
            cells |= {"forwarding_address": self.forwarding[1], "forwarding_to": self.forwarding[2]}
        return mailbox(self.mailbox_number, **cells)

    def forwards_at(self, instant):
        if not self.forwarding:
            return False
        start = self.forwarding[0]
        return start <= instant and not any(start <= one <= instant for one in self.forwarding_ends)

    def relation_rows(self, instant):
        for (name, sender), begun in self.relations.items():
            if not begun.has_ended_by(instant):
                since = format_instant(max(begun.begins))
                yield relation(self.mailbox_number, relation=name, sender_id=sender, effective_time=since)
        for sender in {sender for sender, _ in self.notices}:
            day = min(notice for one, notice in self.notices if one == sender) + timedelta(days=7)
            yield relation(self.mailbox_number, relation="OPTED_OUT", sender_id=sender, effective_time=str(day))


def last_day(text):
    return date.fromisoformat(text) if text else date.max


def facts_at(models, instant):
    """The names of the facts that hold of each owner at an instant, by number; a contested claim is none."""
    sources = Sources()
    for model in models:
        for take, rows in zip(
            (sources.add_person, sources.add_mailbox, sources.add_relation), model.rows_at(instant), strict=True
        ):
            for row in rows:
                take(1, row)
    owners = join_owners(sources)
    assert not sources.rejects.rows
    return {owner.number: holding(owner.facts, instant) for owner in owners}


def holding(facts, instant):
    held = {str(fact) for fact, spans in facts.items() if any(start <= instant < end for start, end in spans)}
    if "contested" in held:
        held -= {"claim", "contested"}
    return held
