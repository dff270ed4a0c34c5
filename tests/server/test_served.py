"""What is opened to be served, and what is left of it."""

import gc
from weakref import ref

from change_messages import message
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.keys import KeyRing
from resolver_grpc.model import Kind, Reason, Sender, SenderClass
from resolver_grpc.server.judging import Draft, read_sent
from resolver_grpc.server.served import open_served
from resolver_grpc.v1.query_pb2 import Query
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest, ResolveBatchResponse
from small_register import BO, KNOWN_SENDERS, NOON, build_register


def test_a_snapshot_without_owners_finds_nobody(tmp_path):
    """Whichever way it answers."""
    register = build_register(tmp_path, mailboxes=(), relations=())
    sender = Sender("s", "S", "13585628", SenderClass.PRIVATE, kinds=frozenset({Kind.CPR}))
    served = open_served(register.directory, register.key, {"s": sender}, None)
    request = ResolveBatchRequest(sender_id="s", queries=[Query(reference="1", kind=Kind.CPR.value, number=BO)])
    response = ResolveBatchResponse.FromString(served.batches.answer(request.SerializeToString(), NOON))
    served.snapshot.index.close()
    assert [decision.reason for decision in response.decisions] == [Reason.NOT_FOUND]


def test_changes_leave_memory_with_the_snapshot_that_they_were_laid_over(tmp_path):
    """Without the garbage collector, which doesn't look at what a server was opened with."""
    register = build_register(tmp_path, change_sequence=0)
    request = ResolveBatchRequest(sender_id="power", queries=[Query(reference="1", kind=Kind.CPR.value, number=BO)])
    with ChangeLog(tmp_path / "log", KeyRing(register.key)) as log:
        served = open_served(register.directory, register.key, KNOWN_SENDERS, None, log=log)
        log.append([Draft(served.overlaid).judge(read_sent(message("mailbox_closed", BO), NOON))])
        served.overlaid.replay()
        response = ResolveBatchResponse.FromString(served.batches.answer(request.SerializeToString(), NOON))
        assert [decision.reason for decision in response.decisions] == [Reason.NOT_FOUND]
        overlay = ref(served.overlaid.index.overlay)
        gc.disable()
        try:
            served.close()
            del served
            assert overlay() is None
        finally:
            gc.enable()
