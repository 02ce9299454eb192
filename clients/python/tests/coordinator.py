"""A coordinator for tests: calls of the learner's contract over real gRPC, each in a thread, as the test is the
trainer."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from tiny_learner import step_messages

from gradus.learner.v1 import learner_pb2 as pb

CALL_SECONDS = 120.0


class Coordinator:
    def __init__(self, channel: grpc.Channel, threads: ThreadPoolExecutor) -> None:
        self._channel = channel
        self._threads = threads

    def _call(self, make: Any, name: str, request: Any, response: Any, argument: Any) -> Any:
        call = make(
            f"/gradus.learner.v1.LearnerService/{name}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        return call(argument, timeout=CALL_SECONDS)

    def open(self, directory: Path, model: Path, **more: Any) -> pb.OpenRunResponse:
        values: dict[str, Any] = {
            "run_id": "r",
            "directory": str(directory),
            "model_path": str(model),
            "seed": 1,
            **more,
        }
        request = pb.OpenRunRequest(**values)
        return self._call(self._channel.unary_unary, "OpenRun", pb.OpenRunRequest, pb.OpenRunResponse, request)

    def step(self, number: int, trajectories: Sequence[bytes], **more: Any) -> Future[pb.TrainStepResponse]:
        messages = step_messages(number, trajectories, **more)
        make = self._channel.stream_unary
        return self._threads.submit(
            self._call, make, "TrainStep", pb.TrainStepRequest, pb.TrainStepResponse, iter(messages)
        )


@contextmanager
def coordinator(address: str) -> Generator[Coordinator]:
    with grpc.insecure_channel(address) as channel, ThreadPoolExecutor(4) as threads:
        yield Coordinator(channel, threads)
