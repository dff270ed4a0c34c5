"""Recipes: which fields a query of some kind and form has, and of which of their words its key is made.

The kernel runs them without knowing what they mean. A query that fits none goes the plain way. What belongs here is
data alone; each recipe says in steps what ``canonical/query.py`` and ``keys.py`` say of the same fields in functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, unique
from itertools import product
from typing import Final, TypeAlias

from resolver_grpc.fastpath import folds
from resolver_grpc.keys import SEPARATOR, KeyKind
from resolver_grpc.model import Kind

Fold: TypeAlias = folds.Remembered | folds.Translated


@unique
class Field(IntEnum):
    """The fields of ``query.proto`` that recipes read, by their numbers; a test holds the two together."""

    FULL_NAME = 3
    FIRST_NAME = 4
    LAST_NAME = 5
    STREET_NAME = 6
    HOUSE_NUMBER = 7
    FLOOR = 8
    DOOR = 9
    POSTAL_CODE = 10
    SUPPLEMENTARY_TOWN = 11
    KVHX = 13
    NUMBER = 14
    EMAIL_ADDRESS = 15
    HAS_POSTAL_ADDRESS = 17


@unique
class Part(IntEnum):
    """Which part of a field a step reads; of names the words between blanks."""

    WHOLE = 0
    FIRST = 1
    LAST = 2
    FIRST_OF_TWO = 3
    LAST_OF_TWO = 4
    SLICE = 5
    BEFORE_AT = 6
    AFTER_AT = 7


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a key.

    Attributes:
        field: where it stands.
        fold: makes its canonical form.
        part: which part of the field.
        start: of a slice, its first byte.
        stop: of a slice, the byte after its last.
        before: what stands before it in the key, unless it is the first.
        dropped: it must be readable, but its place in the key stays empty.
    """

    field: Field
    fold: Fold
    part: Part = Part.WHOLE
    start: int = 0
    stop: int = 0
    before: str = SEPARATOR
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a key is made of a query.

    Attributes:
        kind: of the query.
        key_kind: of the key.
        steps: the parts, in the order of the key.
        optional: fields that may be absent; those of the other steps may not, and no others may be there.
        street_parts: how many steps tell the street, which must be the only one of its text; 0 for none.
        sized: a field that must have ``size`` bytes.
        size: see there.
        has_address: whether the query carries an address; if not, it says whether a letter could be sent.
    """

    kind: Kind
    key_kind: KeyKind
    steps: tuple[Step, ...]
    optional: frozenset[Field] = frozenset()
    street_parts: int = 0
    sized: Field | None = None
    size: int = 0
    has_address: bool = True

    @property
    def reaches_everyone(self) -> bool:
        """Whether all owners under the key are reached, instead of the only one."""
        return self.kind is Kind.ADDRESS

    @property
    def allowed(self) -> frozenset[Field]:
        """The fields that the query may have."""
        return self.optional | {step.field for step in self.steps}

    @property
    def needed(self) -> frozenset[Field]:
        """The fields that the query must have."""
        return self.allowed - self.optional


@dataclass(frozen=True, slots=True)
class _Place:
    """One form of an address: the steps of its part of the key, and what its recipes have in common."""

    first_key_kind: KeyKind
    steps: tuple[Step, ...]
    optional: frozenset[Field] = frozenset()
    street_parts: int = 0
    size: int = 0


def _slices(*parts: tuple[int, int, Fold]) -> tuple[Step, ...]:
    return tuple(Step(Field.KVHX, fold, Part.SLICE, start, stop) for start, stop, fold in parts)


_PLACES: Final = (
    _Place(
        KeyKind.TEXT_ADDRESS,
        (
            Step(Field.POSTAL_CODE, folds.POSTAL_CODE),
            Step(Field.STREET_NAME, folds.STREET),
            Step(Field.HOUSE_NUMBER, folds.HOUSE_NUMBER),
            Step(Field.FLOOR, folds.FLOOR),
            Step(Field.DOOR, folds.DOOR),
            # Part of the key only on streets that several roads share, and those go the plain way.
            Step(Field.SUPPLEMENTARY_TOWN, folds.TOWN, dropped=True),
        ),
        optional=frozenset({Field.FLOOR, Field.DOOR, Field.SUPPLEMENTARY_TOWN}),
        street_parts=2,
    ),
    _Place(
        KeyKind.KVHX_ADDRESS,
        _slices(
            (0, 4, folds.MUNICIPALITY),
            (4, 8, folds.ROAD),
            (8, 12, folds.PADDED_HOUSE_NUMBER),
            (12, 15, folds.PADDED_FLOOR),
            (15, 19, folds.PADDED_DOOR),
        ),
        size=19,
    ),
    _Place(
        KeyKind.KVHX_ADDRESS,
        _slices(
            (0, 4, folds.MUNICIPALITY),
            (4, 8, folds.ROAD),
            (8, 12, folds.REGISTER_HOUSE_NUMBER),
            (12, 14, folds.REGISTER_FLOOR),
            (14, 18, folds.REGISTER_DOOR),
        ),
        size=18,
    ),
)
_NAMES: Final = (
    (
        Kind.FULL_NAME,
        (
            Step(Field.FULL_NAME, folds.NAME_WORD, Part.FIRST_OF_TWO),
            Step(Field.FULL_NAME, folds.NAME_WORD, Part.LAST_OF_TWO),
        ),
    ),
    (
        Kind.FULL_NAME,
        (
            Step(Field.FIRST_NAME, folds.NAME_WORD, Part.FIRST),
            Step(Field.LAST_NAME, folds.NAME_WORD, Part.LAST),
        ),
    ),
    (Kind.FIRST_NAME, (Step(Field.FIRST_NAME, folds.NAME_WORD, Part.FIRST),)),
    (Kind.ADDRESS, ()),
)


def _by_name(kind: Kind, names: tuple[Step, ...], place: _Place) -> Recipe:
    return Recipe(
        kind,
        KeyKind(place.first_key_kind + len(names)),
        (*place.steps, *names),
        optional=place.optional,
        street_parts=place.street_parts,
        sized=Field.KVHX if place.size else None,
        size=place.size,
    )


def _cpr(size: int, date_ends: int) -> Recipe:
    """A CPR number is its date and three more digits, in one."""
    steps = (
        Step(Field.NUMBER, folds.BIRTH_DATE, Part.SLICE, 0, date_ends),
        Step(Field.NUMBER, folds.THREE_DIGITS, Part.SLICE, date_ends, size, before=""),
    )
    return Recipe(Kind.CPR, KeyKind.CPR, steps, _MAY_BE_POSTED, sized=Field.NUMBER, size=size, has_address=False)


_MAY_BE_POSTED: Final = frozenset({Field.HAS_POSTAL_ADDRESS})

RECIPES: Final = (
    *(_by_name(kind, names, place) for (kind, names), place in product(_NAMES, _PLACES)),
    _cpr(10, 7),
    _cpr(11, 8),
    Recipe(Kind.CVR, KeyKind.CVR, (Step(Field.NUMBER, folds.CVR_NUMBER),), _MAY_BE_POSTED, has_address=False),
    Recipe(
        Kind.EMAIL,
        KeyKind.EMAIL,
        (
            Step(Field.EMAIL_ADDRESS, folds.LOCAL_PART, Part.BEFORE_AT),
            Step(Field.EMAIL_ADDRESS, folds.DOMAIN, Part.AFTER_AT, before="@"),
        ),
        _MAY_BE_POSTED,
        has_address=False,
    ),
)
"""The kernel takes the first that fits; no query fits two."""
