"""The senders' file is taken whole or not at all (domain rules, section 6)."""

import re
from pathlib import Path

import pytest

from resolver_grpc.errors import ConfigurationError
from resolver_grpc.model import Kind, Limits, Route, SenderClass
from resolver_grpc.server.senders import read_senders

SOUND = """
[[senders]]
id = "power"
name = "Power A/S"
cvr = "13585628"
class = "PRIVATE"
terms_consent = true
hold = true
fallback = "LETTER"
kinds = ["FULL_NAME", "CPR"]

[[senders]]
id = "town"
name = "The Town"
cvr = "61126228"
class = "PUBLIC"
kinds = []
"""


def senders_of(tmp_path, text):
    file = tmp_path / "senders.toml"
    file.write_text(text, encoding="utf-8")
    return read_senders(file)


def test_senders_are_read_by_their_id(tmp_path):
    senders = senders_of(tmp_path, SOUND)
    power, town = senders["power"], senders["town"]
    assert (power.sender_class, power.mandatory, power.terms_consent, power.hold) == (
        SenderClass.PRIVATE,
        False,
        True,
        True,
    )
    assert (power.fallback, power.kinds) == (Route.LETTER, {Kind.FULL_NAME, Kind.CPR})
    assert (town.sender_class, town.fallback, town.kinds) == (SenderClass.PUBLIC, Route.REJECT, frozenset())


def test_budgets_are_read_and_have_defaults(tmp_path):
    text = SOUND.replace("hold = true", "daily_misses = 7\nqueries_per_second = 1_000_000_000")
    senders = senders_of(tmp_path, text)
    assert senders["power"].limits == Limits(daily_misses=7, queries_per_second=1_000_000_000)
    assert senders["town"].limits == Limits()


def test_a_public_sender_is_always_mandatory(tmp_path):
    assert senders_of(tmp_path, SOUND)["town"].mandatory
    with pytest.raises(ConfigurationError, match="sender 2: `mandatory` is false, but a PUBLIC"):
        senders_of(tmp_path, SOUND.replace('class = "PUBLIC"', 'class = "PUBLIC"\nmandatory = false'))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[[senders]]", "[[sender]]", r"holds no \[\[senders\]\]"),
        (SOUND, "", r"holds no \[\[senders\]\]"),
        (SOUND, "senders = [1]", "sender 1: is no table"),
        ('id = "power"', "", "sender 1: `id` is missing"),
        ('id = "power"', 'id = "a/b"', "sender 1: `id` is not"),
        ('id = "power"', "id = 7", "sender 1: `id` is not a text"),
        ('id = "town"', 'id = "power"', "sender 2: its id stands twice"),
        ('name = "Power A/S"', 'name = " "', "sender 1: `name` is not a text"),
        ('cvr = "13585628"', 'cvr = "13585629"', "sender 1: `cvr` is not a CVR number"),
        ('class = "PRIVATE"', 'class = "private"', "sender 1: `class` is none of PUBLIC, PRIVATE"),
        ("hold = true", "hold = 1", "sender 1: `hold` is neither true nor false"),
        ("hold = true", "holds = true", "sender 1: `holds` is not known"),
        ('fallback = "LETTER"', 'fallback = "HOLD"', "sender 1: `fallback` is none of REJECT, LETTER"),
        ('kinds = ["FULL_NAME", "CPR"]', 'kinds = "CPR"', "sender 1: `kinds` is not a list"),
        ('kinds = ["FULL_NAME", "CPR"]', 'kinds = ["UNSPECIFIED"]', "sender 1: `kinds` is not a list"),
        ("hold = true", "hold = yes", "not a TOML file"),
        ("hold = true", "daily_misses = 0", "sender 1: `daily_misses` is not a whole number from 1 to 1,000,000,000"),
        ("hold = true", "daily_addresses = 2.5", "sender 1: `daily_addresses` is not a whole number"),
        ("hold = true", "queries_per_second = true", "sender 1: `queries_per_second` is not a whole number"),
        ("hold = true", "queries_per_second = 1_000_000_001", "sender 1: `queries_per_second` is not a whole number"),
    ],
)
def test_a_file_that_is_not_sound_is_refused_with_sender_and_key(tmp_path, old, new, sentence):
    with pytest.raises(ConfigurationError, match=rf"senders\.toml: {sentence}"):
        senders_of(tmp_path, SOUND.replace(old, new))


def test_the_example_of_the_documentation_is_taken_and_states_the_defaults(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    (example,) = (one for one in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "[[senders]]" in one)
    assert senders_of(tmp_path, example)["nordkraft"].limits == Limits()
    assert all(name in example for name in Limits._fields)


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="can't be read"):
        read_senders(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="not a TOML file in UTF-8"):
        read_senders(tmp_path / "bytes.toml")
