"""Requests taken apart into fields, changed in one place or a few, and put together again.

A message is a list of fields, a field is (number, wire type, content), and the queries of a request are messages
themselves. Few changes to what is right keep most requests nearly valid.
"""

from __future__ import annotations

from hypothesis import strategies as st

from resolver_grpc.v1.query_pb2 import Query

VARINT, EIGHT, LENGTH, GROUP, END, FOUR = 0, 1, 2, 3, 4, 5
QUERIES = 4
NOT_UTF8 = [
    b"\xff",
    b"\xc3",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\x80",
    b"\xc3\x28",
    b"\xe2\x82",
    b"\xc5\xc5",
]
TEXTS = [field.number for field in Query.DESCRIPTOR.fields if field.type == field.TYPE_STRING]


def varint(value, surplus=0):
    """A number as the wire has it, with so many bytes more than it needs."""
    written = bytearray()
    while value >= 0x80 or surplus:
        written.append(value & 0x7F | 0x80)
        value >>= 7
        if not value and surplus:
            written += b"\x80" * (surplus - 1)
            break
    written.append(value)
    return bytes(written)


def encode(fields):
    """The bytes of a message; a content that is bytes already stands as it is written."""
    return b"".join(field if isinstance(field, bytes) else _encode(*field) for field in fields)


def _encode(number, wire_type, content, surplus=0):
    tag = varint(number << 3 | wire_type)
    if wire_type == LENGTH:
        body = encode(content) if isinstance(content, list) else content
        return tag + varint(len(body), surplus) + body
    if wire_type == VARINT:
        return tag + varint(content, surplus)
    return tag + content


def fields_of(query):
    """A query's fields, as a library writes them."""
    fields = []
    for descriptor, value in query.ListFields():
        if isinstance(value, (int, bool)):
            fields.append((descriptor.number, VARINT, int(value)))
        else:
            fields.append((descriptor.number, LENGTH, value if isinstance(value, bytes) else value.encode()))
    return fields


UNKNOWN = st.sampled_from(
    [
        (18, VARINT, 5),
        (18, LENGTH, b"hi"),
        (20, EIGHT, bytes(8)),
        (20, FOUR, bytes(4)),
        b"\xa3\x01\x0a\x01r\xa4\x01",  # a group with a field in it
        b"\xa3\x01",  # one that does not end
        b"\xa4\x01",  # the end of none
        b"\xa3\x01\xac\x01",  # the end of another
        b"\x0b\x0c",  # a group in place of a text
        b"\xa6\x01",  # wire types that there are not
        b"\xa7\x01",
        b"\x00",  # field 0
        b"\x02\x00",
        (2**29 - 1, LENGTH, b""),
        b"\xfa\xff\xff\xff\x1f\x00",  # a field number past the highest
        b"\xa3\x01" * 99 + b"\xa4\x01" * 99,
        b"\xa3\x01" * 101 + b"\xa4\x01" * 101,
    ]
)
SURPLUS = st.integers(1, 10)


def _spoilt(draw, content):
    at = draw(st.integers(0, len(content)))
    return content[:at] + draw(st.sampled_from(NOT_UTF8)) + content[at:]


def double(draw, fields, at):
    return [*fields, fields[at]]


def double_otherwise(draw, fields, at):
    other = draw(st.sampled_from([field for field in fields if not isinstance(field, bytes)]))
    return [*fields[:at], (fields[at][0], *other[1:3]), *fields[at:]]


def drop(draw, fields, at):
    return fields[:at] + fields[at + 1 :]


def reorder(draw, fields, at):
    return draw(st.permutations(fields))


def add_unknown(draw, fields, at):
    return [*fields[:at], draw(UNKNOWN), *fields[at:]]


def lengthen_number(draw, fields, at):
    return [*fields[:at], (*fields[at][:3], draw(SURPLUS)), *fields[at + 1 :]]


def lengthen_tag(draw, fields, at):
    written = encode([fields[at]])
    tag = varint(fields[at][0] << 3 | fields[at][1])
    longer = varint(fields[at][0] << 3 | fields[at][1], draw(st.integers(1, 4)))
    return [*fields[:at], longer + written[len(tag) :], *fields[at + 1 :]]


