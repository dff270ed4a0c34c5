"""A log that is trimmed while a server has it open: nothing acknowledged is lost, and nothing trimmed is told."""

import subprocess
import sys
from base64 import b64encode

import grpc
import pytest
from change_nursery import fresh_id, new_log, registering, unchanged

from change_messages import message
from resolver_grpc.model import Kind, QueryRow
from resolver_grpc.v1 import change_service_pb2 as wire
from small_register import ANN, BO

TRIM = """
import sys
from base64 import b64decode
from pathlib import Path
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.keys import KeyRing, MasterKey
with ChangeLog(Path(sys.argv[1]), KeyRing(MasterKey(b64decode(sys.stdin.readline())))) as log:
    log.trim(int(sys.argv[2]))
"""


def trim(log, key, up_to):
    """Trims in another process, as the program does."""
    secret = b64encode(key.secret).decode()
    subprocess.run([sys.executable, "-c", TRIM, log, str(up_to)], input=f"{secret}\n", text=True, check=True)


def of_number(number):
    return QueryRow("", Kind.CPR, number=number)


def test_changes_before_and_after_a_trimming_count_and_the_sequences_go_on(tmp_path):
    register = unchanged(tmp_path)
    log = new_log(tmp_path / "changes", register.key)
    with registering(register, log, tmp_path) as registrar:
        assert registrar.ask(of_number(ANN), sender_id="town") == ("DELIVERABLE", [ANN])
        first = registrar.took(message("mailbox_closed", ANN, change_id=fresh_id()))
        trim(log, register.key, first[0])
        assert registrar.ask(of_number(ANN), sender_id="town") == ("NOT_FOUND", [])
        second = registrar.took(message("mailbox_closed", BO, change_id=fresh_id()))
        assert second == [first[0] + 1]
        response = registrar.resolve(of_number(BO), sender_id="town")
        assert (response.change_sequence, len(response.decisions[0].targets)) == (second[0], 0)
        request = wire.WatchChangesRequest(from_sequence=first[0])
        with pytest.raises(grpc.RpcError) as refused:
            next(registrar.changes.WatchChanges(request, metadata=registrar.registrar))
        assert refused.value.code() is grpc.StatusCode.OUT_OF_RANGE
