"""Events of any kind, drawn for a small register: what overlays are tried with."""

import random

from change_messages import ANN, BO, FIRM, IDA, KIM, person
from resolver_grpc.v1 import change_pb2 as pb

HOUSES, EMAILS = ["12", "14"], ["ann@post.dk", "bo@post.dk"]
NAMES = ["Ann Bo", "Ann Dam", "Bo Dam", "Ann Sø"]
PEOPLE = [ANN, BO, IDA, KIM, *(f"0909{year}{4000 + year}" for year in range(70, 90))]
TIMES = [f"2026-10-{day}T{clock}" for day in (23, 24, 25) for clock in ("11:00:00Z", "22:00:00Z")]


def dice_of(seed):
    return random.Random(seed)  # noqa: S311 - a choice of test data


def settled(number, name, house):
    given = {"person": person(full_name=name, house_number=house)}
    return [("mailbox_opened", number, "2026-01-01", {}), ("address_consent_given", number, "2026-02-01", given)]


def claims(number, address, time):
    fields = {"email_address": address}
    return [("email_verified", number, time, fields), ("email_claimed", number, time, fields)]


def crowd(dice):
    """Two dozen people of four names in two houses, and a firm: most keys lead to several."""
    events = [("mailbox_opened", FIRM, "2026-01-01", {})]
    for number in PEOPLE[:-4]:
        events += settled(number, dice.choice(NAMES), dice.choice(HOUSES))
    return [*events, *claims(BO, EMAILS[1], "2026-02-01")]


def random_event(dice, numbers):
    """An event of any kind that may be taken, of anybody."""
    number, time, house, name = dice.choice(numbers), dice.choice(TIMES), dice.choice(HOUSES), dice.choice(NAMES)
    record = {"person": person(full_name=name, house_number=house)}
    told = [
        [("moved", number, time, record)],
        [("address_consent_given", number, time, record)],
        [("address_consent_withdrawn", number, time, {})],
        [("mailbox_closed", number, time, {})],
        [("mailbox_opened", number, time, dice.choice([record, {}]))],
        [("logged_in", number, time, {})],
        [("protection_set", number, time, {"protections": [pb.Protection(first_day="2026-10-24")]})],
        [("protection_lifted", number, time, record)],
        claims(number, dice.choice(EMAILS), time),
        [("opted_out", number, "2026-10-16", {"sender_id": dice.choice(["power", "town"])})],
        [("bound", number, time, {"sender_id": "power"})],
        [("exempted", number, time, {"last_day": ""})],
        [("exempted", FIRM, time, {"last_day": "2026-10-24"})],
        [("forwarding_set", FIRM, time, {"forwarding_address": "post@firm.dk", "last_day": ""})],
        [("died", number, time, {})],
        [("number_replaced", number, time, {"current_number": dice.choice(PEOPLE), **record})],
    ]
    return dice.choices(told, weights=[6, 6, 2, 1, 2, 2, 2, 1, 4, 2, 2, 1, 1, 1, 1, 1])[0]


def follow_one_by_one(overlay, laid):
    for after, change, keys in laid:
        if not overlay.follow(after):
            overlay.take(change, keys)


def follow_many(overlay, laid):
    """As a worker does: many at once, and one by one what is not usual."""
    afters, at = [after for after, _, _ in laid], 0
    while at < len(laid):
        at += overlay.follow_many(afters, at)
        follow_one_by_one(overlay, laid[at : at + 1])
        at += 1
