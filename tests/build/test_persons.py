import pytest

from blank_rows import ANN, BO, at, person
from resolver_grpc.index.layout import ALWAYS, FOREVER
from resolver_grpc.rows.cells import WHENEVER, BadRowError
from resolver_grpc.rows.persons import STATUSES, Home, parse_person, parse_protections

HOME = {
    "municipality_code": "0101",
    "road_code": "0728",
    "street_name": "Borgmester Christiansens Gade",
    "short_street_name": "Borgm Christiansensg",
    "house_number": "045B",
    "floor": "St.",
    "door": "0th",
    "supplementary_town": "Valby",
    "postal_code": "DK-2450",
}


def test_a_home_is_read_to_its_canonical_forms():
    assert parse_person(person(**HOME)).home == Home(
        ("0101", "0728"),
        frozenset({"borgmesterchristiansensgade", "borgmesterchristiansensg"}),
        "2450",
        "valby",
        "45b",
        "st",
        "th",
    )


def test_blank_cells_are_no_fault():
    read = parse_person(person(**dict.fromkeys(HOME, " ")))
    assert read.home == Home(("", ""), frozenset(), "", "")
    assert (read.names, read.protections) == ((), ())


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        *[("number", cell) for cell in ("", "123", "3102801234", "6101801239", "13585628")],
        *[("status", cell) for cell in ("", "1", "02", "9X")],
        ("current_number", "0000000000"),
        *[("old_numbers", cell) for cell in ("0101", f"{BO},{ANN}", f"{BO};x")],
        *[("municipality_code", cell) for cell in ("101", "10A1", "٠١٠١")],
        *[("road_code", cell) for cell in ("12", "00728")],
        *[("street_name", "-"), ("short_street_name", "...")],
        *[("house_number", cell) for cell in ("0", "1000", "12-14", "12bb")],
        *[("floor", "tagetage"), ("floor", "100"), ("door", "bagved"), ("door", "12345")],
        *[("postal_code", cell) for cell in ("80000", "800", "SE-1234")],
    ],
)
def test_a_cell_that_cant_be_read_rejects_the_row_and_names_its_column_alone(column, cell):
    with pytest.raises(BadRowError) as raised:
        parse_person(person(**{column: cell}))
    assert raised.value.column == column
    assert str(raised.value) in {f"{column} can't be read", f"{column} is not one of the register's"}


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_the_registers_statuses_are_read(status):
    assert parse_person(person(status=f" {status} ")).status == status


@pytest.mark.parametrize(
    ("full_name", "names"),
    [
        ("", ()),
        (". '", ()),
        ("Madonna", ("madonna",)),
        ("Paul Peter Parslee Smith", ("paul", "smith")),
        ("Anne-Marie  O'Hara . Sø", ("anne-marie", "soe")),
    ],
)
def test_the_first_and_the_last_word_of_a_name_count(full_name, names):
    assert parse_person(person(full_name=full_name)).names == names


@pytest.mark.parametrize(
    ("cell", "spans"),
    [
        ("  ", ()),
        ("2026-01-01/2026-01-31", ((at("2026-01-01"), at("2026-02-01")),)),
        ("2026-01-01/", ((at("2026-01-01"), FOREVER),)),
        (" 2026-01-01 / 2026-01-01 ", ((at("2026-01-01"), at("2026-01-02")),)),
        ("2026-01-01/2026-01-02;2026-03-01/", ((at("2026-01-01"), at("2026-01-03")), (at("2026-03-01"), FOREVER))),
        # Over before 1970, and not yet begun in 2106: readable, so that they hold when they say.
        ("1968-04-02/1969-06-30", ((ALWAYS, ALWAYS),)),
        ("2150-01-01/", ((FOREVER, FOREVER),)),
    ],
)
def test_protections_hold_on_their_first_and_on_their_last_day(cell, spans):
    assert parse_protections(cell) == spans


@pytest.mark.parametrize(
    "cell",
    [
        *["/", "/2026-01-31", "?/", "?/2026-01-31", "2026-01-01/?", "2026-02-30/", "2026-02-01/2026-01-31"],
        *["2026-01-01", "x", "2026-01-01/2026-01-02/2026-01-03", "1965-01-02/1965-01-01", "2026-01-01T00:00:00Z/"],
    ],
)
def test_a_protection_without_a_first_day_unreadable_or_inverted_holds_always(cell):
    assert parse_protections(cell) == (WHENEVER,)
    assert parse_protections(f"2026-01-01/2026-01-02;{cell}")[1:] == (WHENEVER,)


@pytest.mark.parametrize(
    ("municipality", "road", "house_number", "has_road", "has_key"),
    [
        ("0101", "0728", "1", True, True),
        ("0101", "0728", "", True, False),
        ("0101", "9899", "1", True, True),
        ("0101", "9900", "1", False, False),
        ("0101", "9999", "1", False, False),
        ("", "0728", "1", False, True),
        ("0101", "", "1", False, True),
        ("", "", "1", False, True),
        ("", "9900", "1", False, False),
    ],
)
def test_only_a_house_on_a_real_street_has_a_key(municipality, road, house_number, has_road, has_key):
    home = Home((municipality, road), frozenset({"nygade"}), "8000", "", house_number)
    assert (home.has_road, home.has_key) == (has_road, has_key)
