"""The one thing that pyproject.toml can't say: the compiled module, which an installation can do without."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "resolver_grpc._bulk_keys",
            sources=["src/resolver_grpc/_bulk_keys.pyx"],
            depends=["src/resolver_grpc/blake2b.h"],
            extra_compile_args=["-O3", "-g0"],
            optional=True,  # without a C compiler the same keys are made in Python
        )
    ]
)
