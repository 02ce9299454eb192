"""The health check of containers, asked of a real gRPC server."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from gradus_learner.serve.health_check import address_here, check_health


def test_an_address_that_listens_everywhere_is_asked_on_this_machine() -> None:
    assert address_here("0.0.0.0:50051") == "127.0.0.1:50051"
    assert address_here("[::]:50051") == "[::1]:50051"
    assert address_here("10.0.0.5:7000") == "10.0.0.5:7000"


def test_a_service_serves_or_not_or_does_not_answer() -> None:
    server = grpc.server(ThreadPoolExecutor(2))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    env = {"GRADUS_GRPC": f"127.0.0.1:{port}", "GRADUS_MODEL": "/models/policy"}
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    assert check_health(env) == "SERVING"
    servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    assert check_health(env) == "NOT_SERVING"
    server.stop(None).wait()
    with pytest.raises(grpc.RpcError):
        check_health(env)
