"""The health check of containers, asked of a real gRPC server."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from test_http_pages import make_certificates

from gradus_learner.serve.config import ConfigError
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


def test_with_certificates_the_service_is_of_the_role_that_its_own_certificate_names(tmp_path: Path) -> None:
    make_certificates(tmp_path, "learner", "engine")
    ca, cert, key = ((tmp_path / name).read_bytes() for name in ("ca.crt", "engine.crt", "engine.key"))
    server = grpc.server(ThreadPoolExecutor(2))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    credentials = grpc.ssl_server_credentials([(key, cert)], ca, require_client_auth=True)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)

    def env_of(role: str) -> dict[str, str]:
        files = {"CA": "ca.crt", "CERT": f"{role}.crt", "KEY": f"{role}.key"}
        paths = {f"GRADUS_TLS_{name}": str(tmp_path / file) for name, file in files.items()}
        return {"GRADUS_GRPC": f"0.0.0.0:{port}", **paths}

    try:
        assert check_health(env_of("engine")) == "SERVING"
        with pytest.raises(grpc.RpcError):
            check_health(env_of("learner"))
        # The authority's own: it has no names.
        with pytest.raises(ConfigError, match=r"tls\.cert: .*ca\.crt names no role"):
            check_health({**env_of("engine"), "GRADUS_TLS_CERT": str(tmp_path / "ca.crt")})
    finally:
        server.stop(None).wait()
