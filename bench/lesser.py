"""Kernels and indexes that were given less than all, so that a pass over messages stops sooner.

What belongs here: the one place, beside the project's own, that knows the kernel's arguments, to leave some out.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from resolver_grpc.fastpath.machine import set_up
from resolver_grpc.server.batch import MAX_QUERIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from resolver_grpc.fastpath._kernel import Batch, Judge, Kernel, PageSet
    from resolver_grpc.keys import IndexKeys

_CODES, _OWNER_CODES, _TABLE, _NUMBER_BYTES = 8192, 32, 8, 10
_NEEDED, _STEPS = 2, -1
"""Places in the kernel's tuple of a recipe: the bits of the fields that it needs, and its steps."""
_MOST_BYTES = 255


@dataclass(frozen=True, slots=True)
class Lesser:
    """The fast way with a kernel, or an index, that was given less than all.

    Attributes:
        kernel: the compiled module.
        machine: the kernel, set up.
        pages: what it probes.
        judge: what decides, of the same index.
    """

    kernel: ModuleType
    machine: Kernel
    pages: PageSet
    judge: Judge

    def batch(self, request: bytes) -> Batch:
        """Reads how a request is framed."""
        batch: Batch = self.kernel.Batch(self.machine, request, MAX_QUERIES)
        return batch

    def resolve(self, batch: Batch, first: int) -> tuple[Any, ...]:
        """Resolves a slice, as far as it goes."""
        return batch.run(self.pages, self.judge, first)


def machine_without_recipes(kernel: ModuleType, keys: IndexKeys) -> Kernel:
    """Sets a kernel up that knows fields and no recipe: it leaves every row once its fields are found."""
    return _altered(kernel, keys, lambda _recipes, folds: ([], folds))


def refusing_machine(kernel: ModuleType, keys: IndexKeys) -> Kernel:
    """Sets a kernel up whose recipes end in a word that is refused: it leaves every row before its key is hashed."""

    def alter(recipes: list[tuple[Any, ...]], folds: list[Any]) -> tuple[list[tuple[Any, ...]], list[Any]]:
        refusing = bytes(256), bytes(256), _MOST_BYTES
        # Of a field that the recipe needs: an absent one is refused by none.
        ends = [(recipe[_NEEDED].bit_length() - 1, 0, 0, 0, len(folds), 0, False) for recipe in recipes]
        longer = [(*recipe[:_STEPS], [*recipe[_STEPS], end]) for recipe, end in zip(recipes, ends, strict=True)]
        return longer, [*folds, refusing]

    return _altered(kernel, keys, alter)


def lone_judge(kernel: ModuleType) -> Judge:
    """Makes what decides for the only owner of an index, of whom nothing holds."""
    judge: Judge = kernel.Judge(
        np.zeros(1, np.uint8),
        np.zeros(1, np.uint8),
        np.zeros(_NUMBER_BYTES, np.uint8),
        np.zeros(1, np.uint32),
        0,
        bytes(_TABLE),
        bytes(_TABLE),
        bytes(_CODES),
        bytes(_CODES),
        bytes(_OWNER_CODES),
        bytes(_TABLE),
        bytes(_TABLE),
        bytes(_TABLE),
        0,
    )
    return judge


def _altered(kernel: ModuleType, keys: IndexKeys, alter: Callable[[list[Any], list[Any]], tuple[Any, Any]]) -> Kernel:
    """Sets a kernel up with other recipes and folds than the project's."""

    def make(secret: bytes, separator: int, street_kind: int, recipes: list[Any], folds: list[Any], *rest: Any) -> Any:  # noqa: ANN401 - passed on as it comes
        return kernel.Kernel(secret, separator, street_kind, *alter(recipes, folds), *rest)

    return set_up(cast("ModuleType", SimpleNamespace(Kernel=make)), keys)
