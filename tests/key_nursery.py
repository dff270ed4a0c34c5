"""Starts rotations of a key file that don't live to the end; see ``nursery.py``.

A line holds how and when the rotation is to die, and the key file: at ``step N`` of what it asks of the operating
system about the file's folder.
"""

from __future__ import annotations

from pathlib import Path

from nursery import die_at_step, serve
from resolver_grpc.key_file import rotate_key_file


def run(_how, step, file):
    die_at_step(int(step), str(Path(file).parent))
    rotate_key_file(Path(file))


if __name__ == "__main__":
    serve(run)
