"""Fuzzes one target until its time is over; started by ``run.py``.

Python's modules are instrumented and lead the fuzzer on; the kernel, which gcc compiled, is a black box to it.
"""

from __future__ import annotations

import sys
from hashlib import sha1
from pathlib import Path

import atheris
import fuzz_paths  # noqa: F401 - for what it does to the path

with atheris.instrument_imports(include=["resolver_grpc", "tomllib", "email_validator", "jwt"]):
    from fuzz_targets import TARGETS
from fuzz_oracle import own_words


def main(name, corpus, found):
    """Fuzzes a target, and ends the process; libFuzzer's own options follow.

    Args:
        name: the target's.
        corpus: the folder of what was reached, in former runs too.
        found: the folder for inputs that break it.
    """
    target = TARGETS[name]
    # Once, so that it is no input that seems to take its time.
    own_words()
    with target.opening() as environment:
        for number, seed in enumerate(target.seeds(environment)):
            Path(corpus, f"seed-{number}").write_bytes(seed)

        def attempt(data):
            try:
                target.run(environment, data)
            except BaseException:
                # By libFuzzer's own name; where threads are about, it ends before it writes one itself.
                Path(found, f"crash-{sha1(data, usedforsecurity=False).hexdigest()}").write_bytes(data)
                raise

        options = [f"-max_len={target.longest}", f"-artifact_prefix={found}/", *sys.argv[4:]]
        atheris.Setup([sys.argv[0], corpus, *options], attempt)
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:4])
