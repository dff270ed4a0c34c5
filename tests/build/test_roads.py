import pytest
from hypothesis import given
from hypothesis import strategies as st

from blank_rows import person, road
from resolver_grpc.build.roads import Roads, parse_road
from resolver_grpc.rows.cells import BadRowError
from resolver_grpc.rows.persons import parse_home

R1, R2, R3 = ("0101", "0001"), ("0101", "0002"), ("0202", "0001")


def home(codes, street="", town="", postal_code="8000", short=""):
    cells = {"street_name": street, "short_street_name": short, "supplementary_town": town, "postal_code": postal_code}
    return parse_home(person(municipality_code=codes[0], road_code=codes[1], **cells))


def roads_of(homes=(), named=()):
    roads = Roads()
    for one in homes:
        roads.add(one)
    for row in named:
        roads.add_named(parse_road(row))
    return roads


@pytest.mark.parametrize(
    ("homes", "named", "streets", "telling"),
    [
        pytest.param([home(R1, "Nygade"), home(R1, "Ny gade")], [], set(), {}, id="one road"),
        pytest.param(
            [home(R1, "Nygade"), home(R2, "Ny Gade")], [], {("8000", "nygade")}, {}, id="two, and no town tells"
        ),
        pytest.param([home(R1, "Nygade"), home(R2, "Nygade", postal_code="8200")], [], set(), {}, id="two codes"),
        pytest.param([home(R1, "Nygade"), home(R3, "Nygade")], [], {("8000", "nygade")}, {}, id="two municipalities"),
        pytest.param(
            [home(R1, "Nygade", "Bolbro"), home(R2, "Nygade")],
            [],
            {("8000", "nygade")},
            {("8000", "nygade", R1): ["bolbro"]},
            id="a town tells one of them",
        ),
        pytest.param(
            [home(R1, "Nygade", "Bolbro"), home(R2, "Nygade", "Bolbro"), home(R2, "Nygade", "Høje Taastrup")],
            [],
            {("8000", "nygade")},
            {("8000", "nygade", R2): ["hoejetaastrup"]},
            id="a town of both tells neither",
        ),
        pytest.param(
            [home(R1, "Nygade", "B"), home(R1, "Nygade", "A"), home(R2, "Nygade", "C")],
            [],
            {("8000", "nygade")},
            {("8000", "nygade", R1): ["a", "b"], ("8000", "nygade", R2): ["c"]},
            id="several towns of one road",
        ),
        pytest.param(
            [home(R1, "Ny Vestergade", short="Vestergade"), home(R2, "Vestergade")],
            [],
            {("8000", "vestergade")},
            {},
            id="by the short name",
        ),
        pytest.param(
            [home(R1, "Nygade")],
            [road(*R2, "Ny Gade", supplementary_town="Bolbro")],
            {("8000", "nygade")},
            {("8000", "nygade", R2): ["bolbro"]},
            id="with a road of the table where nobody lives",
        ),
        pytest.param(
            [home(R1, short="Nyg", postal_code="8000")],
            [road(*R1, "Nygade", "8200"), road(*R2, "Nygade", "8000")],
            {("8000", "nygade")},
            {},
            id="a name from the table, a postal code from a person",
        ),
        pytest.param([home(("0101", "9905"), "Nygade"), home(R1, "Nygade")], [], set(), {}, id="no real street"),
        pytest.param([home(("0101", ""), "Nygade"), home(R1, "Nygade")], [], set(), {}, id="a road without its code"),
        pytest.param(
            [home(R1, "Nygade"), home(R2, "Nygade", postal_code="")], [], set(), {}, id="a road without a postal code"
        ),
    ],
)
def test_streets_that_several_roads_share_and_the_towns_that_tell(homes, named, streets, telling):
    shared = roads_of(homes, named).shared()
    assert shared.streets == streets
    assert shared.telling == telling


def test_a_home_has_its_own_rows_spellings_and_the_tables_not_its_neighbours():
    mine = home(R1, short="Borgm Christiansensg")
    roads = roads_of(
        [mine, home(R1, "Nygade")],
        [road(*R1, "Borgmester Christiansens Gade", short_name="Borgm. Christiansensg."), road(*R2, "Andengade")],
    )
    assert roads.spellings(mine) == {"borgmesterchristiansensg", "borgmesterchristiansensgade"}


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        *[("municipality_code", cell) for cell in ("", "101", "٠١٠١", "01012")],
        *[("road_code", cell) for cell in ("", "x", "²²²²")],
        *[("name", cell) for cell in ("", "-")],
        *[("postal_code", cell) for cell in ("", "80000")],
    ],
)
def test_a_road_that_cant_be_read_is_rejected(column, cell):
    row = road(*R1, "Nygade") | {column: cell}
    with pytest.raises(BadRowError) as raised:
        parse_road(row)
    assert str(raised.value) == f"{column} can't be read"


ROWS = st.tuples(
    st.sampled_from([R1, R2, R3, ("0101", "9900")]),
    st.sampled_from(["Nygade", "Ågade"]),
    st.sampled_from(["", "Bolbro", "Vejlby"]),
    st.sampled_from(["8000", "8200"]),
)


@given(st.lists(ROWS, max_size=6))
def test_shared_streets_agree_with_a_scan_over_all_rows(rows):
    """The oracle: a road bears every name of its rows wherever it lies, and a town tells if one road has it."""
    shared = roads_of([home(*row) for row in rows]).shared()
    real = [row for row in rows if row[0][1] < "9900"]
    for postal_code in ("8000", "8200"):
        for name, street in (("Nygade", "nygade"), ("Ågade", "aagade")):
            bearers = {row[0] for row in real if row[1] == name}
            there = {row[0] for row in real if row[3] == postal_code} & bearers
            assert ((postal_code, street) in shared.streets) is (len(there) > 1)
            for one in there:
                mine = {row[2] for row in real if row[0] == one and row[3] == postal_code}
                others = {row[2] for row in real if row[0] in there - {one} and row[3] == postal_code}
                tell = sorted(town.lower() for town in mine - others - {""}) if len(there) > 1 else []
                assert shared.telling.get((postal_code, street, one), []) == tell
