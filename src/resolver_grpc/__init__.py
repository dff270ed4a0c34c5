"""resolver-grpc: exchanges what a sender knows about a recipient for a routing decision."""
