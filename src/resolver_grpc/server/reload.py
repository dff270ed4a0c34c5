"""Takes up the new generations of a store while the server goes on answering.

What belongs here: when a generation is opened, served, refused or waited for. All that reads files is done in a
thread; the event loop only changes what is served. Whatever is wrong with a generation, the old one goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from resolver_grpc.errors import ChangeLogError, KeyFileError, NotYetValidError, ResolverError, SnapshotError
from resolver_grpc.server.faults import fault_of
from resolver_grpc.server.in_service import InService, Refusal
from resolver_grpc.server.served import Served
from resolver_grpc.server.sighting import Sighting, sight
from resolver_grpc.server.sums import Outcome
from resolver_grpc.snapshot.files import read_manifest
from resolver_grpc.snapshot.generations import current_generation, generation_path
from resolver_grpc.times import register_window

SECONDS_BETWEEN_LOOKS = 1.0


@dataclass(frozen=True, slots=True)
class Store:
    """A store of generations, and how one of them is opened to be served.

    Attributes:
        path: the store's folder.
        open: opens the generation in a directory, which was sighted so; raises what ``open_plan`` does.
    """

    path: Path
    open: Callable[[Path, Sighting], Served]

    def open_live(self) -> Served:
        """Opens the live generation; if a publisher moves on meanwhile, the next one.

        Raises:
            SnapshotError: the store has no live generation, or it is missing, damaged, foreign or of another format.
            ChangeLogError: the log of changes can't be read, or doesn't lead on from it.
            KeyFileError: there is no key to open it.
            ConfigurationError: the instant to replay lies before its register date.
        """
        while True:
            sighting = sight(self.path)
            try:
                return self.open(self.directory(sighting), sighting)
            except (SnapshotError, KeyFileError, ChangeLogError):
                if sight(self.path) == sighting:
                    raise

    def directory(self, sighting: Sighting) -> Path:
        """Tells the directory of the live generation, which a look has just seen.

        Raises:
            SnapshotError: the store has none, it is missing, or a publisher has moved on since.
        """
        directory = current_generation(self.path)
        if directory != generation_path(self.path, sighting.number):
            raise SnapshotError(f"The store {self.path} has moved on to another generation; look at it again.")
        return directory


class Reload:
    """Serves a store's live generation, whichever that becomes.

    Args:
        store: the store.
        in_service: what is served, opened by ``Store.open_live``.
        clock: tells the instant, in seconds of UTC.
        log: where it says what was taken up and what was refused.
        note: is told the same, to count it.
    """

    def __init__(
        self,
        store: Store,
        in_service: InService,
        clock: Callable[[], int],
        log: FilteringBoundLogger,
        note: Callable[[Outcome], None] = lambda _outcome: None,
    ) -> None:
        self._store = store
        self._in_service = in_service
        self._as_of = in_service.served.batches.as_of
        self._clock = clock
        self._log = log
        self._note = note
        self._stopping = asyncio.Event()
        self._refused: Sighting | None = None
        self._valid_from: int | None = None

    async def watch(self, interval: float) -> None:
        """Looks at the store again and again, so many seconds apart, until it is stopped."""
        while not self._stopping.is_set():
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - a watcher that died would go unnoticed
                # The log itself may be what failed; the next look tries again.
                with suppress(OSError):
                    self._log.error("fault", **fault_of(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), interval)

    def stop(self) -> None:
        """Lets ``watch`` end; a generation that is being opened is closed again, unserved."""
        self._stopping.set()

    async def look(self) -> None:
        """Looks at the store, and takes up what is new there until nothing is."""
        while not self._stopping.is_set():
            sighting = await asyncio.to_thread(sight, self._store.path)
            served = self._in_service.served
            if served.sighting and sighting.is_of_same_index(served.sighting):
                self._accept(served)
                return
            if sighting == self._refused and not self._has_begun():
                return
            await self._take_up(sighting)

    def _has_begun(self) -> bool:
        """Whether the refused generation was only waiting for its register date."""
        return self._valid_from is not None and self._clock() >= self._valid_from

    def _accept(self, served: Served) -> None:
        """Forgets the refused generation, for the one that is served is the live one again."""
        self._refused = None
        if self._in_service.refusal:
            self._in_service.refusal = None
            self._log.info("refusal over", generation=served.generation)

    async def _take_up(self, sighting: Sighting) -> None:
        """Opens a generation and serves it, or refuses it, unless the store has moved on meanwhile."""
        opened = await asyncio.to_thread(self._try_to_open, sighting)
        has_moved = await asyncio.to_thread(sight, self._store.path) != sighting
        if isinstance(opened, Exception):
            if not has_moved:
                self._refuse(sighting, opened)
        elif has_moved or self._stopping.is_set():
            await asyncio.to_thread(opened.close)
        else:
            await self._serve(opened)

    def _try_to_open(self, sighting: Sighting) -> Served | Exception:
        try:
            directory = self._store.directory(sighting)
            self._check_has_begun(directory)
            opened = self._store.open(directory, sighting)
            _touch(opened, self._clock())
        except Exception as error:  # noqa: BLE001 - whatever it is, the old one goes on
            return error
        return opened

    def _check_has_begun(self, directory: Path) -> None:
        """Refuses a generation of a coming day before anything large of it is read: it is opened once, when it begins.

        Where a past day is replayed no day ever begins, and the opening refuses it for good.
        """
        if self._as_of is not None:
            return
        register_date = read_manifest(directory).register_date
        valid_from, _ = register_window(date.fromisoformat(register_date))
        if self._clock() < valid_from:
            raise NotYetValidError(
                f"The snapshot {directory} has the register date {register_date}, which is still to come; it is taken "
                "up when that day begins.",
                valid_from=valid_from,
            )

    async def _serve(self, opened: Served) -> None:
        former = self._in_service.swap(opened)
        self._refused = None
        # Before the next is opened: never three at once, and LMDB opens no file twice.
        await former.close()
        self._note(Outcome.TAKEN_UP)
        self._log.info(
            "generation taken up",
            generation=opened.generation,
            snapshot_id=opened.snapshot.manifest.snapshot_id,
            register_date=opened.snapshot.manifest.register_date,
            former_generation=former.served.generation,
        )

    def _refuse(self, sighting: Sighting, error: Exception) -> None:
        self._refused = sighting
        self._valid_from = int(error.metadata["valid_from"]) if isinstance(error, NotYetValidError) else None
        sentence = _sentence(error)
        # Callers are told no more of this machine's folders than the store's own name.
        refusal = Refusal(sighting.number, sentence.replace(str(self._store.path), self._store.path.name))
        if refusal != self._in_service.refusal:
            self._in_service.refusal = refusal
            self._note(Outcome.REFUSED)
            self._log.error("generation refused", generation=sighting.number, reason=sentence, **fault_of(error))


def _touch(opened: Served, instant: int) -> None:
    """Does beforehand what the first batch would wait for: every page in memory and checked, the sets of this instant.

    Raises:
        SnapshotError: a page could give a wrong answer, or the clock tells an instant that no fact can state.
    """
    try:
        opened.touch()
        opened.index.facts_at(instant)
    except BaseException:
        opened.close()
        raise


def _sentence(error: Exception) -> str:
    if isinstance(error, ResolverError):
        return error.message
    # Of an error that is not the project's own its name alone: its text may hold anything.
    fault = error.strerror if isinstance(error, OSError) else type(error).__name__
    return f"The generation can't be opened ({fault}); set that right, then make it the live one once more."
