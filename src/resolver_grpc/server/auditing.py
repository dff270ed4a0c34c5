"""The server's audit: what became of a batch, recorded before its answer leaves.

What belongs here: making the record, keeping the audit going, and telling the log and health how it fares. How it is
written is the audit package's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

from structlog.typing import FilteringBoundLogger

from resolver_grpc.audit.chain import News
from resolver_grpc.audit.naming import End
from resolver_grpc.audit.record import CHANGES, Record
from resolver_grpc.audit.sealing import AuditKeys
from resolver_grpc.audit.writer import Audience, AuditWriter, NoteWrite
from resolver_grpc.errors import OverBudgetError, ResolverError
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.keys import MasterKey
from resolver_grpc.policy import POLICY_VERSION
from resolver_grpc.server.access import Caller
from resolver_grpc.server.answer import Answer
from resolver_grpc.server.plan import Plan
from resolver_grpc.server.served import Served


class Circumstances(NamedTuple):
    """What begins a record, whatever its call came to; see ``Record``."""

    judged: int
    caller: str
    role: str
    snapshot_id: str
    change_sequence: int
    policy_version: int

    @classmethod
    def of(cls, served: Served, judged: int, caller: Caller) -> Self:
        """Those of a call.

        Args:
            served: what it is answered from.
            judged: the instant that it is judged at, in seconds of UTC.
            caller: who calls.
        """
        snapshot_id = served.snapshot.manifest.snapshot_id
        return cls(judged, caller.name, caller.role.value, snapshot_id, served.change_sequence, POLICY_VERSION)


class Auditing:
    """Records batches; made and used on the event loop.

    Args:
        folder: the audit's folder.
        keys: the key that it is sealed with, then those that earlier files may have been sealed with.
        worker: the number of the worker.
        log: where it says how it fares; checkpoints that are to be kept elsewhere go there, too.

    Raises:
        AuditError: no file can be begun there.
    """

    def __init__(self, folder: Path, keys: Iterable[MasterKey], worker: int, log: FilteringBoundLogger) -> None:
        ring = list(map(AuditKeys.of, keys))
        self._keys = ring[0]
        self._log = log
        self._changed: Callable[[], None] | None = None
        self._wrote: NoteWrite | None = None
        self._writer = AuditWriter(folder, ring, worker, Audience(self._note, self._tell, self._note_write))

    @property
    def is_well(self) -> bool:
        """Whether batches can be recorded."""
        return self._writer.is_well

    def on_change(self, changed: Callable[[], None]) -> None:
        """Has something called whenever ``is_well`` changes."""
        self._changed = changed

    def on_write(self, wrote: NoteWrite) -> None:
        """Has something told of each write."""
        self._wrote = wrote

    def check(self) -> int:
        """Refuses a batch that could not be recorded; tells when it was taken up, for ``record_answer``.

        Raises:
            AuditError: the audit can't be written.
        """
        return self._writer.check()

    def record_answer(self, answer: Answer, circumstances: Circumstances, taken_up: int) -> Awaitable[None]:
        """Begins to record an answered batch.

        Args:
            answer: what it came to.
            circumstances: who asked, and what it was answered from.
            taken_up: as ``check`` told.

        Returns:
            What ends once the answer may leave, or raises an ``AuditError`` where it can't be recorded.
        """
        return self._writer.write(partial(self._record_of, answer, circumstances), taken_up)

    async def record_refusal(self, error: Exception, circumstances: Circumstances) -> None:
        """Records a batch that is refused as a whole; its refusal may leave once this returns.

        The sender that it named was never onboarded, or nobody knows whether it was: it is not recorded, unless it is
        one that has used up a budget.

        Args:
            error: why it is refused.
            circumstances: who asked, and what it would have been answered from.

        Raises:
            AuditError: it can't be recorded.
        """
        reason = error.reason if isinstance(error, ResolverError) else ResolverError.reason
        sender_id = error.sender_id if isinstance(error, OverBudgetError) else ""
        await self._writer.write(partial(Record, *circumstances, sender_id=sender_id, refusal=reason))

    def record_changes(self, circumstances: Circumstances, taken: int, refused: int) -> Awaitable[None]:
        """Begins to record what became of the changes of one message; see ``record_answer``."""
        return self._writer.write(partial(Record, *circumstances, act=CHANGES, taken=taken, refused=refused))

    def record_subject(self, circumstances: Circumstances, act: str, number: str, refusal: str = "") -> Awaitable[None]:
        """Begins to record a data subject's access or erasure; see ``record_answer``.

        Args:
            circumstances: who asked for it, and of what was held.
            act: ``record.ACCESS`` or ``record.ERASURE``.
            number: the owner's, of which a keyed hash is recorded.
            refusal: why it is refused, as the error's reason.
        """
        subject = self._keys.hash_subject(number)
        return self._writer.write(partial(Record, *circumstances, act=act, subject=subject, refusal=refusal))

    async def close(self) -> None:
        """Says that nothing more comes."""
        await self._writer.close()

    def _record_of(self, answer: Answer, circumstances: Circumstances) -> Record:
        told = answer.told
        return Record(
            *circumstances,
            sender_id=answer.sender_id,
            shipment=self._keys.hash_shipment(answer.sender_id, answer.shipment_id),
            targets=told.targets,
            counts=told.counts,
        )

    def _note(self, fault: str) -> None:
        if self._changed:
            self._changed()
        if fault:
            self._log.error("audit can't be written", reason=fault)
        else:
            self._log.info("audit written again")

    def _note_write(self, records: int, seconds: float, *, is_written: bool) -> None:
        if self._wrote:
            self._wrote(records, seconds, is_written=is_written)

    def _tell(self, news: News, end: End) -> None:
        # A log that can't be written is no reason to take the audit for one that can't.
        with suppress(OSError):
            if news is News.CHECKPOINT:
                self._log.info(news.value, file=end.file, sequence=end.sequence, seal=end.seal)
            else:
                self._log.error(news.value, file=end.file, sequence=end.sequence)


def open_audit(plan: Plan, worker: int, log: FilteringBoundLogger) -> Auditing | None:
    """Begins a worker's audit; None where none is to be kept.

    Raises:
        AuditError: it can't be written.
        KeyFileError: the key file is refused.
    """
    return Auditing(plan.audit, read_key_ring(plan.key_file), worker, log) if plan.audit else None
