"""Following many changes at once beside following them one by one, in all that an overlay holds."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from overlay_events import (
    HOUSES,
    NAMES,
    PEOPLE,
    TIMES,
    claims,
    crowd,
    dice_of,
    follow_many,
    follow_one_by_one,
    random_event,
    settled,
)
from overlay_nursery import BASE, EXPORTED, KEY, WINDOW, Register

from change_messages import ANN, BO, IDA, person
from resolver_grpc.changes import kept_owners, key_table, new_columns
from resolver_grpc.changes.compiled import LeavingAll, afters_plainly, find_following, following
from resolver_grpc.changes.holding import holding_plainly
from resolver_grpc.changes.log_sealing import read_entry
from resolver_grpc.changes.overlaid_index import OverlaidIndex
from resolver_grpc.changes.overlay import Overlay
from resolver_grpc.changes.packed_owner import HEAD, SPAN, TOLD
from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.lmdb_index import LmdbIndex
from resolver_grpc.index.writer import write_index
from resolver_grpc.times import parse_time

COMPILED = find_following()
pytestmark = pytest.mark.skipif(COMPILED is None, reason="this installation has no compiled modules")

INSTANTS = [EXPORTED, *map(parse_time, TIMES), parse_time("2026-11-02"), parse_time("2027-02-01")]


def compiled(register):
    return Overlay(register.overlay.below, KEY.index_keys, WINDOW, BASE)


def plain(register, patch):
    """The overlay of an installation without compiled modules."""
    patch.setattr(kept_owners, "packed_owners", list)
    patch.setattr(kept_owners, "holding_at", holding_plainly)
    patch.setattr("resolver_grpc.changes.overlay.following", LeavingAll)
    overlay = compiled(register)
    assert overlay.follow_many([after for after, _, _ in register.laid]) == 0
    return overlay


def keys_in(table):
    places = (bytes(part[at : at + 20]) for part in table.parts for at in range(0, len(part), 20))
    return {place[:16]: table.get(place[:16]) for place in places if place[16:] != b"\xff" * 4}


def whole(overlay):
    """All that an overlay holds."""
    kept, facts, columns = overlay.kept, overlay.facts, overlay.columns
    past = kept.owners - overlay.below.owners
    return {
        "version": overlay.version,
        "owners": [overlay.packed(ordinal) for ordinal in range(overlay.owners)],
        "places": [bytes(kept.places), kept.new_places],
        "names": kept.names.names,
        "keys": keys_in(overlay.table),
        "counts": overlay.table.counts,
        "homes": (keys_in(overlay.homes), overlay.home_count),
        "columns": (columns.numbers[: 10 * past], columns.address_numbers[: 4 * past], columns.room),
        "renumbered": overlay.renumbered,
        "touched": facts.touched,
        "held": {fact: set(one) for fact, one in enumerate(facts.held) if one},
        "altered": facts.altered,
        "coming": sorted(facts.coming),
        "instants": (facts.start, facts.instant, facts.known_until),
    }


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 32), st.booleans())
def test_many_at_once_come_to_the_same_as_one_by_one(seed, are_small):
    """Asked at instants before and after each other, or not at all; memory is moved again and again in some."""
    dice = dice_of(seed)
    with pytest.MonkeyPatch.context() as patch:
        if are_small:
            patch.setattr(new_columns, "_FEWEST", 1)
            patch.setattr(key_table, "_FEWEST", 2)
        register = Register(*crowd(dice))
        for _ in range(40):
            for name, number, time, fields in random_event(dice, PEOPLE):
                register.take(name, number, time, **fields)
        many, single = compiled(register), plain(register, patch)
        cuts = sorted({0, len(register.laid), *(dice.randrange(len(register.laid)) for _ in range(4))})
        are_asked = dice.random() < 0.8
        for begin, end in pairwise(cuts):
            follow_many(many, register.laid[begin:end])
            follow_one_by_one(single, register.laid[begin:end])
            assert whole(many) == whole(single)
            instant = dice.choice(INSTANTS)
            for overlay in (many, single) if are_asked else ():
                OverlaidIndex(overlay).facts_at(instant)
            assert whole(many) == whole(single)


def mix(register):
    """Moves to homes old and new, consents, logins, relations and closings of half a dozen; some of one owner twice."""
    for place, number in enumerate(PEOPLE[:6]):
        record = {"person": person(full_name=NAMES[place % 4], house_number=str(12 + place))}
        register.take("logged_in", number, TIMES[0])
        register.take("moved", number, TIMES[1], **record)
        register.take("bound", number, TIMES[2], sender_id=f"power {place}")
        register.take("opted_out", number, TIMES[3], sender_id="town")
    register.take("mailbox_closed", PEOPLE[1], TIMES[4])


@pytest.mark.parametrize("is_asked", [False, True])
def test_usual_changes_are_all_taken_at_once(is_asked, monkeypatch):
    before = [event for number in PEOPLE[:6] for event in settled(number, "Ann Bo", "12")]
    register = Register(*before)
    mix(register)
    many, single = compiled(register), plain(register, monkeypatch)
    for overlay in (many, single) if is_asked else ():
        OverlaidIndex(overlay).facts_at(parse_time(TIMES[1]))
    assert many.follow_many([after for after, _, _ in register.laid]) == len(register.laid) == 25
    follow_one_by_one(single, register.laid)
    assert whole(many) == whole(single)


@pytest.mark.parametrize("is_checked", [False, True])
def test_what_a_file_has_under_a_key_is_what_its_index_finds(is_checked, tmp_path, monkeypatch):
    """Owners alone, several and nobody under a key, in pages that were checked before and in others."""
    before = [event for number in PEOPLE[:6] for event in settled(number, "Ann Bo", "12")]
    register = Register(*before, *settled(PEOPLE[6], NAMES[1], "13"))
    mix(register)
    write_index(tmp_path / "index.lmdb", register.content, bytes(range(32)), bytes(16))
    index = LmdbIndex(tmp_path / "index.lmdb", bytes(range(32)), bytes(16))
    if is_checked:
        index.touch()
    many, single = Overlay(index, KEY.index_keys, WINDOW, BASE), plain(register, monkeypatch)
    afters = [after for after, _, _ in register.laid]
    assert many.follow_many(afters) == len(afters)
    follow_one_by_one(single, register.laid)
    assert whole(many) == whole(single)
    index.close()
    with pytest.raises(SnapshotError, match="closed"):
        many.follow_many(afters)


def test_what_is_not_usual_is_left_where_it_stands():
    """A claim, what nothing was worked out for, and an owner who is not there yet."""
    register = Register(*settled(ANN, "Ann Bo", "12"), *settled(BO, "Bo Dam", "12"))
    register.take("logged_in", ANN, TIMES[0])
    for name, number, time, fields in claims(BO, "bo@post.dk", TIMES[0]):
        register.take(name, number, time, **fields)
    register.take("mailbox_opened", IDA, TIMES[0])
    overlay = compiled(register)
    afters = [after for after, _, _ in register.laid]
    assert overlay.follow_many(afters) == 2
    assert overlay.follow_many(afters, 2) == 0
    assert overlay.version == 2
    follow_one_by_one(overlay, register.laid[2:])
    assert whole(overlay)["owners"] == whole(register.overlay)["owners"]


def test_over_another_snapshot_or_after_another_count_of_changes_nothing_is_taken():
    register = Register(*settled(ANN, "Ann Bo", "12"))
    register.take("logged_in", ANN, TIMES[0])
    register.take("logged_in", ANN, TIMES[1])
    other = Overlay(register.overlay.below, KEY.index_keys, WINDOW, b"another snapshot")
    nameless = Overlay(register.overlay.below, KEY.index_keys, WINDOW)
    (first, _, _), (second, _, _) = register.laid
    assert [one.follow_many([first]) for one in (other, nameless)] == [0, 0]
    overlay = compiled(register)
    assert [overlay.follow_many([one]) for one in (second, first, first, second)] == [0, 1, 0, 1]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_whatever_the_bytes_nothing_outside_is_read(data):
    """Cut off, or with bytes changed behind the snapshot's name: taken or not, or refused by an error of Python's."""
    register = Register(*settled(ANN, "Ann Bo", HOUSES[0]), *settled(BO, "Bo Dam", HOUSES[0]))
    mix(register)
    overlay = compiled(register)
    OverlaidIndex(overlay).facts_at(EXPORTED)
    for after, _, _ in register.laid:
        bad = bytearray(after[: data.draw(st.integers(8, len(after)))])
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(8, len(bad)))
            bad[at : at + 1] = data.draw(st.binary(min_size=1, max_size=1)) if at < len(bad) else b""
        try:
            taken = overlay.follow_many([bytes(bad)])
        except (UnicodeDecodeError, IndexError):
            return
        assert taken in (0, 1)


def packed_owners():
    """Owners of any shape, and bytes that are none."""
    small = st.integers(0, 3) | st.sampled_from([0xFFFF_FFFF, 0x0102_0304])
    facts = st.integers(0, 70) | st.sampled_from([47, 48, 4143, 4144, 0xFFFF])
    number = st.sampled_from([b"0101704001", b"10000033", b"\0" * 10, b":/01704001"])
    keys = st.lists(st.binary(min_size=16, max_size=16), max_size=3)
    text = '{"home":[["0751","1234"],["vestergade"],"8000","","12","3","tv"],"names":["ann","s\u00f8"],"claimed":7}'
    texts = [b"", text.encode(), b'{"email_address":"ann@post.dk"}', b"\x01\x1f", b'"],"names":[']
    rests = st.sampled_from(texts) | st.binary()
    heads = st.tuples(small, small, number, small, small, st.integers(0, 255), st.integers(0, 300))
    spans = st.lists(st.tuples(facts, small, small), max_size=4) | st.just([(1, 0, 0xFFFF_FFFF)] * 300)
    told = st.lists(st.tuples(facts, small), max_size=3)
    owner = st.builds(_packed, heads, spans, told, told, keys, rests)
    return owner | st.binary(max_size=80) | st.sampled_from([bytes(36), b"\xff" * 37, b"x" * 4_095, b"y" * 70_000])


def _packed(head, spans, ended, stated, keys, rest):
    parts = [SPAN.pack(*one) for one in spans] + [TOLD.pack(*one) for one in (*ended, *stated)]
    return b"".join([HEAD.pack(*head, len(spans), len(ended), len(stated), len(keys)), *parts, *keys, rest])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), packed_owners()), max_size=40))
def test_packed_owners_are_a_list(steps):
    """They come out as they went in, whatever they are and however often they are rewritten."""
    owners, wanted = COMPILED.PackedOwners(), []
    for place, packed in steps:
        if place < len(wanted):
            owners[place] = wanted[place] = packed
        else:
            owners.append(packed)
            wanted.append(packed)
        assert len(owners) == len(wanted)
    assert list(owners) == wanted
    for place in (-1, len(wanted)):
        with pytest.raises(IndexError, match="no owner is kept there"):
            owners[place]


def test_an_owner_is_kept_in_less_room_than_its_bytes():
    register = Register(*settled(ANN, "Ann Bo", "12"))
    register.take("moved", ANN, TIMES[0], person=person(full_name="Ann Dam", house_number="14"))
    owners, packed = COMPILED.PackedOwners(), register.overlay.packed(0)
    owners.append(packed)
    assert 8 * owners.units[0] < 0.75 * len(packed)


def test_what_owners_leave_who_are_rewritten_is_used_again_or_gathered():
    """A thousand grow over and over, all together, so that nobody needs what another one left."""
    owners = COMPILED.PackedOwners()
    for _ in range(1_000):
        owners.append(b"x" * 100)
    for size in range(100, 4_000, 100):
        for place in range(1_000):
            owners[place] = bytes([size % 251]) * size
    used, waste = owners.units
    assert used - waste == 1_000 * -(-3_901 // 8)
    assert waste < 0.5 * used
    assert {bytes(one) for one in owners} == {bytes([3_900 % 251]) * 3_900}


@given(st.lists(st.tuples(st.lists(st.binary(min_size=16, max_size=16), max_size=3), st.binary(), st.binary())))
def test_what_was_worked_out_is_found_in_entries_as_they_are_read(entries):
    plains = [
        len(keys).to_bytes(2, "big") + b"".join(keys) + len(after).to_bytes(2, "big") + after + content
        for keys, after, content in entries
    ]
    assert COMPILED.afters_in(plains) == afters_plainly(plains) == [after for _, after, _ in entries]
    assert [read_entry(1, plain)[1:] for plain in plains] == [
        (content, tuple(keys), after) for keys, after, content in entries
    ]


@pytest.mark.parametrize("plain", [b"", b"\0", bytes(3), b"\0\1" + bytes(15), b"\0\0\0\1", b"\xff\xff" + bytes(40)])
def test_an_entry_that_is_shorter_than_it_says_is_refused(plain):
    with pytest.raises(ValueError, match="shorter than it says"):
        COMPILED.afters_in([plain])


def test_the_compiled_way_is_the_one_that_is_used():
    assert following is COMPILED.Following
