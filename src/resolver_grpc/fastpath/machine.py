"""The kernel, set up with the recipes: what Python says in words, as numbers.

What belongs here: the one place that knows the kernel's arguments. Where the kernel was not compiled there is none, and
the plain way does everything.
"""

from __future__ import annotations

import secrets
from functools import reduce
from types import ModuleType
from typing import TYPE_CHECKING

from resolver_grpc.errors import ConfigurationError
from resolver_grpc.fastpath import folds
from resolver_grpc.fastpath.recipes import RECIPES, Field, Fold, Recipe, Step
from resolver_grpc.keys import SEPARATOR, IndexKeys, KeyKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from resolver_grpc.fastpath._kernel import Kernel

VARIABLE = "RESOLVER_FASTPATH"
_SEED_BITS = 64


def find_kernel() -> ModuleType | None:
    """Gives the compiled module, None where this installation lacks it."""
    try:
        from resolver_grpc.fastpath import _kernel  # noqa: PLC0415 - an installation without a compiler lacks it
    except ImportError:
        return None
    return _kernel


def choose_way(environment: Mapping[str, str]) -> tuple[ModuleType | None, str]:
    """Chooses between the fast way and the plain way, which give the same answers.

    Args:
        environment: the process's; ``RESOLVER_FASTPATH`` may be ``on`` (as without it) or ``off``.

    Returns:
        The compiled module, None for the plain way; and what a log says of it.

    Raises:
        ConfigurationError: the environment says something else.
    """
    wanted = environment.get(VARIABLE, "on")
    if wanted not in {"on", "off"}:
        raise ConfigurationError(f"{VARIABLE} is neither on nor off; set it to one of them, or not at all")
    kernel = find_kernel() if wanted == "on" else None
    if kernel:
        return kernel, "fast"
    lacking = "this installation has no compiled kernel; install it where there is a C compiler"
    return None, f"plain: {VARIABLE} is off" if wanted == "off" else f"plain: {lacking}"


FOLDS: tuple[tuple[str, Fold], ...] = tuple(
    (name, fold) for name, fold in vars(folds).items() if isinstance(fold, folds.Remembered | folds.Translated)
)
"""Every fold with its name, in the order in which the kernel numbers them."""


def set_up(kernel: ModuleType, keys: IndexKeys) -> Kernel:
    """Sets the kernel up with all recipes; its memories are empty.

    Args:
        kernel: the compiled module.
        keys: makes the index's keys.
    """
    machine: Kernel = kernel.Kernel(
        keys.secret,
        ord(SEPARATOR),
        KeyKind.STREET,
        [_recipe(recipe) for recipe in RECIPES],
        [_fold(fold) for _, fold in FOLDS],
        folds.ORDINARY,
        secrets.randbits(_SEED_BITS),
    )
    return machine


def _recipe(recipe: Recipe) -> tuple[int, int, int, int, int, int, int, bool, bool, list[tuple[int, ...]]]:
    return (
        recipe.kind,
        recipe.key_kind,
        _bits(recipe.needed),
        _bits(recipe.allowed),
        recipe.street_parts,
        recipe.sized or 0,
        recipe.size,
        recipe.has_address,
        recipe.reaches_everyone,
        [_step(step) for step in recipe.steps],
    )


def _step(step: Step) -> tuple[int, ...]:
    number = next(number for number, (_, fold) in enumerate(FOLDS) if fold is step.fold)
    before = ord(step.before) if step.before else 0
    return step.field, step.part, step.start, step.stop, number, before, step.dropped


def _fold(fold: Fold) -> tuple[object, ...]:
    if isinstance(fold, folds.Translated):
        return fold.table, fold.between, fold.word_bytes
    return fold.fold, fold.places, fold.word_bytes, fold.form_bytes


def _bits(fields: Iterable[Field]) -> int:
    return reduce(lambda bits, field: bits | 1 << field, fields, 0)
