"""The engine as a process, and a client of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message

from gradus.policy.v1 import policy_pb2
from gradus.trajectory.v1 import trajectory_pb2

LEARNER = Path(__file__).parents[2]
DEADLINE_SECONDS = 120


@dataclass
class Client:
    process: subprocess.Popen[str]
    ready: dict[str, str]
    channel: grpc.Channel

    def method(self, name: str, response: type[Message]) -> grpc.UnaryUnaryMultiCallable[Any, Any]:
        return self.channel.unary_unary(
            f"/gradus.policy.v1.EngineService/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )

    def call(self, name: str, request: Message, response: type[Message]) -> Any:
        return self.method(name, response)(request, timeout=DEADLINE_SECONDS)

    def describe(self) -> Any:
        return self.call("Describe", policy_pb2.DescribeRequest(), policy_pb2.DescribeResponse)

    def generate(self, request: policy_pb2.GenerateRequest) -> Any:
        return self.call("Generate", request, policy_pb2.GenerateResponse)

    def future(self, request: policy_pb2.GenerateRequest) -> Any:
        return self.method("Generate", policy_pb2.GenerateResponse).future(request, timeout=DEADLINE_SECONDS)

    def until(self, holds: Callable[[Any], bool]) -> None:
        end = time.monotonic() + DEADLINE_SECONDS
        while not holds(self.describe()):
            assert time.monotonic() < end, "the engine never got there"

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://{self.ready['metrics']}/metrics", timeout=60) as response:
            return response.read().decode()


def launch(directory: Path, *flags: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(LEARNER), str(LEARNER / "../../proto/gen/python")])
    return subprocess.Popen(
        [sys.executable, "-m", "gradus_learner.engine", "--model", str(directory), "--threads", "1", *flags],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def connect(process: subprocess.Popen[str]) -> Client:
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    return Client(process, ready, grpc.insecure_channel(ready["grpc"]))


def request(token_ids: list[int], request_id: str = "", context: int = 0, **sampling: Any) -> Any:
    settings: dict[str, Any] = {"temperature": 1.0, "max_new_tokens": 6, **sampling}
    return policy_pb2.GenerateRequest(
        request_id=request_id,
        session_id="session",
        token_ids=token_ids,
        sampling=trajectory_pb2.Sampling(**settings),
        context_tokens=context,
    )


def load(client: Client, version: int, path: Path | str, epoch: int = 0) -> Any:
    message = policy_pb2.LoadVersionRequest(version=version, weights_path=str(path), epoch=epoch)
    return client.call("LoadVersion", message, policy_pb2.LoadVersionResponse)
