"""Text, names, streets and towns in canonical form (domain rules, section 4)."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.canonical.names import canonical_name_words
from resolver_grpc.canonical.street import ABBREVIATIONS, canonical_street, canonical_town
from resolver_grpc.canonical.text import fold_text

DANISH = st.text("abcdeghostvÅåÆæØøÄäÖöÜüÉé -.’',/0123456789\u0301\u030a\u0308\u2010\u2212\u00a0")


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Aarhus", "aarhus"),
        ("Århus", "aarhus"),
        ("A\u030arhus", "aarhus"),
        ("ÆRØ", "aeroe"),
        ("Ärö", "aeroe"),
        ("Ǻ Ǽ Ǿ", "aa ae oe"),
        ("ö\u0301", "oe"),
        ("O\u0301\u0308", "oe"),
        ("Renée Müller", "renee muller"),
        ("Ö. Skt\u2013Pauls\u2212Gade", "oe. skt-pauls-gade"),
        ("\uff27\uff4c \ufb01n", "gl fin"),
        ("Straße", "strasse"),
        ("  a \t b\u00a0\u2003c\n", "a b c"),
        ("", ""),
        (" \u00a0 ", ""),
    ],
)
def test_text_is_folded_as_the_rules_say(text, folded):
    assert fold_text(text) == folded


def test_folding_is_idempotent_and_blind_to_composition_for_every_character():
    for code in range(sys.maxunicode + 1):
        if 0xD800 <= code < 0xE000:
            continue
        char = chr(code)
        folded = fold_text(char)
        assert fold_text(folded) == folded, hex(code)
        assert fold_text(unicodedata.normalize("NFD", char)) == folded, hex(code)


@given(st.one_of(st.text(), DANISH))
def test_folding_is_idempotent(text):
    folded = fold_text(text)
    assert fold_text(folded) == folded
    assert "  " not in folded
    assert folded == folded.strip()
    assert "\x1f" not in folded


@given(st.one_of(st.text(), DANISH))
def test_folding_does_not_see_how_accents_are_composed(text):
    assert fold_text(unicodedata.normalize("NFD", text)) == fold_text(unicodedata.normalize("NFC", text))


@given(st.text(st.characters(max_codepoint=127)))
def test_the_short_way_of_ascii_gives_what_the_long_way_gives(text):
    """A composed letter in front sends the same text the long way."""
    assert fold_text("å " + text) == f"aa {fold_text(text)}".strip()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Paul Peter Parslee Smith", ["paul", "peter", "parslee", "smith"]),
        ("Anne-Marie O'Brien", ["anne-marie", "obrien"]),
        ("anne\u2010marie O\u2019Brien", ["anne-marie", "obrien"]),
        ("Hans Chr. Ø. Ærø", ["hans", "chr", "oe", "aeroe"]),
        ("Jensen, Bo", ["jensen", "bo"]),
        (". ' , ’ Bo", ["bo"]),
        ("...", []),
        ("", []),
    ],
)
def test_names_come_apart_into_words(name, words):
    assert canonical_name_words(name) == words


@given(st.one_of(st.text(), DANISH))
def test_words_of_a_name_are_idempotent(name):
    words = canonical_name_words(name)
    assert canonical_name_words(" ".join(words)) == words
    assert all(words)


@pytest.mark.parametrize(
    ("spellings", "canonical"),
    [
        (("Vester Gade", "vestergade", "Vester-gade", "VESTERGADE", "Vester\u2013 gade"), "vestergade"),
        (("Gl. Kongevej", "Gl Kongevej", "Gammel Kongevej"), "gammelkongevej"),
        (("Skt. Pauls Gade", "Sct Pauls gade", "Sankt Pauls Gade"), "sanktpaulsgade"),
        (("Ndr. Fasanvej", "Nordre Fasanvej"), "nordrefasanvej"),
        (("Sdr. Boulev.", "Sdr. Blvd", "Søndre Boulevard"), "soendreboulevard"),
        (("Kgs. Nytorv", "Kongens Nytorv"), "kongensnytorv"),
        (("Kpt. Bos Vej", "Kaptajn Bos Vej"), "kaptajnbosvej"),
        (("Borgm Christiansensg", "Borgmester Christiansensg"), "borgmesterchristiansensg"),
        (("H.C. Andersens Vej", "H C Andersens Vej", "HC Andersens Vej"), "hcandersensvej"),
        (("Dr. Margrethes Vej",), "drmargrethesvej"),
        (("Nr. Søgade",), "nrsoegade"),
        (("St. Kannikestræde",), "stkannikestraede"),
        (("Gl",), "gl"),
        (("10. Februar Vej",), "10februarvej"),
        ((" ", "-", "…", ""), ""),
    ],
)
def test_spellings_of_a_street_meet(spellings, canonical):
    assert {canonical_street(spelling) for spelling in spellings} == {canonical}


@given(st.one_of(st.text(), DANISH, st.lists(st.sampled_from([*ABBREVIATIONS, "vej", "-", "."])).map(" ".join)))
def test_streets_and_towns_are_idempotent(name):
    assert canonical_street(canonical_street(name)) == canonical_street(name)
    assert canonical_town(name) == canonical_street(name)


@given(st.lists(st.sampled_from(["gammel", "vester", "torv", "å", "gl"]), min_size=2), st.sampled_from(" -.,/"))
def test_a_street_does_not_depend_on_what_separates_its_words(words, separator):
    assert canonical_street(separator.join(words)) == canonical_street(" ".join(words))
