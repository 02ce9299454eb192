"""Real processes of one learner, started with the variables of torchrun, and a client of rank 0."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from tiny_learner import step_messages

from gradus.learner.v1 import learner_pb2

# Only ends a hang.
MOST_SECONDS = 240


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Client:
    channel: grpc.Channel

    def _method(self, make: Any, name: str, request: Any, response: Any) -> Any:
        return make(
            f"/gradus.learner.v1.LearnerService/{name}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )

    def open(self, directory: Path, model: Path, resume: bool = False) -> learner_pb2.OpenRunResponse:
        pb = learner_pb2
        method = self._method(self.channel.unary_unary, "OpenRun", pb.OpenRunRequest, pb.OpenRunResponse)
        request = pb.OpenRunRequest(run_id="r", directory=str(directory), model_path=str(model), seed=1, resume=resume)
        return method(request, timeout=MOST_SECONDS)

    def step(self, step: int, trajectories: Sequence[bytes], **more: Any) -> learner_pb2.TrainStepResponse:
        pb = learner_pb2
        method = self._method(self.channel.stream_unary, "TrainStep", pb.TrainStepRequest, pb.TrainStepResponse)
        return method(iter(step_messages(step, trajectories, **more)), timeout=MOST_SECONDS)


@dataclass
class Processes:
    ranks: list[subprocess.Popen[str]]
    client: Client

    def wait(self) -> list[int]:
        return [process.wait(MOST_SECONDS) for process in self.ranks]


def start_rank(rank: int, size: int, port: int, folder: Path, *flags: str) -> subprocess.Popen[str]:
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OMP_NUM_THREADS": "1",
        **({} if size == 1 else {"RANK": f"{rank}", "WORLD_SIZE": f"{size}", "LOCAL_RANK": f"{rank}"}),
        **({} if size == 1 else {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": f"{port}"}),
    }
    with (folder / f"rank-{rank}.log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "gradus_learner.serve", "--threads", "1", *flags],
            stdout=subprocess.PIPE, stderr=log, env=env, text=True,
        )  # fmt: skip


@contextmanager
def started(size: int, folder: Path, *flags: str) -> Generator[Processes]:
    folder.mkdir(exist_ok=True)
    port = free_port()
    ranks = [start_rank(rank, size, port, folder, *flags) for rank in range(size)]
    try:
        ready: list[Any] = []
        for rank, process in enumerate(ranks):
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (folder / f"rank-{rank}.log").read_text()
            ready.append(json.loads(line))
        assert [found.get("rank", 0) for found in ready] == list(range(size))
        with grpc.insecure_channel(ready[0]["grpc"]) as channel:
            yield Processes(ranks, Client(channel))
        ranks[0].send_signal(signal.SIGTERM)
        for process in ranks:
            process.wait(MOST_SECONDS)
    finally:
        for process in ranks:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
