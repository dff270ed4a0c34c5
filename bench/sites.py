"""Which snapshot is measured, one that exists or one that is built, and both ways through it once it is open.

What belongs here: what the benchmarks share that open a country's snapshot in their own process, or have it opened.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from nation.requests import SENDER_ID
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.fastpath.machine import find_kernel
from resolver_grpc.fastpath.way import FastWay
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.server.fast_batches import FastBatches
from resolver_grpc.server.senders import read_senders
from resolver_grpc.server.served import open_served
from resolver_grpc.snapshot.store import key_id_of
from resolver_grpc.times import parse_time
from serving import AS_OF, Site, make_site, write_senders

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

    from resolver_grpc.fastpath._kernel import Judge
    from resolver_grpc.keys import IndexKeys
    from resolver_grpc.server.served import Served


class Opened(NamedTuple):
    """A snapshot that is open, and both ways through it."""

    kernel: ModuleType
    served: Served
    fast: FastBatches
    keys: IndexKeys
    instant: int

    def fresh(self) -> FastBatches:
        """The fast way before it met a word; all that hangs on no word is ready."""
        way = FastWay(self.kernel, self.served.snapshot.index, self.keys, self.fast.way.handles)
        self.judge(way)
        return FastBatches(self.fast.plain, way)

    def judge(self, way: FastWay) -> Judge:
        """What decides for the sender of all messages about a country."""
        return way.judge(self.fast.senders[SENDER_ID], self.instant, personal_content=False)


def find_site(mailboxes: int, seed: int, folder: Path, snapshot: Path | None, keys: Path | None) -> Site:
    """Takes the snapshot that is named, or builds that of a country; once, if it isn't in the folder.

    Args:
        mailboxes: how many the country has.
        seed: what the country follows from.
        folder: for what is made.
        snapshot: a snapshot of that country.
        keys: the key file that it was built with.

    Raises:
        ConfigurationError: only one of the two is named, or the builder failed.
    """
    check_named(snapshot, keys)
    place = folder / f"country-{mailboxes}-{seed}"
    if not snapshot or not keys:
        return make_site(mailboxes, seed, place)
    place.mkdir(parents=True, exist_ok=True)
    site = Site(snapshot, keys, place / "senders.toml")
    write_senders(site.senders)
    return site


def check_named(snapshot: Path | None, keys: Path | None) -> None:
    """Asks for both or neither of what names an existing snapshot.

    Raises:
        ConfigurationError: only one of the two is named.
    """
    if bool(snapshot) != bool(keys):
        raise ConfigurationError("--snapshot and --keys go together: a snapshot and the key file it was built with")


@contextmanager
def opening(site: Site) -> Iterator[Opened]:
    """Opens a snapshot with every page in memory and checked.

    Raises:
        ConfigurationError: there is no fast way to measure.
    """
    instant = parse_time(AS_OF)
    key = read_key_ring(site.keys).of(key_id_of(site.snapshot))
    served = open_served(site.snapshot, key, read_senders(site.senders), instant)
    try:
        kernel, fast = find_kernel(), served.batches
        if not kernel or not isinstance(fast, FastBatches):
            raise ConfigurationError(
                "there is no fast way here; install where there is a C compiler, and don't set RESOLVER_FASTPATH to off"
            )
        served.touch()
        yield Opened(kernel, served, fast, key.index_keys, instant)
    finally:
        served.snapshot.index.close()
