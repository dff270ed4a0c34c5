from resolver_grpc.model import Kind, Reason, Sender, SenderClass
from resolver_grpc.server.served import open_served
from resolver_grpc.v1.query_pb2 import Query
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest, ResolveBatchResponse
from small_register import BO, NOON, build_register


def test_a_snapshot_without_owners_finds_nobody(tmp_path):
    """Whichever way it answers."""
    register = build_register(tmp_path, mailboxes=(), relations=())
    sender = Sender("s", "S", "13585628", SenderClass.PRIVATE, kinds=frozenset({Kind.CPR}))
    served = open_served(register.directory, register.key, {"s": sender}, None)
    request = ResolveBatchRequest(sender_id="s", queries=[Query(reference="1", kind=Kind.CPR.value, number=BO)])
    response = ResolveBatchResponse.FromString(served.batches.answer(request.SerializeToString(), NOON))
    served.snapshot.index.close()
    assert [decision.reason for decision in response.decisions] == [Reason.NOT_FOUND]
