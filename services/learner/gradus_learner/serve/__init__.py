"""The learner as a gRPC service."""
