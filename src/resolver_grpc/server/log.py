"""The log: lines of JSON on standard error, one write for each, so that several processes may share it.

What belongs here: how a line looks, never what it says.
"""

from __future__ import annotations

import os
import sys

import structlog
from structlog.typing import FilteringBoundLogger


def make_log() -> FilteringBoundLogger:
    """A log of JSON lines on standard error."""
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
    )
    return log


def silence_grpc() -> None:
    """Keeps gRPC's core from writing lines of its own among the log's, which may hold anything; call before loading it.

    ``GRPC_VERBOSITY`` in the environment has the last word.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
