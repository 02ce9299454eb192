"""One shape for the Python services: gRPC with health and reflection, metrics, JSON logs, a ready line, a drain.

Lifecycle of a `GrpcService`:

| state    | health      | left by                                              |
|----------|-------------|------------------------------------------------------|
| new      | -           | `start`: binds, prints the ready line                |
| serving  | SERVING     | SIGTERM, SIGINT or `stop.set()`                      |
| draining | NOT_SERVING | calls in flight end, or `drain_ms` is over           |
| stopped  | -           |                                                      |

A service is registered from its descriptor; the implementation has one coroutine per RPC, named in snake_case:
`async def train_step(self, requests, context) -> TrainStepResponse`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gradus_learner.errors import GradusError, RefusedError
from gradus_learner.serve.access import callers_of, refusal_of
from gradus_learner.serve.config import ConfigError, ServiceConfig
from gradus_learner.serve.event_loop_lag import follow_lag, lag_histogram
from gradus_learner.serve.http_pages import start_pages
from gradus_learner.serve.statuses import status_of
from gradus_learner.serve.telemetry import Tracing, setup_logging
from gradus_learner.serve.tls import TlsMaterial

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
# As in services/platform/grpc/status.ts: trailers stay small, and say when to try again.
MAX_MESSAGE_CHARACTERS = 2048
RETRY_AFTER_KEY = "retry-after-ms"
# As in services/platform/grpc/health-reflection.ts: the health of this name says that the process answers at all.
LIVENESS_NAME = "liveness"
# For the event loop to say how the service is.
HEALTH_ANSWER_SECONDS = 3.0


def snake_case(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() and i > 0 else c.lower() for i, c in enumerate(name))


def is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0]
    return host in ("localhost", "[::1]") or host.startswith("127.")


def check_loopback(what: str, address: str, config: ServiceConfig) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65_535:
        raise ConfigError(f"{what} is {address!r}; it must be host:port, for example 127.0.0.1:0")
    if not is_loopback(address) and not config.insecure_remote and config.tls_cert is None:
        raise ConfigError(
            f"{what} is {address!r}, which is reachable from other machines, and callers are not authenticated; give "
            "--tls-ca, --tls-cert and --tls-key, or set --insecure-remote where the network itself is trusted"
        )
    return host, int(port)


def check_roots(config: ServiceConfig) -> None:
    for root in config.roots:
        if not root.is_absolute():
            raise ConfigError(f"roots has {str(root)!r}; its directories must be absolute paths")
    beyond = any(not is_loopback(address) for address in (config.grpc, config.metrics))
    if (config.insecure_remote or beyond) and not config.roots:
        raise ConfigError(
            "roots is empty and this service is for other machines: callers could name any directory; "
            "give the directories of runs and models as --roots DIR,DIR"
        )


class GrpcService:
    def __init__(self, name: str, config: ServiceConfig, log: logging.Logger | None = None) -> None:
        self.name = name
        self.config = config
        self.log = log or logging.getLogger("gradus")
        self.registry = CollectorRegistry()
        self.tracing = Tracing(name, config.otlp_endpoint, config.otlp_ratio, self.registry)
        self.stop = asyncio.Event()
        self.addresses: dict[str, str] = {}
        self.failed = False
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),
                # Callers ping a quiet call every 8 s to notice a machine that vanished; by default that is abuse.
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
                ("grpc.keepalive_permit_without_calls", 1),
            ]
        )
        self.tls = TlsMaterial.open(config, self.log)
        if self.tls is not None:
            tls = self.tls
            Gauge(
                "gradus_certificate_expiry_seconds",
                "End of the certificate of this process, in seconds since the epoch.",
                registry=self.registry,
            ).set_function(lambda: tls.expires)
        self._refused = Counter(
            "gradus_requests_refused_total",
            "Callers refused for who they are, or are not, or for how often they ask.",
            ["edge", "reason"],
            registry=self.registry,
        )
        self._health = health.aio.HealthServicer()  # pyright: ignore[reportAttributeAccessIssue]
        self._names: list[str] = []
        self._disposers: list[Callable[[], Awaitable[None]]] = []
        self._requests = Counter(
            "gradus_grpc_requests_total", "RPCs answered.", ["method", "code"], registry=self.registry
        )
        self._running = Gauge(
            "gradus_grpc_running_requests", "RPCs being worked on.", ["method"], registry=self.registry
        )
        self._seconds = Histogram(
            "gradus_grpc_request_seconds", "Time to answer an RPC.", ["method"], registry=self.registry
        )

        self._lag = lag_histogram(self.registry)

    def add(self, descriptor: ServiceDescriptor, implementation: object) -> None:
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        for method in descriptor.methods:
            run = getattr(implementation, snake_case(method.name), None)
            if run is None:
                raise TypeError(f"{type(implementation).__name__} has no {snake_case(method.name)} for {method.name}")
            handlers[method.name] = self._handler(method, run)
        generic = grpc.method_handlers_generic_handler(descriptor.full_name, handlers)
        self._server.add_generic_rpc_handlers((generic,))
        self._names.append(descriptor.full_name)

    def defer(self, dispose: Callable[[], Awaitable[None]]) -> None:
        """Run in reverse order once no call is in flight."""
        self._disposers.append(dispose)

    def fail(self, error: BaseException) -> None:
        """Fatal: drain, then exit 1."""
        self.log.critical("the service failed: %s", error, exc_info=error)
        self.failed = True
        self.stop.set()

    async def start(self) -> dict[str, str]:
        host, _ = check_loopback("grpc", self.config.grpc, self.config)
        metrics_host, metrics_port = check_loopback("metrics", self.config.metrics, self.config)
        check_roots(self.config)
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
        try:
            if self.tls is None:
                port = self._server.add_insecure_port(self.config.grpc)
            else:
                port = self._server.add_secure_port(self.config.grpc, self.tls.server_credentials())
        except RuntimeError:
            raise ConfigError(f"grpc is {self.config.grpc!r}: the port is in use; choose another or port 0") from None
        try:
            context = None if self.tls is None else self.tls.http_context()
            http = start_pages(
                metrics_host.strip("[]"),
                metrics_port,
                self.registry,
                self._ask_health(asyncio.get_running_loop()),
                context,
                lambda reason: self._refused.labels("http", reason).inc(),
            )
            if self.tls is not None and context is not None:
                self.tls.follow(context)
        except OSError as error:
            raise ConfigError(f"metrics is {self.config.metrics!r}: {error.strerror}") from None
        await self._server.start()
        await self._health.set(LIVENESS_NAME, health_pb2.HealthCheckResponse.SERVING)
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)
        self.addresses = {"grpc": f"{host}:{port}", "metrics": f"{metrics_host}:{http.server_port}"}

        async def close_metrics() -> None:
            await asyncio.to_thread(http.shutdown)
            http.server_close()

        lag = asyncio.create_task(follow_lag(self._lag))

        async def stop_following() -> None:
            lag.cancel()

        self._disposers.insert(0, close_metrics)
        self._disposers.insert(1, stop_following)
        return self.addresses

    async def drain(self) -> None:
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        await self._server.stop(self.config.drain_ms / 1000)
        for dispose in reversed(self._disposers):
            try:
                await dispose()
            except Exception:
                self.log.exception("a part did not stop cleanly")
        await asyncio.to_thread(self.tracing.shutdown)

    def _ask_health(self, loop: asyncio.AbstractEventLoop) -> Callable[[], str]:
        """What the gRPC health service says of '', asked of the event loop that answers calls; from other threads."""
        request = health_pb2.HealthCheckRequest(service="")

        def ask() -> str:
            future = asyncio.run_coroutine_threadsafe(self._health.Check(request, None), loop)
            try:
                reply = future.result(HEALTH_ANSWER_SECONDS)
            except TimeoutError:
                future.cancel()
                return "NOT_SERVING: the event loop is held up"
            return health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)

        return ask

    async def _set_health(self, status: Any) -> None:
        for name in ("", *self._names):
            await self._health.set(name, status)

    def _handler(self, method: MethodDescriptor, run: Callable[..., Any]) -> grpc.RpcMethodHandler[Any, Any]:
        request_class = message_factory.GetMessageClass(method.input_type)
        response_class = message_factory.GetMessageClass(method.output_type)
        streams: dict[str, Any] = {
            "request_deserializer": request_class.FromString,
            "response_serializer": response_class.SerializeToString,
        }
        name = f"{method.containing_service.full_name}/{method.name}"
        allowed = callers_of(method)

        async def admit(context: Any) -> None:
            refusal = None if self.tls is None else refusal_of(method.name, allowed, context)
            if refusal is None:
                return
            self._refused.labels("grpc", "role").inc()
            self.log.warning("a caller was refused: %s", refusal, extra={"fields": {"peer": context.peer()}})
            raise RefusedError(refusal)

        async def one_answer(request: Any, context: Any) -> Any:
            async with self._call(name, context):
                await admit(context)
                return await run(request, context)

        async def many_answers(request: Any, context: Any) -> AsyncGenerator[Any]:
            async with self._call(name, context):
                await admit(context)
                async for response in run(request, context):
                    yield response

        match (method.client_streaming, method.server_streaming):
            case (False, False):
                return grpc.unary_unary_rpc_method_handler(one_answer, **streams)
            case (True, False):
                return grpc.stream_unary_rpc_method_handler(one_answer, **streams)
            case (False, True):
                return grpc.unary_stream_rpc_method_handler(many_answers, **streams)
            case _:
                return grpc.stream_stream_rpc_method_handler(many_answers, **streams)

    @contextlib.asynccontextmanager
    async def _call(self, name: str, context: Any) -> AsyncGenerator[None]:
        """Spans and metrics; an error becomes a status (serve/statuses.py)."""
        started, code = time.monotonic(), "ok"
        carrier = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        self._running.labels(name).inc()
        try:
            with self.tracing.span(name, carrier):
                yield
        except GradusError as error:
            status = status_of(error)
            code = status.name.lower()
            self.log.warning("%s: %s", name, error, extra={"fields": {"code": code}})
            trailers = () if error.retry_after_ms is None else ((RETRY_AFTER_KEY, str(error.retry_after_ms)),)
            await context.abort(status, str(error)[:MAX_MESSAGE_CHARACTERS], trailers)
        except (asyncio.CancelledError, grpc.aio.AbortError):
            code = "cancelled"
            raise
        except Exception as error:
            code = "internal"
            self.log.exception("%s failed", name)
            await context.abort(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}"[:MAX_MESSAGE_CHARACTERS])
        finally:
            self._running.labels(name).dec()
            self._requests.labels(name, code).inc()
            self._seconds.labels(name).observe(time.monotonic() - started)


async def serve(service: GrpcService) -> int:
    """Start, print the ready line, wait for a signal, drain. The exit code."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stop.set)
    addresses = await service.start()
    print(json.dumps({"service": service.name, **addresses}), flush=True)
    service.log.info("serving", extra={"fields": {**addresses, "config": service.config.model_dump(by_alias=True)}})
    await service.stop.wait()
    service.log.info("draining")
    await service.drain()
    service.log.info("stopped")
    return 1 if service.failed else 0


def run_service(name: str, config: ServiceConfig, build: Callable[[GrpcService], Awaitable[None]]) -> int:
    """The whole of a main: `build` adds services, metrics and disposers to the service it gets."""
    log = setup_logging(name, config.log_level)
    # What a run leaves behind is for its owner; a stricter mask stays.
    os.umask(os.umask(0o077) | 0o077)

    async def main() -> int:
        service = GrpcService(name, config, log)
        await build(service)
        return await serve(service)

    try:
        return asyncio.run(main())
    except (ConfigError, ValueError) as error:
        log.error("%s", error)
        print(f"gradus {name}: {error}", file=sys.stderr)
        return 2
