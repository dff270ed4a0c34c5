"""Shipment files as senders send them: encodings, delimiters, headings, shapes."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.client.headings import HEADINGS, count_known, fold_heading, match_headings
from resolver_grpc.client.shipment import open_shipment
from resolver_grpc.client.table_text import DELIMITERS
from resolver_grpc.errors import ShipmentError
from resolver_grpc.model import Kind

SECRETS = ("Anna", "Hansen", "0101801239", "anna@post.dk", "Vestergade")


@pytest.fixture
def write(tmp_path):
    def write(content, encoding="utf-8"):
        path = tmp_path / "shipment.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


@pytest.fixture
def refuse(write):
    """Open a file that must be refused, and give the error's sentence."""

    def refuse(content, encoding="utf-8"):
        path = write(content, encoding)
        with pytest.raises(ShipmentError) as caught:
            list(open_shipment(path).queries())
        sentence = str(caught.value)
        assert not any(secret in sentence for secret in SECRETS)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
        return sentence

    return refuse


def numbers(path):
    return [query.number for query in open_shipment(path).queries()]


# Files that can't be read


@pytest.mark.parametrize("content", ["", "\n\n", "   \r\n\r\n", b"\xef\xbb\xbf", "sep=;\r\n"])
def test_an_empty_file(refuse, content):
    assert "empty" in refuse(content)


def test_a_folder(tmp_path):
    with pytest.raises(ShipmentError, match="must be a file"):
        open_shipment(tmp_path)


