"""/metrics and /healthz of a Python service, asked over real HTTP and HTTPS."""

from __future__ import annotations

import asyncio
import http.client
import logging
import re
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2
from tiny_learner import serving

from gradus_learner.serve.config import LearnerConfig
from gradus_learner.serve.grpc_server import GrpcService
from gradus_learner.serve.tls import TlsMaterial


def ask(address: str, path: str, context: ssl.SSLContext | None = None, method: str = "GET") -> tuple[int, str]:
    host, port = address.rsplit(":", 1)
    if context is None:
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
    else:
        connection = http.client.HTTPSConnection(host, int(port), timeout=60, context=context)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_healthz_says_what_the_grpc_health_service_says_and_nothing_else_is_served() -> None:
    async def scenario() -> None:
        service = GrpcService("learner", LearnerConfig())
        async with serving(service):
            address = service.addresses["metrics"]
            assert await asyncio.to_thread(ask, address, "/healthz") == (200, "SERVING\n")
            assert await asyncio.to_thread(ask, address, "/healthz", None, "HEAD") == (200, "")
            status, text = await asyncio.to_thread(ask, address, "/metrics")
            assert (status, "gradus_event_loop_lag_seconds_bucket" in text) == (200, True)
            assert (await asyncio.to_thread(ask, address, "/elsewhere"))[0] == 404
            assert (await asyncio.to_thread(ask, address, "/metrics", None, "POST"))[0] == 405
            await service._health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)  # pyright: ignore
            assert await asyncio.to_thread(ask, address, "/healthz") == (503, "NOT_SERVING\n")

    asyncio.run(scenario())


def test_p10_an_event_loop_that_is_held_up_is_not_healthy_and_its_lag_is_counted() -> None:
    async def scenario() -> None:
        service = GrpcService("learner", LearnerConfig())
        async with serving(service):
            address = service.addresses["metrics"]

            def wait_for_more_than(seconds: str) -> None:
                while True:
                    text = ask(address, "/metrics")[1]
                    below = dict(re.findall(r'gradus_event_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)', text))
                    if float(below["+Inf"]) > float(below.get(seconds, 0)):
                        return
                    time.sleep(0.05)

            await asyncio.to_thread(wait_for_more_than, "nothing")
            said: list[tuple[int, str]] = []
            asking = threading.Thread(target=lambda: said.append(ask(address, "/healthz")))
            asking.start()
            # On the event loop, for as long as someone waits for it.
            asking.join()
            assert said == [(503, "NOT_SERVING: the event loop is held up\n")]
            assert await asyncio.to_thread(ask, address, "/healthz") == (200, "SERVING\n")
            await asyncio.to_thread(wait_for_more_than, "1.0")

    asyncio.run(scenario())


def make_certificates(directory: Path, *roles: str, days: int = 2) -> None:
    """An authority and a certificate of each role, by openssl."""

    def openssl(*args: str) -> None:
        subprocess.run(["openssl", *args], cwd=directory, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ca", "-days", "2")
    for role in roles:
        openssl("req", *key, "-keyout", f"{role}.key", "-out", f"{role}.csr", "-subj", f"/CN={role}")
        (directory / "names").write_text(f"subjectAltName=DNS:{role}.gradus.internal,IP:127.0.0.1\n")
        openssl(
            "x509", "-req", "-in", f"{role}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", f"{role}.crt", "-days", str(days), "-extfile", "names",
        )  # fmt: skip


def test_healthz_asks_no_certificate_and_metrics_one_of_a_role_that_reads_them(tmp_path: Path) -> None:
    own, foreign = tmp_path / "own", tmp_path / "foreign"
    for directory in (own, foreign):
        directory.mkdir()
        make_certificates(directory, "learner", "metrics", "rollout")

    def context(directory: Path | None, role: str) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=str(own / "ca.crt"))
        if directory is not None:
            made.load_cert_chain(directory / f"{role}.crt", directory / f"{role}.key")
        return made

    config = LearnerConfig(tls_ca=own / "ca.crt", tls_cert=own / "learner.crt", tls_key=own / "learner.key")

    async def scenario() -> None:
        service = GrpcService("learner", config)
        async with serving(service):
            address = service.addresses["metrics"]
            # One that says nothing holds up no other.
            _, silent = await asyncio.open_connection(*address.rsplit(":", 1))
            assert await asyncio.to_thread(ask, address, "/healthz", context(None, "")) == (200, "SERVING\n")
            status, text = await asyncio.to_thread(ask, address, "/metrics", context(None, ""))
            assert (status, text) == (
                401, "a caller without a certificate may not ask this; it is for metrics, viewer, operator\n",
            )  # fmt: skip
            assert (await asyncio.to_thread(ask, address, "/metrics", context(own, "rollout")))[0] == 403
            with pytest.raises((ssl.SSLError, OSError)):
                await asyncio.to_thread(ask, address, "/metrics", context(foreign, "metrics"))
            status, text = await asyncio.to_thread(ask, address, "/metrics", context(own, "metrics"))
            assert status == 200
            assert 'gradus_requests_refused_total{edge="http",reason="role"} 1.0' in text
            assert 'gradus_requests_refused_total{edge="http",reason="certificate"} 2.0' in text
            assert service.tls is not None
            [ends] = [line for line in text.splitlines() if line.startswith("gradus_certificate_expiry_seconds")]
            assert float(ends.split()[1]) == service.tls.expires
            silent.close()

    asyncio.run(scenario())


def test_the_end_of_the_certificate_is_that_of_the_one_in_use(tmp_path: Path) -> None:
    def ends() -> float:
        """By openssl: `notAfter=Dec  4 16:08:00 2026 GMT`."""
        command = ["openssl", "x509", "-enddate", "-noout", "-in", str(tmp_path / "learner.crt")]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return ssl.cert_time_to_seconds(printed.strip().removeprefix("notAfter="))

    make_certificates(tmp_path, "learner")
    log = logging.getLogger("gradus")
    tls = TlsMaterial(tmp_path / "ca.crt", tmp_path / "learner.crt", tmp_path / "learner.key", log)
    first = ends()
    assert tls.expires == first
    make_certificates(tmp_path, "learner", days=9)
    # New files are looked for when a client connects.
    tls.channel_credentials()
    assert tls.expires == ends() > first + 6 * 86_400
