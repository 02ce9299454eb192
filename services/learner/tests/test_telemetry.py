"""Spans of a Python service, sent to a real OTLP server or to nobody."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from prometheus_client import CollectorRegistry

from gradus_learner.serve.telemetry import Tracing


class Receiver(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self) -> None:
        self.names: list[str] = []

    def Export(self, request: Any, context: Any) -> Any:
        del context
        self.names += [
            span.name for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans
        ]
        return trace_service_pb2.ExportTraceServiceResponse()


def counted(registry: CollectorRegistry, outcome: str) -> float:
    return registry.get_sample_value("gradus_trace_spans_total", {"outcome": outcome}) or 0.0


def test_spans_that_a_collector_took_are_counted_as_sent() -> None:
    server, receiver = grpc.server(ThreadPoolExecutor(2)), Receiver()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(receiver, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    registry = CollectorRegistry()
    tracing = Tracing("learner", f"http://127.0.0.1:{port}", 1.0, registry)
    for _ in range(3):
        with tracing.span("work"):
            pass
    tracing.shutdown()
    server.stop(None).wait()
    assert receiver.names == ["work"] * 3
    assert (counted(registry, "sent"), counted(registry, "failed")) == (3, 0)


def test_spans_that_no_collector_took_are_counted_as_failed() -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.stop(None).wait()
    registry = CollectorRegistry()
    tracing = Tracing("learner", f"http://127.0.0.1:{port}", 1.0, registry)
    with tracing.span("work"):
        pass
    tracing.shutdown()
    assert (counted(registry, "sent"), counted(registry, "failed")) == (0, 1)
