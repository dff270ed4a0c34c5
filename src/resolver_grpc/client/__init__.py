"""The client: batches, pipelining and retries over gRPC, and shipment files (domain rules, section 9).

What belongs here: what a sender's program needs to have its queries decided. It knows the wire and files;
it holds no rule of the domain.
"""

from resolver_grpc.client.changes import ChangesClient
from resolver_grpc.client.client import ResolverClient
from resolver_grpc.client.credentials import TokenFile, read_channel_credentials
from resolver_grpc.v1.decision_pb2 import Decision
from resolver_grpc.v1.query_pb2 import Query

__all__ = ["ChangesClient", "Decision", "Query", "ResolverClient", "TokenFile", "read_channel_credentials"]
