"""Danish names with their rough frequencies.

What belongs here: lists in falling order of frequency, and how one is drawn. The lists are made for this
project; a name's weight falls with its place.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

FEMALE = (
    "Anne Mette Kirsten Hanne Anna Helle Susanne Lene Maria Marianne Inge Karen Lone Camilla Pia Bente Louise "
    "Charlotte Jette Tina Gitte Christina Emma Ida Birgit Freja Line Julie Laura Mathilde Sofie Maja Signe Katrine "
    "Cecilie Clara Alma Karla Ella Nora Josefine Frida Ellen Agnes Asta Liva Åse Aase Dorthe Ulla Britta Lis Ruth "
    "Else Kirstine Margrethe Ingrid Astrid Solveig Trine Stine Rikke Heidi Malene Tove Vibeke Birthe Rigmor Gudrun "
    "Thyra Æva Øllegård Bodil Sørine Märta Zoë Renée Anne-Marie Ann-Sofie Anne-Mette Rose-Marie Lise-Lotte Fatima "
    "Aisha Maryam Zeynep Elif Olga Katarzyna Agnieszka Nguyen Layla Hodan Iman Svetlana Małgorzata"
).split()
MALE = (
    "Peter Jens Michael Lars Thomas Henrik Søren Christian Martin Jan Niels Anders Morten Jesper Hans Per Ole Mads "
    "Erik Jørgen Rasmus Kim Frederik Bent Carsten Poul Emil Noah William Oscar Lucas Carl Valdemar August Victor "
    "Malthe Alfred Oliver Magnus Mikkel Kasper Jakob Jacob Simon Jonas Tobias Sebastian Kristian Bjarne Kurt Svend "
    "Åge Aage Børge Torben Flemming Steen Finn Knud Viggo Egon Villy Ebbe Troels Bjørn Asbjørn Jørn Ørn Ærø Håkon "
    "Tør Gøran Jürgen André Hans-Jørgen Jens-Peter Karl-Erik Poul-Erik Hans-Christian Mohammed Ahmed Ali Omar "
    "Hassan Mehmet Mustafa Ibrahim Yusuf Piotr Tomasz Łukasz Dragan Minh Abdi Vladimir"
).split()
MIDDLE = (
    "Marie Elisabeth Christine Elkjær Kjær Holm Bruun Østergaard Lykke Sofie Skov Bak Krogh Winther Dahl Kirk Bang "
    "Vestergaard Juul Friis Lund Peter Emil Louis Valdemar Bødker Lindegaard Maj Hedegaard Grøn Nørskov Aagaard "
    "Ågård"
).split()
LAST = (
    "Nielsen Jensen Hansen Andersen Pedersen Christensen Larsen Sørensen Rasmussen Jørgensen Petersen Madsen "
    "Kristensen Olsen Thomsen Christiansen Poulsen Johansen Møller Mortensen Knudsen Jakobsen Jacobsen Mikkelsen "
    "Olesen Frederiksen Laursen Henriksen Lund Schmidt Eriksen Holm Kristiansen Clausen Simonsen Svendsen Andreasen "
    "Iversen Østergaard Jeppesen Mogensen Jespersen Nissen Lauridsen Frandsen Jepsen Kjær Vestergaard Villadsen "
    "Bertelsen Nørgaard Dahl Bach Gregersen Bruun Søndergaard Lorenzen Friis Kjeldsen Winther Aagaard Ågård Bang "
    "Carlsen Bak Steffensen Toft Krogh Gade Hermansen Skov Enevoldsen Overgaard Damgaard Kofoed Ravn Buch Dam Hald "
    "Juhl Riis Kragh Lassen Brandt Thygesen Bendtsen Krøyer Ærenlund Öberg Hjorth-Nielsen Lund-Madsen Müller Ali "
    "Ahmed Nguyen Yilmaz Kowalski Nowak Hussein Demir Ibrahim Khan Petrović Ivanova O'Brien"
).split()


def _cumulated(names: list[str]) -> list[float]:
    return list(accumulate(1 / (place + 8) for place in range(len(names))))


_WEIGHTS = {id(names): _cumulated(names) for names in (FEMALE, MALE, MIDDLE, LAST)}
_HALF, _MIDDLE_NAME, _SECOND_FIRST_NAME = 0.5, 0.35, 0.08


def draw(rng: Random, names: list[str]) -> str:
    """Draw a name from one of the lists, the earlier the likelier."""
    return rng.choices(names, cum_weights=_WEIGHTS[id(names)])[0]


def draw_first_names(rng: Random) -> str:
    """Draw a first name, sometimes two, with middle names as people have them."""
    names = FEMALE if rng.random() < _HALF else MALE
    given = draw(rng, names)
    chance = rng.random()
    if chance < _SECOND_FIRST_NAME:
        return f"{given} {draw(rng, names)}"
    return f"{given} {draw(rng, MIDDLE)}" if chance < _MIDDLE_NAME else given
