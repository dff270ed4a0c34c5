"""Decisions, error list and receipt: what stands in them, and that they appear together or not at all."""

import csv
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.client import Decision
from resolver_grpc.client.lists import DECISIONS, ERROR_LIST, RECEIPT, ShipmentLists, inert
from resolver_grpc.client.sentences import SENTENCES, sentence_of
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.model import Reason, Route
from resolver_grpc.policy.table import RULES
from resolver_grpc.v1.decision_pb2 import Target

NAMES = {DECISIONS, ERROR_LIST, RECEIPT}
REJECT = Decision(reference="r2", route=Route.REJECT, reason=Reason.INVALID_HOUSE_NUMBER, field="house_number")
MAILBOX = Decision(
    reference="r1",
    route=Route.MAILBOX,
    reason=Reason.DELIVERABLE,
    targets=[Target(handle=b"a" * 16, number="0101801239"), Target(handle=b"b" * 16, number="0202802345")],
)
FORWARD = Decision(
    reference="r3",
    route=Route.FORWARD,
    reason=Reason.FORWARDED,
    targets=[Target(handle=b"c" * 16, number="12345674", forwarding_address="post@advokaterne.dk")],
)
FOR_INTAKE = Decision(
    reference="r4", route=Route.MAILBOX, reason=Reason.DELIVERABLE, targets=[Target(handle=b"d" * 16)]
)


def write(folder, *decisions, delimiter=";", **options):
    with ShipmentLists(folder, delimiter, **options) as lists:
        for decision in decisions:
            lists.add(decision)


def read(folder, name, delimiter=";", encoding="utf-8"):
    with (folder / name).open(encoding=encoding, newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# Failure


def test_a_failure_leaves_nothing(tmp_path):
    def fail():
        with ShipmentLists(tmp_path, ";") as lists:
            lists.add(MAILBOX)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert contents(tmp_path) == {}


def test_a_failure_leaves_the_lists_of_the_former_run(tmp_path):
    write(tmp_path, MAILBOX)
    before = contents(tmp_path)

    def fail():
        with ShipmentLists(tmp_path, ";") as lists:
            lists.add(REJECT)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_folder_in_a_list_s_place_is_refused_before_anything_is_written(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(ConfigurationError, match="A folder stands where"):
        write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_in_the_folder_s_place_is_an_error_of_the_system(tmp_path):
    (tmp_path / "out").write_text("", encoding="utf-8")
    with pytest.raises(FileExistsError):
        write(tmp_path / "out")


def test_nothing_is_in_its_place_before_the_end(tmp_path):
    with ShipmentLists(tmp_path, ";") as lists:
        lists.add(MAILBOX)
        assert not NAMES & contents(tmp_path).keys()
    assert contents(tmp_path).keys() == NAMES


# Content


def test_the_decisions(tmp_path):
    write(tmp_path / "new" / "folder", MAILBOX, REJECT, FORWARD)
    assert read(tmp_path / "new" / "folder", DECISIONS) == [
        ["reference", "route", "reason", "field", "numbers", "forwarding_address"],
        ["r1", "MAILBOX", "DELIVERABLE", "", "0101801239 0202802345", ""],
        ["r2", "REJECT", "INVALID_HOUSE_NUMBER", "house_number", "", ""],
        ["r3", "FORWARD", "FORWARDED", "", "12345674", "post@advokaterne.dk"],
    ]


def test_the_error_list_holds_the_rejected_rows_alone(tmp_path):
    write(tmp_path, MAILBOX, REJECT, FORWARD)
    assert read(tmp_path, ERROR_LIST, encoding="utf-8-sig") == [
        ["reference", "reason", "field", "sætning", "sentence", "row"],
        ["r2", "INVALID_HOUSE_NUMBER", "house_number", *SENTENCES[Reason.INVALID_HOUSE_NUMBER], "2"],
    ]


def test_the_receipt_holds_every_row_and_no_number(tmp_path):
    write(tmp_path, MAILBOX, REJECT, FORWARD)
    assert read(tmp_path, RECEIPT, encoding="utf-8-sig") == [
        ["reference", "route", "reason"],
        ["r1", "MAILBOX", "DELIVERABLE"],
        ["r2", "REJECT", "INVALID_HOUSE_NUMBER"],
        ["r3", "FORWARD", "FORWARDED"],
    ]


def test_handles_stand_in_decisions_and_receipt_for_those_who_want_them(tmp_path):
    write(tmp_path, MAILBOX, REJECT, FOR_INTAKE, with_handles=True)
    a, b, d = ((letter * 16).encode().hex() for letter in "abd")
    assert read(tmp_path, DECISIONS) == [
        ["reference", "route", "reason", "field", "numbers", "forwarding_address", "handles"],
        ["r1", "MAILBOX", "DELIVERABLE", "", "0101801239 0202802345", "", f"{a} {b}"],
        ["r2", "REJECT", "INVALID_HOUSE_NUMBER", "house_number", "", "", ""],
        ["r4", "MAILBOX", "DELIVERABLE", "", "", "", d],
    ]
    assert read(tmp_path, RECEIPT, encoding="utf-8-sig") == [
        ["reference", "route", "reason", "handles"],
        ["r1", "MAILBOX", "DELIVERABLE", f"{a} {b}"],
        ["r2", "REJECT", "INVALID_HOUSE_NUMBER", ""],
        ["r4", "MAILBOX", "DELIVERABLE", d],
    ]
    assert read(tmp_path, ERROR_LIST, encoding="utf-8-sig")[0][-1] == "row"


def test_lists_for_people_have_a_byte_order_mark_and_the_one_for_programs_has_none(tmp_path):
    write(tmp_path, REJECT)
    starts = {name: content.startswith(b"\xef\xbb\xbf") for name, content in contents(tmp_path).items()}
    assert starts == {DECISIONS: False, ERROR_LIST: True, RECEIPT: True}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_the_shipment_s(tmp_path, delimiter):
    write(tmp_path, MAILBOX, delimiter=delimiter)
    assert (tmp_path / RECEIPT).read_text(encoding="utf-8-sig").startswith(delimiter.join(("reference", "route")))


def test_the_lists_are_for_their_owner_alone(tmp_path):
    write(tmp_path / "out", MAILBOX)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()} == {0o600}


def test_routes_and_reasons_of_a_newer_server_are_numbers(tmp_path):
    newer = Decision(reference="r")
    newer.route, newer.reason = 77, 88
    write(tmp_path, newer)
    assert read(tmp_path, RECEIPT, encoding="utf-8-sig")[1] == ["r", "77", "88"]
    assert sentence_of(88).english.endswith("Update the program.")


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), max_size=5))
def test_decisions_keep_any_reference_exactly(tmp_path_factory, references):
    folder = tmp_path_factory.mktemp("lists")
    write(folder, *(Decision(reference=reference) for reference in references))
    assert [row[0] for row in read(folder, DECISIONS)[1:]] == references


