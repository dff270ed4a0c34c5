"""The benchmark of hostile clients, and the frames that it and the tests make by hand."""

import socket
import sys
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import hostile
from attacks import CLOSED, MADE, REFUSED, attacks, carry_out
from frames import ACK, DATA, PING, SETTINGS, WINDOW_UPDATE, Connection, Frame, _length, frame
from serving import make_site

ATTACKS = attacks(b"batch")


def decoded(data):
    """An HPACK length of seven bits, by the words of RFC 7541, section 5.1."""
    if data[0] < 127:
        return data[0]
    number = 127
    for place, byte in enumerate(data[1:]):
        number += (byte & 127) << (7 * place)
    return number


@given(st.integers(0, 2**20))
def test_lengths_of_headers_are_written_as_they_are_read(number):
    assert decoded(_length(number)) == number


@given(
    st.lists(
        st.tuples(st.integers(20, 99), st.integers(0, 255), st.integers(0, 99), st.binary(max_size=99)), max_size=9
    )
)
def test_frames_are_read_as_they_were_made_however_they_come(made):
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        one = Connection(ours)
        theirs.sendall(b"".join(frame(*each) for each in made))
        theirs.close()
        while one.read(1):
            pass
        assert one.is_closed
        assert one.frames == [Frame(*each) for each in made]


def test_a_connection_keeps_to_its_windows_and_answers_housekeeping():
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        one = Connection(ours)
        theirs.sendall(frame(SETTINGS, 0, 0, b"\0\4\0\0\0\x0a") + frame(PING, 0, 0, b"12345678"))
        one.read(1)
        assert one.settings == {4: 10}
        one.call(1, "ResolveStream")
        rest = one.send(1, memoryview(bytes(99)))
        assert len(rest) == 89
        assert len(one.send(1, rest)) == 89
        theirs.sendall(frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\5"))
        one.read(1)
        assert len(one.send(1, rest)) == 84
        theirs.settimeout(1)
        said = theirs.recv(1 << 16)
        assert said.startswith(frame(SETTINGS, ACK, 0) + frame(PING, ACK, 0, b"12345678"))
        assert said.endswith(frame(DATA, 0, 1, bytes(10)) + frame(DATA, 0, 1, bytes(5)))


@pytest.mark.parametrize("name", ["10,000 idle streams, one connection", "noise", "pings"])
def test_an_attack_tells_what_became_of_it(running_server, name):
    told = carry_out(ATTACKS[name], running_server.target, 2)
    assert told[MADE] >= 1
    assert told[CLOSED] <= told[MADE]
    assert told[REFUSED] or name != "10,000 idle streams, one connection"


def test_the_benchmark_runs_and_tells_of_every_attack(tmp_path, monkeypatch):
    few = {name: ATTACKS[name] for name in ("noise", "10,000 idle streams of strangers")}
    monkeypatch.setattr(hostile, "attacks", lambda _batch: few)
    site = make_site(200, 1, tmp_path / "site")
    words = ["--seconds", "1", "--mailboxes", "200", "--snapshot", str(site.snapshot), "--keys", str(site.keys)]
    done = CliRunner().invoke(hostile.main, [*words, "--out", str(tmp_path / "hostile.md")])
    assert done.exit_code == 0, done.output
    lines = (tmp_path / "hostile.md").read_text(encoding="utf-8").splitlines()
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines if line.startswith("| ")][2:] == list(few)
