"""What a log may say of an error that is not the project's own: neither text nor traceback, for both may hold
what a query said or a file held.
"""

from __future__ import annotations

from resolver_grpc.errors import ResolverError


def fault_of(error: Exception) -> dict[str, str]:
    """An unforeseen error's type and the place that it was raised at; nothing of the project's own errors."""
    if isinstance(error, ResolverError):
        return {}
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_name}:{place.tb_lineno}" if place else ""
    return {"error_type": type(error).__name__, "where": where}
