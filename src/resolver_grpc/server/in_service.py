"""What is in service, and who holds it: a snapshot stays open until the last batch that it answers has ended.

What belongs here: putting another snapshot in the place of one between two batches. When that is to be done is
``reload.py``'s, what one is ``served.py``'s.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from typing import NamedTuple

from resolver_grpc.server.served import Served


class Refusal(NamedTuple):
    """A store's live generation that is not served.

    Attributes:
        generation: its number; 0 where the store names none.
        reason: one sentence that says why, and what to do.
    """

    generation: int
    reason: str


class Held:
    """An open snapshot, and how many batches are being answered from it; used on the event loop alone.

    In a ``with`` block it stays open while a batch is answered from it, however often that one lets others go first.
    """

    def __init__(self, served: Served) -> None:
        self.served = served
        self._batches = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def __enter__(self) -> Served:
        """Begins a batch."""
        self._batches += 1
        self._idle.clear()
        return self.served

    def __exit__(self, *_raised: object) -> None:
        """Ends one."""
        self._batches -= 1
        if not self._batches:
            self._idle.set()

    async def close(self) -> None:
        """Waits for the batches under way, then closes; asks for no batch to begin any more."""
        await self._idle.wait()
        # Unmapping a large file takes its time, which those who are served by the next one need not wait.
        await asyncio.to_thread(self.served.close)


class InService:
    """The snapshot in service, and the live generation that was refused, if any; used on the event loop alone.

    Args:
        served: what is served first.

    Attributes:
        changed: set whenever another snapshot is served, a refusal comes or goes, or the audit fails or works again.
    """

    def __init__(self, served: Served) -> None:
        self._held = Held(served)
        self._refusal: Refusal | None = None
        self._senders_refusal = ""
        self.changed = asyncio.Event()

    @property
    def served(self) -> Served:
        """What the next batch is answered from."""
        return self._held.served

    @property
    def refusal(self) -> Refusal | None:
        """Why the store's live generation is not the one that is served; None where it is."""
        return self._refusal

    @refusal.setter
    def refusal(self, refusal: Refusal | None) -> None:
        self._refusal = refusal
        self.changed.set()

    @property
    def senders_refusal(self) -> str:
        """Why the senders' file, as it stands, is not taken up; empty where it is."""
        return self._senders_refusal

    @senders_refusal.setter
    def senders_refusal(self, reason: str) -> None:
        self._senders_refusal = reason
        self.changed.set()

    def batch(self) -> AbstractContextManager[Served]:
        """Holds what is served now, so that the whole of a batch is answered from it."""
        return self._held

    def swap(self, served: Served) -> Held:
        """Serves another snapshot from the next batch on.

        Returns:
            The former one, which the caller closes.
        """
        former, self._held = self._held, Held(served)
        self.refusal = None
        return former

    async def close(self) -> None:
        """Closes what is served, after its last batch."""
        await self._held.close()