def change_wire_type(draw, fields, at):
    number, _, content = fields[at][:3]
    wire_type = draw(st.sampled_from([VARINT, EIGHT, LENGTH, FOUR]))
    made = {VARINT: 1, EIGHT: bytes(8), FOUR: bytes(4)}.get(wire_type, content if isinstance(content, bytes) else b"\1")
    return [*fields[:at], (number, wire_type, made), *fields[at + 1 :]]


def empty(draw, fields, at):
    number, wire_type, content = fields[at][:3]
    return [*fields[:at], (number, wire_type, type(content)()), *fields[at + 1 :]]


def set_number(draw, fields, at):
    number = draw(st.sampled_from([0, 1, 2, 7, 8, 127, 128, 2**31, 2**32 - 1, 2**32 + 1, 2**63, 2**64 - 1]))
    return [*fields, (draw(st.sampled_from([2, 17, 3, 12])), VARINT, number)]


def add_default(draw, fields, at):
    number = draw(st.integers(1, 17))
    return [*fields[:at], (number, VARINT, 0) if number in {2, 17} else (number, LENGTH, b""), *fields[at:]]


def add_text(draw, fields, at):
    content = draw(st.sampled_from([b" ", b"x", b"Ann", b"8000", b"x" * 255, b"x" * 256, *NOT_UTF8]))
    return [*fields[:at], (draw(st.sampled_from([*TEXTS, 16])), LENGTH, content), *fields[at:]]


def spoil_text(draw, fields, at):
    number, wire_type, content = fields[at][:3]
    if not isinstance(content, bytes):
        return add_text(draw, fields, at)
    return [*fields[:at], (number, wire_type, _spoilt(draw, content)), *fields[at + 1 :]]


def reach_past_the_end(draw, fields, at):
    number = draw(st.sampled_from(TEXTS))
    return [*fields, varint(number << 3 | LENGTH) + varint(draw(st.sampled_from([1, 127, 128, 2**31, 2**63])))]


CHANGES = [
    double,
    double_otherwise,
    drop,
    reorder,
    add_unknown,
    lengthen_number,
    lengthen_tag,
    change_wire_type,
    empty,
    set_number,
    add_default,
    add_text,
    spoil_text,
    reach_past_the_end,
]


def changed(draw, fields):
    """Fields after one change; what cannot be changed so stays as it is."""
    change = draw(st.sampled_from(CHANGES))
    whole = [number for number, field in enumerate(fields) if not isinstance(field, bytes)]
    if not whole:
        return add_unknown(draw, fields, 0)
    return change(draw, fields, draw(st.sampled_from(whole)))


def bytes_changed(draw, data):
    """Bytes after one change that knows nothing of fields: cut off, a bit flipped, a byte more or less."""
    at = draw(st.integers(0, max(0, len(data) - 1)))
    match draw(st.sampled_from(["cut", "flip", "insert", "delete", "swap"])):
        case "cut":
            return data[:at]
        case "flip" if data:
            return data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]
        case "insert":
            return data[:at] + draw(st.binary(min_size=1, max_size=2)) + data[at:]
        case "delete":
            return data[:at] + data[at + 1 :]
    other = draw(st.integers(0, max(0, len(data) - 1)))
    first, second = sorted((at, other))
    return data[second:] + data[first:second] + data[:first]


@st.composite
def rows(draw, messages, most_changes=3):
    """The bytes of one query: as a library writes it, after some changes."""
    fields = fields_of(draw(st.sampled_from(messages)))
    for _ in range(draw(st.integers(0, most_changes))):
        fields = changed(draw, fields)
    row = encode(fields)
    return bytes_changed(draw, row) if draw(st.sampled_from([False] * 11 + [True])) else row


@st.composite
def requests(draw, messages, sender_ids):
    """The bytes of a request of some rows, few of them changed, or of which the request's own fields are."""
    fields = [(1, LENGTH, draw(st.sampled_from(sender_ids)).encode())]
    if draw(st.booleans()):
        fields.append((2, LENGTH, draw(st.sampled_from([b"", *[b"shipment", "æ".encode()] * 6, *NOT_UTF8[:3]]))))
    if draw(st.booleans()):
        fields.append((3, VARINT, draw(st.sampled_from([*[1] * 8, 0, 2]))))
    made = draw(st.lists(rows(messages, 1), max_size=4))
    fields += [(QUERIES, LENGTH, row) for row in made]
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
        fields = changed(draw, fields)
    request = encode(fields)
    return bytes_changed(draw, request) if draw(st.sampled_from([False] * 8 + [True])) else request
