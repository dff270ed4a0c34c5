from collections.abc import Callable
from types import ModuleType
from typing import Protocol

from resolver_grpc.index.lmdb_index import LmdbIndex, RawIndex
from resolver_grpc.index.spans import RawSpans

class _Over(Protocol):
    @property
    def under(self) -> Callable[[bytes], tuple[int, ...] | None]: ...
    @property
    def packed(self) -> Callable[[int], bytes | None]: ...
    @property
    def fact_names(self) -> list[str]: ...

class Below:
    def __init__(self, index: LmdbIndex, raw: RawIndex, spans: RawSpans, common: dict[str, int]) -> None: ...

class OwnerMachine:
    def __init__(
        self,
        secret: bytes,
        below: Below,
        over: _Over,
        base: bytes,
        window: tuple[int, int],
        rests: ModuleType,
        road_kind: int,
        soon: int,
    ) -> None: ...
    def work_out(
        self,
        number: bytes,
        form: bytes,
        former: bytes | None,
        instant: int,
        way: int,
        fact: str,
        value: int,
        address: str,
        record: tuple[bool, bool, bytes, int, tuple[bytes, ...], bytes] | None,
    ) -> tuple[tuple[bytes, ...], bytes] | None: ...
