"""Node.js calls the resolver from the .proto files alone and is told the same as the Python client."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict

from resolver_grpc.client import ResolverClient
from resolver_grpc.client.batches import encode_query

REPOSITORY = Path(__file__).parents[1]
PROGRAM = REPOSITORY / "tests" / "node"
PROTOS = REPOSITORY / "protos"
CACHE = REPOSITORY / "node_modules" / ".resolver-grpc-test"  # git ignores it, and `make check` reads nothing there
NO_REGISTRY = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "E403")

pytestmark = pytest.mark.timeout(300)  # the first run fetches packages


def install_packages():
    """Install what the lock file names, once per lock file; gives the folder to require packages from."""
    files = [PROGRAM / name for name in ("package.json", "package-lock.json", ".npmrc")]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
    place = CACHE / digest
    if not place.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        # Installed beside its place and renamed: a run that was cut off leaves nothing that looks complete.
        folder = Path(tempfile.mkdtemp(dir=CACHE))
        try:
            for path in files:
                shutil.copy(path, folder)
            done = subprocess.run(["npm", "ci"], cwd=folder, capture_output=True, text=True, timeout=240, check=False)
            if any(sign in done.stderr for sign in NO_REGISTRY):
                pytest.skip("npm can't install the packages: no registry within reach")
            assert done.returncode == 0, done.stderr
            folder.rename(place)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return place / "node_modules"


@pytest.fixture(scope="module")
def packages():
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    return install_packages()


def as_dict(message):
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def run_node(packages, server, queries):
    done = subprocess.run(
        ["node", str(PROGRAM / "resolve.js"), server.target, server.sender_ids[0], str(PROTOS)],
        input=json.dumps([as_dict(encode_query(query, row)) for row, query in enumerate(queries, 1)]),
        env=os.environ | {"NODE_PATH": str(packages)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_node_is_told_the_same_as_python(packages, running_server):
    answers = run_node(packages, running_server, running_server.queries)
    with ResolverClient(running_server.target) as client:
        expected = [
            as_dict(decision)
            for decision in client.resolve(running_server.queries, sender_id=running_server.sender_ids[0])
        ]
        info = as_dict(client.server_info())
    assert len(expected) == len(running_server.queries) > 1
    assert answers["batch"]["decisions"] == expected
    assert [len(response["decisions"]) for response in answers["stream"]] == [
        (len(expected) + 1) // 2,
        len(expected) // 2,
    ]
    assert [decision for response in answers["stream"] for decision in response["decisions"]] == expected
    assert {response["snapshot_id"] for response in (answers["batch"], *answers["stream"])} == {info["snapshot_id"]}
    for name in ("max_queries", "max_request_bytes", "snapshot_id", "register_date", "policy_version"):
        assert answers["info"][name] == info[name]
    assert answers["unknown_sender"] == "PERMISSION_DENIED"
