"""The keys that a change's owner is found by are those that the builder would make of the same rows."""

import pytest

from change_messages import ANN, ANNS_EMAIL, FIRM, IDA, change, message, person
from resolver_grpc.build.entries import Entries
from resolver_grpc.build.owners import join_owners
from resolver_grpc.build.sources import Sources
from resolver_grpc.changes.owner import apply_change
from resolver_grpc.changes.owner_keys import keys_of
from resolver_grpc.keys import KeyKind, MasterKey
from resolver_grpc.rows.cells import WHENEVER
from resolver_grpc.times import parse_time
from resolver_grpc.v1 import change_pb2 as pb
from rows_model import RowsModel

KEYS = MasterKey(bytes(32)).index_keys
OPENED = ("mailbox_opened", {})
CLAIMED = [("email_verified", {}), ("email_claimed", {})]


def given(**cells):
    return ("address_consent_given", {"person": person(**cells)})


COURSES = {
    "opened": [OPENED],
    "consented": [OPENED, given()],
    "two spellings": [OPENED, given(street_name="Vester Gade og Vej")],
    "one name": [OPENED, given(full_name="Ann")],
    "no name": [OPENED, given(full_name="")],
    "no codes": [OPENED, given(municipality_code="", road_code="")],
    "no street": [OPENED, given(road_code="9901")],
    "no house": [OPENED, given(house_number="")],
    "no consent": [OPENED, ("moved", {})],
    "emigrated": [OPENED, given(), ("emigrated", {})],
    "protected": [OPENED, given(protections=[pb.Protection()]), *CLAIMED],
    "claimed": [OPENED, ("moved", {}), *CLAIMED],
    "claimed outside the register": [OPENED, *CLAIMED],
    "replaced": [OPENED, ("number_replaced", {}), ("address_consent_given", {})],
}


def lived(number, course):
    state, model = None, RowsModel(number)
    for name, fields in course:
        told = change(name, number if state is None else state.number, **fields)
        model.take(name, told.instant, getattr(message(name, **fields), name))
        state = apply_change(state, told)
    return state, model


@pytest.mark.parametrize("course", COURSES.values(), ids=COURSES)
def test_they_are_those_of_the_rows(course):
    state, model = lived(ANN, course)
    sources = Sources()
    takers = (sources.add_person, sources.add_mailbox, sources.add_relation)
    for take, rows in zip(takers, model.rows_at(parse_time("2027-01-01")), strict=True):
        for row in rows:
            take(1, row)
    (owner,) = join_owners(sources)
    entries = Entries(KEYS, sources.roads, WHENEVER)
    built = set(entries.keys_of(owner, has_address=entries.address_key(owner) is not None))
    assert set(keys_of(state, KEYS)) == built
    assert len(keys_of(state, KEYS)) == len(built)


def test_an_organisation_is_found_by_its_number_alone():
    state, _ = lived(FIRM, [OPENED])
    assert keys_of(state, KEYS) == (KEYS.key(KeyKind.CVR, FIRM),)


def test_a_home_with_a_town_is_found_with_it_too():
    """Whether two roads share the text only the snapshot knows, and who asks with the town then must find."""
    state, _ = lived(ANN, [OPENED, given(supplementary_town="Høje By")])
    home = state.home
    assert KEYS.place(home.text("vestergade", "hoejeby"), "ann", "bo") in keys_of(state, KEYS)
    assert KEYS.place(home.text("vestergade"), "ann", "bo") in keys_of(state, KEYS)


def test_old_number_and_claimed_address_lead_there():
    state, _ = lived(ANN, [OPENED, ("number_replaced", {}), *CLAIMED])
    wanted = {KEYS.key(KeyKind.CPR, IDA), KEYS.key(KeyKind.CPR, ANN), KEYS.key(KeyKind.EMAIL, ANNS_EMAIL)}
    assert set(keys_of(state, KEYS)) == wanted
