"""`python -m gradus_learner.serve.health_check`: the health check of a container.

It asks the service of this container, by the settings that it has itself, and ends with 0 where it serves.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gradus_learner.serve.config import ConfigError, ServiceConfig, load_config

# Whoever asks has a limit of its own, and a busy machine needs some of it to start this program.
TIMEOUT_SECONDS = 8
SUFFIX = ".gradus.internal"


def address_here(address: str) -> str:
    """`0.0.0.0` and `[::]` say where a service listens: from here it is this machine."""
    host, port = address.rsplit(":", 1)
    here = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)
    return f"{here}:{port}"


def role_of(cert: bytes, path: Path) -> str:
    """One image has several services, and only the certificate says which of them runs in this container."""
    try:
        found = x509.load_pem_x509_certificate(cert).extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = found.value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        names = []
    roles = [name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)]
    if not roles:
        raise ConfigError(f"tls.cert: {path} names no role: of its DNS names {names} none ends in {SUFFIX}")
    return roles[0]


def channel_of(config: ServiceConfig) -> grpc.Channel:
    """With the certificate of the service, where it has one; then the other side must be of the same role."""
    address = address_here(config.grpc)
    plain = [("grpc.enable_http_proxy", 0)]
    if config.tls_ca is None or config.tls_cert is None or config.tls_key is None:
        return grpc.insecure_channel(address, plain)
    ca, key, cert = (file.read_bytes() for file in (config.tls_ca, config.tls_key, config.tls_cert))
    named = ("grpc.ssl_target_name_override", f"{role_of(cert, config.tls_cert)}{SUFFIX}")
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(ca, key, cert), [*plain, named])


def ask(channel: grpc.Channel) -> str:
    with channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        reply = stub.Check(health_pb2.HealthCheckRequest(service=""), timeout=TIMEOUT_SECONDS)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)


def check_health(env: Mapping[str, str]) -> str:
    """SERVING or NOT_SERVING; raises grpc.RpcError where nothing answers."""
    return ask(channel_of(load_config(ServiceConfig, [], env)))


def main() -> int:
    try:
        status = check_health(os.environ)
    except (ConfigError, OSError) as error:
        print(f"health check: {error}", file=sys.stderr)
        return 1
    except grpc.RpcError as error:
        print(f"health check: nothing answers: {error.details()}", file=sys.stderr)  # pyright: ignore
        return 1
    return 0 if status == "SERVING" else 1


if __name__ == "__main__":
    sys.exit(main())