@pytest.mark.parametrize(
    "reference",
    ["=1+1", "+45", "-17", "@SUM(A1)", " =1+1", "\t=1+1", "\r\n=1", "\uff1d1+1", '=cmd|"/C calc"!A0'],
)
def test_no_reference_becomes_a_formula_in_the_lists_for_people(tmp_path, reference):
    rejected = Decision(reference=reference, route=Route.REJECT, reason=Reason.NOT_FOUND)
    write(tmp_path, rejected)
    assert read(tmp_path, DECISIONS)[1][0] == reference
    assert read(tmp_path, ERROR_LIST, encoding="utf-8-sig")[1][0] == "'" + reference
    assert read(tmp_path, RECEIPT, encoding="utf-8-sig")[1][0] == "'" + reference


@pytest.mark.parametrize("cell", ["", "r1", "a=b", "1-2", "0017"])
def test_other_cells_stay_as_they_are(cell):
    assert inert(cell) == cell


# Sentences


def rejecting_reasons():
    """What the decision table can reject, and every reason of a field that can't be read."""
    table = {rule.reason for rule in RULES if rule.route in {None, Route.REJECT} and rule.reason is not None}
    return table | {reason for reason in Reason if reason >= Reason.INVALID_KIND}


def test_every_reason_to_reject_has_a_sentence_in_both_languages_and_no_other_has():
    assert set(SENTENCES) == rejecting_reasons()
    assert len(set(SENTENCES.values())) == len(SENTENCES)


@pytest.mark.parametrize("reason", sorted(SENTENCES), ids=lambda reason: reason.name)
def test_a_sentence_says_what_is_wrong_and_what_to_do(reason):
    for text in SENTENCES[reason]:
        assert text.endswith(".")
        assert text.count(". ") >= 1, "a statement, then advice"
    assert SENTENCES[reason].danish != SENTENCES[reason].english