@pytest.mark.parametrize("start", [b"PK\x03\x04 and so on", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"], ids=["xlsx", "xls"])
def test_a_workbook(refuse, start):
    assert 'workbook, not a text table: save it from the spreadsheet as "CSV UTF-8"' in refuse(start)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16(refuse, encoding):
    text = "cpr\r\n0101801239\r\n"
    assert "save it from the spreadsheet" in refuse(text, encoding)


def test_zero_bytes(refuse):
    assert "Line 2 holds zero bytes" in refuse("cpr\n01018\x0001239\n")


def test_bytes_that_no_encoding_has(refuse):
    assert "Line 3 holds bytes" in refuse(b"navn;cpr\r\nS\xf8ren;0101801239\r\nAnna\x81;0101801239\r\n")


def test_a_file_that_says_it_is_utf_8_is_not_taken_for_windows_1252(refuse):
    assert "Line 2 holds bytes" in refuse(b"\xef\xbb\xbfnavn;cpr\r\nS\xf8ren;0101801239\r\n")


def test_no_heading_line(refuse):
    sentence = refuse("Anna Hansen;Vestergade 1;8000\nAnna Hansen;Vestergade 2;8000\n")
    assert "no heading that is known" in sentence
    assert all(headings[0] in sentence for headings in HEADINGS.values())


@pytest.mark.parametrize("headings", ["reference;postnr", "ref", "by;etage;dør", "x;y"])
def test_headings_that_say_nothing_of_a_recipient(refuse, headings):
    assert "no heading that is known" in refuse(headings + "\n")


def test_two_columns_of_one_field(refuse):
    assert "Columns 1 and 3 are both read as cpr" in refuse("CPR;navn;Personnummer\n1;2;3\n")


@pytest.mark.parametrize("row", ["0101801239", "0101801239;Anna;Hansen", ";;", '""'])
def test_a_ragged_row(refuse, row):
    sentence = refuse(f"cpr;navn\n0101801239;Anna\n\n{row}\n")
    assert sentence.startswith("Line 4 has ")
    assert "where the headings are 2" in sentence


def test_a_ragged_row_after_a_cell_of_two_lines_is_named_by_its_line_in_the_file(refuse):
    assert refuse('cpr;adresse\n1;"Vestergade 1\n8000 Aarhus"\n1\n').startswith("Line 4 ")
    assert refuse('sep=;\ncpr;adresse\n1;"Vestergade 1\n8000 Aarhus"\n1\n').startswith("Line 5 ")


@pytest.mark.parametrize("row", ['"Anna;0101801239', '"Anna" Hansen;0101801239'], ids=["open", "within"])
def test_quotes_that_swallow_or_break_a_row(refuse, row):
    """An open quote would make one cell of all the rows after it."""
    assert "Line 3 can't be read: a quotation mark" in refuse(f"navn;cpr\nAnna;1\n{row}\nAnna;2\n")


def test_quotes_in_the_heading_line(refuse):
    assert "Line 1 can't be read" in refuse('"navn;cpr\nAnna;1\n')


@pytest.mark.parametrize("after", ["cpr\n1\n", "cpr\n1\n2\n3\n"], ids=["shorter", "longer"])
def test_a_file_that_changes_between_the_readings(write, after):
    shipment = open_shipment(write("cpr\n1\n2\n"))
    write(after)
    with pytest.raises(ShipmentError, match="changed while"):
        list(shipment.queries())


def test_a_missing_file_is_an_error_of_the_system(tmp_path):
    with pytest.raises(ShipmentError, match="must be a file"):
        open_shipment(tmp_path / "none.csv")


# Encodings and delimiters


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_encodings_line_ends_and_delimiters(write, encoding, newline, delimiter):
    text = newline.join([delimiter.join(cells) for cells in (("Dør", "Vejnavn", "Løbenr"), ("tv", "Ærøgade", "å1"))])
    shipment = open_shipment(write(text, encoding))
    (query,) = shipment.queries()
    assert shipment.rows == 1
    assert shipment.table.delimiter == delimiter
    assert (query.reference, query.address_line) == ("å1", "Ærøgade, tv")


def test_a_windows_1252_file_may_hold_its_typographic_signs(write):
    (query,) = open_shipment(write("navn;adresse\nD\u2019Angelo \u2013 €;x", "cp1252")).queries()
    assert query.full_name == "D\u2019Angelo \u2013 €"


def test_the_delimiter_is_the_one_under_which_the_headings_are_known(write):
    assert numbers(write("cpr;navn, fornavn først\n1;a\n")) == ["1"]
    assert numbers(write('navn,"by; gade",cpr\na,b,1\n')) == ["1"]


def test_one_column_needs_no_delimiter(write):
    assert numbers(write("CPR-nr.\n0101801239\n\n0101801247\n")) == ["0101801239", "0101801247"]


@pytest.mark.parametrize("line", ["sep=|", '"sep=|"', "SEP=|"])
def test_excels_separator_line_is_obeyed(write, line):
    assert numbers(write(f"{line}\r\ncpr|navn\r\n1|a;b\r\n")) == ["1"]


def test_blank_lines_are_skipped_and_do_not_count(write):
    shipment = open_shipment(write("\r\n  \r\ncpr;navn\r\n\r\n1;a\r\n \t \r\n2;b\r\n\r\n"))
    assert shipment.rows == 2
    assert [query.reference for query in shipment.queries()] == ["1", "2"]


def test_a_row_of_blank_cells_counts_and_is_sent(write):
    shipment = open_shipment(write("cpr;navn\n1;a\n ; \n3;c\n"))
    assert shipment.rows == 3
    assert [(query.reference, query.kind) for query in shipment.queries()] == [
        ("1", Kind.CPR), ("2", Kind.UNSPECIFIED), ("3", Kind.CPR)
    ]  # fmt: skip


def test_a_quoted_empty_cell_is_a_row_where_there_is_one_column(write):
    assert open_shipment(write('cpr\n""\n1\n')).rows == 2


def test_a_shipment_without_rows_is_one(write):
    assert open_shipment(write("cpr;navn\n")).rows == 0


@given(
    st.lists(st.tuples(*[st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)] * 3), max_size=8),
    st.sampled_from(DELIMITERS),
    st.sampled_from(["\n", "\r\n"]),
)
def test_any_cells_that_a_csv_writer_writes_are_read(tmp_path_factory, rows, delimiter, newline):
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=newline, quoting=csv.QUOTE_ALL)
    writer.writerows([("ref", "cpr", "email"), *rows])
    path = tmp_path_factory.mktemp("shipment") / "shipment.csv"
    path.write_bytes(buffer.getvalue().encode())
    shipment = open_shipment(path)
    queries = list(shipment.queries())
    assert shipment.rows == len(rows)
    assert [query.reference for query in queries] == [row[0].strip() for row in rows]
    assert [query.number for query in queries] == [row[1].strip() for row in rows]


# References


