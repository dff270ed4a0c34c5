"""Messages of changes as the tests write them."""

from google.protobuf.timestamp_pb2 import Timestamp

from resolver_grpc.changes.parsing import parse_change
from resolver_grpc.times import parse_time
from resolver_grpc.v1 import change_pb2 as pb

ANN, BO, IDA, KIM = "0101801239", "0202812345", "0606856789", "0808878901"
FIRM = "13585628"
NOON = "2026-11-01T11:00:00Z"
EVIDENCE = "consent-archive/4711"
ANNS_EMAIL = "ann@post.dk"


def person(**cells):
    home = {"municipality_code": "0751", "road_code": "1234", "short_street_name": "Vestergade", "postal_code": "8000"}
    return pb.Person(**{"status": "01", "full_name": "Ann Mo Bo", "house_number": "12", **home} | cells)


EVENTS = {
    "mailbox_opened": {},
    "mailbox_closed": {},
    "logged_in": {},
    "private_post_ended": {},
    "erased": {},
    "address_consent_given": {"person": person(), "evidence_reference": EVIDENCE},
    "address_consent_withdrawn": {"evidence_reference": EVIDENCE},
    "moved": {"person": person(house_number="14")},
    "renamed": {"person": person(full_name="Ann Dam")},
    "protection_set": {"protections": [pb.Protection(first_day="2026-11-01", last_day="2026-12-01")]},
    "protection_lifted": {},
    "died": {},
    "emigrated": {},
    "disappeared": {},
    "number_replaced": {"current_number": IDA, "person": person()},
    "email_verified": {"email_address": ANNS_EMAIL},
    "email_claimed": {"email_address": ANNS_EMAIL},
    "email_dropped": {"email_address": ANNS_EMAIL},
    "exempted": {"last_day": "2026-12-31"},
    "exemption_ended": {},
    "subscribed": {"sender_id": "power"},
    "unsubscribed": {"sender_id": "power"},
    "bound": {"sender_id": "power"},
    "agreement_ended": {"sender_id": "power"},
    "opted_out": {"sender_id": "power"},
    "opt_out_cancelled": {"sender_id": "power"},
    "forwarding_set": {"forwarding_address": "post@firm.dk", "last_day": "2026-12-31"},
    "forwarding_changed": {"forwarding_address": "post@firm.dk"},
    "forwarding_ended": {},
    "curator_took_over": {"forwarding_address": "curator@law.dk"},
}
"""Each event with fields that it takes."""

OF_FIRMS = {"forwarding_set", "forwarding_changed", "forwarding_ended", "curator_took_over"}


def message(event, number=None, time=NOON, change_id="c-1", **fields):
    """The message of an event; what is not told is as in ``EVENTS``."""
    usual = {"effective_time": Timestamp(seconds=parse_time(time))} if isinstance(time, str) else {}
    made = pb.Change(change_id=change_id, number=number or (FIRM if event in OF_FIRMS else ANN), **usual)
    kind = type(getattr(made, event))
    getattr(made, event).CopyFrom(kind(**EVENTS[event] | fields))
    return made


def change(event, number=None, time=NOON, change_id="c-1", **fields):
    return parse_change(message(event, number, time, change_id, **fields))
