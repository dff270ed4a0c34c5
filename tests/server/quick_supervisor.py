"""A supervisor of two workers that let their clients go within half a second; see ``worker_nursery.py``."""

from __future__ import annotations

import sys
from pathlib import Path

from resolver_grpc.server.plan import Plan
from resolver_grpc.server.supervising import supervise

SECONDS_TO_BE_LET_GO = 0.5


if __name__ == "__main__":
    root = Path(sys.argv[1])
    supervise(
        Plan(
            directory=root / "snapshot",
            key_file=root / "index.key",
            senders_file=root / "senders.toml",
            listen="127.0.0.1:0",
            as_of=int(sys.argv[2]),
            connection_age=SECONDS_TO_BE_LET_GO,
        ),
        2,
    )
