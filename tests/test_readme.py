"""The README's tour and its Python are run as they stand."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language, holding):
    found = [text for text in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if holding in text]
    assert len(found) == 1
    return found[0]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def commands(console):
    """The lines behind the prompt, with those that they go on over."""
    return re.findall(r"^\$ ((?:.*\\\n)*.*)$", console, re.MULTILINE)


def test_the_tour_runs_from_register_to_error_list_and_so_does_the_python(tmp_path):
    port = str(free_port())
    python = block("python", "ResolverClient").replace("50051", port)
    steps = commands(block("console", "generate_population"))
    assert steps[0] == "source .venv/bin/activate"
    assert len(steps) == 9
    tour = [step.replace("50051", port) for step in steps[1:]]
    serve = next(place for place, step in enumerate(tour) if step.endswith("&"))
    tour[serve] = tour[serve].replace("--as-of", f"--listen 127.0.0.1:{port} --as-of")
    tour.insert(-1, f"{sys.executable} snippet.py")
    (tmp_path / "snippet.py").write_text(python, encoding="utf-8")
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e"],
        input="set -m\n" + "\n".join(tour),
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert "SUBSCRIBED_BY_TERMS" in done.stdout
    assert "reference;reason;field" in done.stdout
    assert re.search(r"^1 (HOLD|MAILBOX) \d+$", done.stdout, re.MULTILINE)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(((?!http)[^)]+)\)", README))))
def test_every_link_leads_somewhere(link):
    assert (ROOT / link).exists()


def test_every_folder_of_the_table_is_there():
    named = re.findall(r"`(src/resolver_grpc/[a-z_/.]+)`", README)
    assert len(named) > 7
    assert all((ROOT / name).exists() for name in named)


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/**/*.md")), ids=lambda page: page.name)
def test_every_link_of_the_documentation_leads_somewhere(page):
    for link in re.findall(r"\]\(((?!http)[^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists()


def test_the_make_targets_that_the_readme_names_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`?make ([a-z-]+)`?", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