def test_without_a_reference_column_the_row_number_is_the_reference(write):
    assert [query.reference for query in open_shipment(write("cpr\n7\n8\n9\n")).queries()] == ["1", "2", "3"]


def test_a_blank_reference_stays_blank_for_a_row_number_could_be_anothers_reference(write):
    queries = open_shipment(write("ref;cpr\n2;7\n;8\n")).queries()
    assert [query.reference for query in queries] == ["2", ""]


def test_a_long_reference_is_sent_as_it_is(write):
    (query,) = open_shipment(write(f"ref;cpr\n{'x' * 200};1\n")).queries()
    assert query.reference == "x" * 200


def test_blanks_count_in_the_kvhx_column_alone(write):
    (query,) = open_shipment(write("ref;kvhx;fornavn\n r ; 8512002  02  th ; Anna \n")).queries()
    assert (query.reference, query.kvhx, query.first_name) == ("r", " 8512002  02  th ", "Anna")


# Headings


def test_no_heading_names_two_fields():
    folded = [fold_heading(heading) for headings in HEADINGS.values() for heading in headings]
    assert len(folded) == len(set(folded))
    assert all(folded)


@pytest.mark.parametrize(
    ("heading", "field"),
    [
        ("Ref.", "reference"), ("LØBENR", "reference"), ("Loebenr.", "reference"), ("Reference nr.", "reference"),
        ("Kunde-nr", "reference"), ("Navn", "full_name"), ("Fulde navn", "full_name"), ("Full_Name", "full_name"),
        ("FORNAVN", "first_name"), ("First Name", "first_name"), ("Efternavn ", "last_name"),
        ("Adresse", "address_line"), ("Adresselinje 1", "address_line"), ("Adresse 2", "address_line_2"),
        ("Vejnavn", "street_name"), ("Gade", "street_name"), ("Street", "street_name"), ("Hus-nr.", "house_number"),
        ("house number", "house_number"), ("Etage", "floor"), ("Dør", "door"), ("doer", "door"), ("Side/dør", "door"),
        ("Postnr.", "postal_code"), ("Postnummer", "postal_code"),
        ("ZIP", "postal_code"), ("By", "city"), ("Postdistrikt", "city"), ("Postnr./by", "city"),
        ("Supplerende bynavn", "supplementary_town"), ("KVHX-nøgle", "kvhx"), ("CPR-nr.", "cpr"),
        ("cprnummer", "cpr"), ("Personnummer", "cpr"), ("CVR-nr", "cvr"), ("E-mail", "email_address"),
        ("Mail", "email_address"), ("email", "email_address"), ("Telefon", None), ("", None), ("nr", None),
    ],
)  # fmt: skip
def test_spellings_of_headings(heading, field):
    assert match_headings(["cvr" if field != "cvr" else "cpr", heading]).places.get(field) == (1 if field else None)


def test_a_ring_written_as_a_combining_accent_is_the_same_letter():
    assert fold_heading("A\u030adresse") == fold_heading("Ådresse") == "aadresse"


@pytest.mark.parametrize(
    ("heading", "shown"),
    [
        ("Telefon", "Telefon"), (" Kunde\n type 2 ", "Kunde type 2"), ("Beløb (kr.)", "Beløb (kr.)"),
        ("0101801239", "column 2"), ("anna@post.dk", "column 2"), ("Vestergade 12", "column 2"), ("", "column 2"),
        ("x" * 41, "column 2"), ("--", "column 2"), ("a\x1b[31m", "column 2"), ("a\u202eb", "column 2"),
    ],
)  # fmt: skip
def test_headings_that_are_not_known_are_ignored_and_shown_if_they_look_like_headings(heading, shown):
    columns = match_headings(["cpr", heading])
    assert columns.ignored == (shown,)
    assert dict(columns.places) == {"cpr": 0}


@given(st.text(), st.text())
def test_folding_a_heading_is_idempotent(one, other):
    assert fold_heading(fold_heading(one)) == fold_heading(one)
    assert count_known([one, other]) == count_known([one]) + count_known([other])


@given(st.permutations(list(HEADINGS)))
def test_columns_may_stand_in_any_order(fields):
    columns = match_headings([HEADINGS[field][-1] for field in fields])
    assert [columns.places[field] for field in fields] == list(range(len(fields)))
