"""The page of metrics: what Prometheus is told of all processes of a server.

What belongs here: showing what is registered, and adding up what workers counted. Each worker counts in files of a
folder that it shares with its supervisor; a server alone counts in its own memory. The supervisor runs this module, so
that gRPC and LMDB are not touched.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from resolver_grpc.errors import ConfigurationError
from resolver_grpc.server.sums import SHARED_FOLDER, SumsCollector, read_shared

_OF_THE_LIVING: Final = "gauge_live*_*.db"


@contextmanager
def showing(address: str, registry: CollectorRegistry) -> Iterator[str]:
    """Shows what is registered, at ``http://ADDRESS/metrics``, until the block ends.

    Args:
        address: ``HOST:PORT``; port 0 stands for any that is free.
        registry: what to show.

    Yields:
        The address with the port's number.

    Raises:
        ConfigurationError: nothing can be bound to that address.
    """
    host, _, port = address.rpartition(":")
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), registry)
    except (OSError, OverflowError):
        raise ConfigurationError(f"{address}: metrics can't be shown there; choose a port that is free") from None
    try:
        yield f"{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def counting_together() -> Iterator[CollectorRegistry]:
    """Has the workers that are started in the block count in files, which the registry adds up."""
    with TemporaryDirectory(prefix="resolver-grpc-metrics-") as folder:
        # Workers look at it when they load Prometheus's library, too.
        os.environ[SHARED_FOLDER] = folder
        try:
            registry = CollectorRegistry()
            registry.register(_AllWorkers(folder))
            registry.register(SumsCollector(lambda: read_shared(Path(folder))))
            yield registry
        finally:
            del os.environ[SHARED_FOLDER]


class _AllWorkers(MultiProcessCollector):
    """What all workers counted, those that ended included; what is true of an instant only of those that live."""

    def __init__(self, folder: str) -> None:
        super().__init__(None, folder)  # type: ignore[no-untyped-call]  # the library has no types here
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """Adds up, when the page is asked for."""
        for file in Path(self._folder).glob(_OF_THE_LIVING):
            pid = int(file.stem.rpartition("_")[2])
            if not Path("/proc", str(pid)).exists():
                mark_process_dead(pid, self._folder)  # type: ignore[no-untyped-call]
        added_up: Iterable[Metric] = super().collect()  # type: ignore[no-untyped-call]
        return added_up
