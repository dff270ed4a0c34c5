"""The one thing that pyproject.toml can't say: the compiled modules, which an installation can do without."""

import os
from pathlib import Path

from setuptools import Extension, setup


def kernel(name: str, source: str, *parts: str) -> Extension:
    """A module that is compiled where there is a C compiler; without one Python does the same, more slowly."""
    return Extension(
        name,
        sources=[source],
        depends=["src/resolver_grpc/blake2b.h", *parts],
        extra_compile_args=["-O3", "-g0"],
        optional=True,
    )


PARTS_OF_FOLLOWING = [
    f"src/resolver_grpc/{name}.pxi"
    for name in ("_places", "_owners", "_compact_owners", "_packed_owners", "_standing", "_below", "_led_keys")
]

setup(
    # Compiling is most of an installation.
    options={"build_ext": {"parallel": os.cpu_count()}},
    ext_modules=[
        kernel("resolver_grpc._bulk_keys", "src/resolver_grpc/_bulk_keys.pyx"),
        kernel("resolver_grpc._budgets", "src/resolver_grpc/_budgets.pyx"),
        kernel("resolver_grpc._following", "src/resolver_grpc/_following.pyx", *PARTS_OF_FOLLOWING),
        kernel("resolver_grpc._key_places", "src/resolver_grpc/_key_places.pyx", "src/resolver_grpc/_places.pxi"),
        kernel(
            "resolver_grpc.changes._owner_machine",
            "src/resolver_grpc/changes/_owner_machine.pyx",
            *map(str, sorted(Path("src/resolver_grpc/changes").glob("*.pxi"))),
        ),
        kernel(
            "resolver_grpc.fastpath._kernel",
            "src/resolver_grpc/fastpath/_kernel.pyx",
            *map(str, sorted(Path("src/resolver_grpc/fastpath").glob("*.pxi"))),
        ),
    ],
)
