"""Takes defences out of copies of the repository, and sees what the tests say.

What belongs here: the copy, the taking out and putting back, and which failing counts: an assertion, an error that was
expected and did not come, or the one that the defence's own table names. A copy that does not import, a test that
fails with the defence in its place, and one that still passes without it are all faults of the list.
"""

from __future__ import annotations

import compileall
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

from defence_reports import REPORT
from defence_table import ROOT, Defence

COPIED = ("src", "tests", "tools", "bench", "docs", "protos")
COUNTING = frozenset({"AssertionError", "Failed"})
"""Errors that a test ends with where what it holds does not hold; ``Failed`` is that of ``pytest.raises``."""
_SECONDS = 300
_PYTEST = (
    "-m", "pytest", "-x", "-q", "-n", "0", "--no-header", "--tb=short", "--timeout", "60",
    "-p", "defence_reports", "-p", "no:cacheprovider", "--hypothesis-seed=0",
)  # fmt: skip
_KERNELS = "src/resolver_grpc/**/*.so"


class UnnoticedError(Exception):
    """A defence that can't be shown to be one; says why."""


def said_without(defence: Defence, test: str, failed: dict | None) -> str:
    """What a test said without a defence.

    Args:
        defence: that was taken out.
        test: one of its tests.
        failed: the names of the errors that the test ended with, and what it said; None where it passed.

    Raises:
        UnnoticedError: it passed, or failed otherwise than it should.
    """
    if failed is None:
        raise UnnoticedError(f"`{defence.defence}` can be taken out, and {test} passes all the same")
    if not set(failed["errors"]) <= COUNTING | {defence.fails_with}:
        raise UnnoticedError(f"`{defence.defence}`: {test} ends with {', '.join(failed['errors'])}: {failed['said']}")
    return failed["said"]


class Copy:
    """A copy of the repository in a folder of its own, used by one thread at a time.

    Args:
        folder: where it is made; new.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        left_out = shutil.ignore_patterns("__pycache__", "node_modules", ".hypothesis")
        for name in COPIED:
            shutil.copytree(ROOT / name, folder / name, ignore=left_out)
        for file in ROOT.iterdir():
            if file.is_file() and not file.name.startswith("."):
                shutil.copy2(file, folder / file.name)
        # By their digests: a file that is changed and changed back within a second is compiled anew each time.
        compileall.compile_dir(folder / "src", quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH)

    def check(self, tests: list[str]) -> None:
        """Holds that tests pass as long as nothing is taken out.

        Raises:
            UnnoticedError: one of them doesn't.
        """
        if failed := self._run(tests, _SECONDS * 10):
            raise UnnoticedError(f"a test fails with every defence in its place: {failed['said']}")

    def take_out(self, defence: Defence) -> list[str]:
        """Takes a defence out, runs its tests, and puts it back.

        Returns:
            What each of its tests said.

        Raises:
            UnnoticedError: a test passes all the same, or fails otherwise than it should.
        """
        path = self.folder / defence.file
        stood = path.read_bytes()
        kernels = {kernel: kernel.read_bytes() for kernel in self.folder.glob(_KERNELS)} if defence.compiled else {}
        path.write_text(defence.taken_out_of(stood.decode()), encoding="utf-8")
        try:
            if defence.compiled:
                self._build(list(kernels))
            self._import(defence)
            ends = [(test, self._run([test], _SECONDS)) for test in defence.tests]
            return [said_without(defence, test, failed).replace(str(self.folder), "") for test, failed in ends]
        finally:
            path.write_bytes(stood)
            for kernel, content in kernels.items():
                kernel.write_bytes(content)

    def _import(self, defence: Defence) -> None:
        path = Path(defence.file)
        if path.suffix != ".py" or path.parts[0] != "src":
            return
        module = ".".join(path.with_suffix("").parts[1:]).removesuffix(".__init__")
        done = self._start(["-c", f"import {module}"], _SECONDS)
        if done.returncode:
            raise UnnoticedError(f"`{defence.defence}`: without it {module} can't be imported")

    def _build(self, kernels: list[Path]) -> None:
        for kernel in kernels:
            kernel.unlink()
        self._start(["setup.py", "--quiet", "build_ext", "--inplace", "--force"], _SECONDS)
        if not all(kernel.exists() for kernel in kernels):
            raise UnnoticedError("a kernel that a defence was taken out of does not compile")

    def _run(self, tests: list[str], seconds: int) -> dict | None:
        """The first failing of some tests; None where they pass."""
        report = self.folder / "failed.jsonl"
        report.unlink(missing_ok=True)
        done = self._start([*_PYTEST, *tests], seconds, {REPORT: str(report)})
        if report.exists():
            return json.loads(report.read_text(encoding="utf-8").splitlines()[0])
        if done.returncode == 0:
            return None
        how = "Timeout" if done.returncode == -signal.SIGKILL else f"exit code {done.returncode}"
        return {"errors": [how], "said": " ".join((done.stdout + done.stderr).split())[-300:] or how}

    def _start(self, words: list[str], seconds: int, more: dict | None = None) -> subprocess.CompletedProcess:
        paths = os.pathsep.join([str(self.folder / "src"), str(self.folder / "tests" / "defences")])
        environment = os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
        with subprocess.Popen(
            [sys.executable, *words], cwd=self.folder, env=environment | (more or {}), text=True, errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        ) as process:  # fmt: skip
            try:
                out, err = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                out, err = process.communicate()
        return subprocess.CompletedProcess(words, process.returncode, out, err)
