"""The three lists of a shipment: decisions for machines, error list and receipt for people.

What belongs here: what stands in the lists, and that they come into being together or not at all. They are
written beside their places and renamed when all of them are complete.
"""

from __future__ import annotations

import csv
import os
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from resolver_grpc.client.sentences import sentence_of
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.v1 import decision_pb2

if TYPE_CHECKING:
    from _csv import Writer
    from collections.abc import Sequence
    from types import TracebackType

DECISIONS, ERROR_LIST, RECEIPT = "decisions.csv", "fejlliste.csv", "kvittering.csv"

_HEADINGS = {
    DECISIONS: ("reference", "route", "reason", "field", "numbers", "forwarding_address"),
    ERROR_LIST: ("reference", "reason", "field", "sætning", "sentence", "row"),
    RECEIPT: ("reference", "route", "reason"),
}
_WITH_HANDLES = frozenset({DECISIONS, RECEIPT})
# With a byte order mark a spreadsheet knows that it reads UTF-8; a program is spared it.
_ENCODINGS = {DECISIONS: "utf-8", ERROR_LIST: "utf-8-sig", RECEIPT: "utf-8-sig"}

# A spreadsheet takes a cell that begins with one of these for a formula, the wide forms in some languages.
_FORMULA_SIGNS = tuple("=+-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}"
                       "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip


class ShipmentLists:
    """The lists of one shipment; a context manager that publishes them when its block ends well.

    Lists of a former run in the same folder are replaced then and not before. The files can be read by their
    owner alone.

    Args:
        folder: where the lists are to stand; made if it is not there.
        delimiter: what stands between two cells.
        with_handles: whether decisions and receipt have a last column of the handles of those reached, in hexadecimal
            digits with blanks between them.

    Raises:
        ConfigurationError: a folder stands where a list is to stand.
        OSError: the folder can't be made or written to.
    """

    def __init__(self, folder: Path, delimiter: str, *, with_handles: bool = False) -> None:
        self._with_handles = with_handles
        self._folder = folder
        self._delimiter = delimiter
        self._files: dict[str, IO[str]] = {}
        self._writers: dict[str, Writer] = {}
        self._row = 0

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where the lists are to stand."""
        return tuple(self._folder / name for name in _HEADINGS)

    def __enter__(self) -> Self:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self.paths:
            if path.is_dir():
                raise ConfigurationError(f"A folder stands where {path.name} is to be written: choose another place.")
        try:
            for name, headings in _HEADINGS.items():
                # Readable by its owner alone, as temporary files are.
                file = tempfile.NamedTemporaryFile(
                    "w", dir=self._folder, prefix=f".{name}.", delete=False, encoding=_ENCODINGS[name], newline=""
                )
                self._files[name] = file
                self._writers[name] = csv.writer(file, delimiter=self._delimiter, lineterminator="\r\n")
                self._writers[name].writerow((*headings, *self._own_cells(name, "handles")))
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._publish()
        finally:
            self._discard()

    def add(self, decision: decision_pb2.Decision) -> None:
        """Write the next row's decision into the lists that it belongs to."""
        self._row += 1
        route, reason = route_name(decision.route), reason_name(decision.reason)
        handles = " ".join(target.handle.hex() for target in decision.targets)
        self._writers[DECISIONS].writerow(
            (
                decision.reference,
                route,
                reason,
                decision.field,
                " ".join(target.number for target in decision.targets if target.number),
                " ".join(target.forwarding_address for target in decision.targets if target.forwarding_address),
                *self._own_cells(DECISIONS, handles),
            )
        )
        self._write_for_people(RECEIPT, (decision.reference, route, reason, *self._own_cells(RECEIPT, handles)))
        if decision.route == decision_pb2.ROUTE_REJECT:
            sentence = sentence_of(decision.reason)
            self._write_for_people(
                ERROR_LIST,
                (decision.reference, reason, decision.field, sentence.danish, sentence.english, str(self._row)),
            )

    def _own_cells(self, name: str, handles: str) -> tuple[str, ...]:
        return (handles,) if self._with_handles and name in _WITH_HANDLES else ()

    def _write_for_people(self, name: str, cells: Sequence[str]) -> None:
        self._writers[name].writerow([inert(cell) for cell in cells])

    def _publish(self) -> None:
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
            file.close()
        for name, file in self._files.items():
            Path(file.name).replace(self._folder / name)
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _discard(self) -> None:
        """Close what is open and remove what was not renamed."""
        for file in self._files.values():
            file.close()
            Path(file.name).unlink(missing_ok=True)


def route_name(route: int) -> str:
    """The route's word; a number stands for one that only a newer server knows."""
    name = decision_pb2.Route.DESCRIPTOR.values_by_number.get(route)
    return name.name.removeprefix("ROUTE_") if name else str(route)


def reason_name(reason: int) -> str:
    """The reason's word; a number stands for one that only a newer server knows."""
    name = decision_pb2.Reason.DESCRIPTOR.values_by_number.get(reason)
    return name.name.removeprefix("REASON_") if name else str(reason)


def inert(cell: str) -> str:
    """Keep a spreadsheet from taking a cell for a formula: an apostrophe in front makes it text."""
    return f"'{cell}" if cell.lstrip().startswith(_FORMULA_SIGNS) else cell
