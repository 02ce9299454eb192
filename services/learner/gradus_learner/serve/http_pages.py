"""`/metrics` for Prometheus and `/healthz` for probes, as services/platform/runtime/metrics-server.ts has them.

Both have a thread of their own, which answers while everything else is held up: so `/healthz` asks the event loop. With
certificates it is HTTPS, and /metrics is for who has one of a role that reads it; /healthz is for everyone, since the
probes of a cluster have none.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any, ClassVar, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app

from gradus_learner.serve.access import SUFFIX

READERS = ("metrics", "viewer", "operator")
PEER = "gradus.peer_names"


class Pages(ThreadingMixIn, WSGIServer):
    """A thread for each connection, so that one that stalls, in its handshake too, holds up no other."""

    daemon_threads = True
    # Told `role` or `certificate`: why a peer was refused.
    refused: Callable[[str], None]


class Handler(WSGIRequestHandler):
    # Seconds for a handshake and a request.
    timeout: ClassVar[float | None] = 10.0

    def log_message(self, format: str, *args: Any) -> None:
        """What is asked is no event."""

    def handle(self) -> None:
        try:
            super().handle()
        except ssl.SSLCertVerificationError:
            cast("Pages", self.server).refused("certificate")
        except OSError:
            """Whoever asked has left, or speaks no TLS."""

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        if isinstance(self.connection, ssl.SSLSocket):
            certificate: Any = self.connection.getpeercert() or {}
            environ[PEER] = [name for kind, name in certificate.get("subjectAltName", ()) if kind == "DNS"]
        return environ


def refusal(environ: WSGIEnvironment) -> str | None:
    """Why /metrics is refused to a peer; None without certificates, where what reaches the port may read it."""
    names: list[str] | None = environ.get(PEER)
    if names is None or any(name == f"{role}{SUFFIX}" for role in READERS for name in names):
        return None
    roles = " and ".join(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))
    return f"{roles or 'a caller without a certificate'} may not ask this; it is for {', '.join(READERS)}\n"


def start_pages(
    host: str,
    port: int,
    registry: CollectorRegistry,
    health: Callable[[], str],
    tls: ssl.SSLContext | None,
    refused: Callable[[str], None],
) -> Pages:
    """`health` says SERVING, or why not, as 200 or 503 of /healthz. Raises OSError where the address cannot be had."""
    metrics = make_wsgi_app(registry)

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def answer(status: str, body: str, *headers: tuple[str, str]) -> list[bytes]:
            start_response(status, [("Content-Type", "text/plain"), *headers])
            return [body.encode()]

        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return answer("405 Method Not Allowed", "", ("Allow", "GET, HEAD"))
        match environ["PATH_INFO"]:
            case "/metrics":
                why = refusal(environ)
                if why is None:
                    text = metrics({**environ, "REQUEST_METHOD": "GET"}, start_response)
                    return text if environ["REQUEST_METHOD"] == "GET" else [b""]
                refused("role" if environ[PEER] else "certificate")
                return answer("403 Forbidden" if environ[PEER] else "401 Unauthorized", why)
            case "/healthz":
                said = health()
                return answer("200 OK" if said == "SERVING" else "503 Service Unavailable", f"{said}\n")
            case _:
                return answer("404 Not Found", "/metrics and /healthz are served here\n")

    class Server(Pages):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    server = make_server(host, port, application, Server, Handler)
    server.refused = refused
    if tls is not None:
        # The handshake is made where the connection is read, in its own thread.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
