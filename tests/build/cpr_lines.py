"""Lines of extracts of the tests' own making, in the register's layout, and what their rows are."""

from resolver_grpc.build.schema import PERSONS

KAREN = "0101801239"
OLE = "0202791235"
OLD = "0303701234"


def line(*placed):
    """A line with texts at positions counted from 1."""
    text = ""
    for position, value in placed:
        text = text.ljust(position - 1) + value
    return text


def person(number, status="01", current=""):
    return line((1, "001"), (4, number), (14, current), (24, status), (26, "000000000000 K1980-01-01"))


def address(number, *, municipality="0851", road="8512", house="012B", floor="02", door="  th"):
    return line((1, "002"), (4, number), (14, municipality), (18, road), (22, house), (26, floor), (28, door))


def in_clear(number, *, municipality="0851", road="8512", house="012B", floor="02", door="  th", postal_code="9000"):
    return line(
        *((1, "003"), (4, number), (14, "Karen Elkjær"), (116, "Nøddevej 12 B,2 th"), (150, "Hasseris")),
        *((184, postal_code), (188, "Aalborg"), (208, municipality), (212, road), (216, house), (220, floor)),
        *((222, door), (230, "Nøddevej")),
    )


def name(number, first="Karen Ida", middle="Bjerg", last="Elkjær"):
    return line((1, "008"), (4, number), (14, first), (64, "*"), (65, middle), (105, "*"), (106, last), (146, "*"))


def protection(number, start="2001-01-01", end="2003-01-01", kind="0001"):
    return line((1, "004"), (4, number), (14, kind), (18, start), (28, end))


def old_number(current, old):
    return line((1, "022"), (4, current), (14, old), (34, "*"), (35, "1999-01-01"))


def start(produced="20011119", previous="00000000"):
    return line((1, "000"), (4, "0000000000"), (14, "110901"), (20, produced), (28, previous))


def end(count):
    return line((1, "999"), (4, "9999999999"), (14, f"{count:08}"))


def encoded(lines, line_end="\n"):
    return [(text + line_end).encode("iso-8859-1") for text in lines]


def rows(extract):
    """The rows by number; each row's columns are the schema's."""
    found = list(extract.rows())
    assert all(row.keys() <= set(PERSONS.column_names) for row in found)
    by_number = {row["number"]: row for row in found}
    assert len(by_number) == len(found)
    return by_number


def faults(extract):
    return [(rejected.line_number, rejected.record_type, rejected.fault) for rejected in extract.rejected_lines]


NOWHERE = {"municipality": "0000", "road": "0000", "house": "", "floor": "", "door": "", "postal_code": "0000"}


def is_withheld(row):
    """Whether a row tells no more of its person than numbers and road, with the blank status of a rejected one."""
    told = {column for column, cell in row.items() if cell}
    return row["status"] == "" and told <= {"number", "current_number", *ROAD}


ROAD = ("municipality_code", "road_code", "short_street_name", "supplementary_town", "postal_code")
