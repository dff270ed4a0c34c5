"""The gRPC server: composition root, servicers, status mapping."""
