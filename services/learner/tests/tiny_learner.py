"""Small things for tests: a random policy, trajectories as they lie on the stream, a learner over real gRPC."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import torch
from prometheus_client import CollectorRegistry

from gradus.learner.v1 import learner_pb2, learner_service_pb2
from gradus.trajectory.v1 import trajectory_pb2
from gradus_learner.models.dense import Dense
from gradus_learner.models.dense_config import DenseConfig
from gradus_learner.models.load import save_weights
from gradus_learner.models.qwen3 import QWEN3
from gradus_learner.objectives.objective import Intake
from gradus_learner.objectives.policy_gradient import PolicyGradient
from gradus_learner.serve.config import LearnerConfig
from gradus_learner.serve.grpc_server import GrpcService
from gradus_learner.serve.learner import LearnerService
from gradus_learner.serve.learner_events import LearnerEvents
from gradus_learner.train.run import LearnerRun
from gradus_learner.train.sample import Sample, sequence_digest

VOCABULARY = 50
CONFIG = DenseConfig(
    QWEN3,
    vocab_size=VOCABULARY,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=8,
)
PLAIN = PolicyGradient(learning_rate=1e-3, clip_low=0.2, clip_high=0.28, dual_clip=10.0)


def random_policy(seed: int = 0) -> Dense:
    policy = Dense(CONFIG)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.normal_(1.0 if parameter.dim() == 1 else 0.0, 0.2, generator=generator)
    return policy


def flip_a_bit(file: Path) -> None:
    """In the last tensor's data: the header still reads well."""
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)


Piece = tuple[int, int]
PROMPT, MODEL, ENVIRONMENT = (
    trajectory_pb2.SEGMENT_KIND_PROMPT,
    trajectory_pb2.SEGMENT_KIND_MODEL,
    trajectory_pb2.SEGMENT_KIND_ENVIRONMENT,
)
SHAPES: tuple[tuple[Piece, ...], ...] = (
    ((PROMPT, 4), (MODEL, 5), (ENVIRONMENT, 7), (MODEL, 3)),
    ((PROMPT, 6), (MODEL, 2)),
    ((PROMPT, 3), (MODEL, 9), (ENVIRONMENT, 2), (MODEL, 1)),
    ((PROMPT, 5), (MODEL, 4), (ENVIRONMENT, 12), (MODEL, 6)),
)


def trajectory(
    shape: Sequence[Piece], seed: int, policy: Dense | None = None, tokenizer_hash: str = ""
) -> trajectory_pb2.Trajectory:
    """Random tokens; logprobs are the policy's own where one is given, else -1."""
    ids = np.random.default_rng(seed).integers(0, VOCABULARY, sum(count for _, count in shape))
    logprobs = np.full(len(ids), -1.0)
    if policy is not None:
        with torch.no_grad():
            table = torch.log_softmax(policy(torch.from_numpy(ids).unsqueeze(0))[0], -1)
        logprobs[1:] = table[np.arange(len(ids) - 1), ids[1:]].numpy()
    message = trajectory_pb2.Trajectory(
        run_id="r", task_id=f"t{seed}", tokenizer_hash=tokenizer_hash, sequence_digest=sequence_digest(ids)
    )
    at = 0
    for kind, count in shape:
        segment: Any = message.segments.add(kind=kind, token_ids=ids[at : at + count].tolist())
        if kind == MODEL:
            segment.logprobs.extend(logprobs[at : at + count].tolist())
            segment.logprob_kind = trajectory_pb2.LOGPROB_KIND_TEMPERED
            segment.sampling.temperature = 1.0
            segment.versions.SetInParent()
        at += count
    return message


def samples(policy: Dense | None = None, advantages: Sequence[float] = (1.0, -0.5, 0.8, -1.3)) -> list[Sample]:
    made: list[Sample] = []
    for index, advantage in enumerate(advantages):
        message = trajectory(SHAPES[index % len(SHAPES)], index, policy)
        kinds = np.concatenate([np.full(len(segment.token_ids), segment.kind) for segment in message.segments])
        logprobs = [value for segment in message.segments for value in segment.logprobs]
        made.append(
            Sample(
                task_id=message.task_id,
                ids=np.array([token for segment in message.segments for token in segment.token_ids], np.int64),
                model_positions=np.flatnonzero(kinds == MODEL),
                rollout_logprobs=np.array(logprobs, np.float32),
                advantage=advantage,
                truncated=index == 2,
                digest_matches=True,
            )
        )
    return made


def intake(**more: Any) -> Intake:
    """Of a model with this vocabulary, which is asked for no text."""
    return Intake(**{**INTAKE, **more})


INTAKE: dict[str, Any] = {
    "vocabulary_size": VOCABULARY, "tokenizer_hash": "", "end_token": 3, "temperature": 1.0, "encode": list,
}  # fmt: skip


def packed(message: trajectory_pb2.Trajectory) -> bytes:
    return gzip.compress(message.SerializeToString())


class LearnerClient:
    def __init__(self, channel: Any, blocking: Any, service: LearnerService, registry: CollectorRegistry) -> None:
        self.service = service
        self.registry = registry
        prefix = "/gradus.learner.v1.LearnerService"

        def method(make: Any, name: str, request: Any, response: Any) -> Any:
            return make(
                f"{prefix}/{name}",
                request_serializer=request.SerializeToString,
                response_deserializer=response.FromString,
            )

        pb = learner_pb2
        self.open_run = method(channel.unary_unary, "OpenRun", pb.OpenRunRequest, pb.OpenRunResponse)
        self.describe = method(channel.unary_unary, "Describe", pb.DescribeRequest, pb.DescribeResponse)
        self._step = method(blocking.stream_unary, "TrainStep", pb.TrainStepRequest, pb.TrainStepResponse)
        self._slow_step = method(channel.stream_unary, "TrainStep", pb.TrainStepRequest, pb.TrainStepResponse)

    @property
    def run(self) -> LearnerRun | None:
        run = self.service.run
        assert run is None or isinstance(run, LearnerRun)
        return run

    async def open(
        self, directory: Path, model: Path, resume: bool = False, **more: Any
    ) -> learner_pb2.OpenRunResponse:
        request = learner_pb2.OpenRunRequest(
            run_id="r", directory=str(directory), model_path=str(model), seed=1, resume=resume, **more
        )
        return await self.open_run(request)

    async def written(self) -> None:
        """Until the newest checkpoint lies on the disk."""
        await asyncio.to_thread(self.service.checkpoints.finish)

    async def send(self, messages: Iterable[learner_pb2.TrainStepRequest]) -> learner_pb2.TrainStepResponse:
        """By a blocking stub: when a refusal arrives while messages are still sent, the asynchronous one may report
        its own failed write (INTERNAL) instead of the server's status."""
        return await asyncio.to_thread(self._step, iter(list(messages)))

    async def send_slowly(self, messages: AsyncIterator[learner_pb2.TrainStepRequest]) -> learner_pb2.TrainStepResponse:
        return await self._slow_step(messages)

    async def step(self, step: int, trajectories: Sequence[bytes], **more: Any) -> learner_pb2.TrainStepResponse:
        return await self.send(step_messages(step, trajectories, **more))


def objective(name: str, **options: float | bool | str) -> learner_pb2.Objective:
    message = learner_pb2.Objective(name=name)
    message.options.update(options)
    return message


def policy_gradient(**options: float | bool | str) -> learner_pb2.Objective:
    return objective("policy_gradient", **options)


def step_messages(step: int, trajectories: Sequence[bytes], **more: Any) -> list[learner_pb2.TrainStepRequest]:
    fields: dict[str, Any] = {
        "run_id": "r", "step": step, "objective": policy_gradient(learning_rate=1e-2, updates_per_epoch=2),
        "samples": len(trajectories), "temperature": 1.0,
    }  # fmt: skip
    header = learner_pb2.StepHeader(**{**fields, **more})
    return [
        learner_pb2.TrainStepRequest(header=header),
        *(
            learner_pb2.TrainStepRequest(
                sample=learner_pb2.StepSample(trajectory=data, advantage=1.0 if index % 2 == 0 else -1.0)
            )
            for index, data in enumerate(trajectories)
        ),
    ]


def model_directory(path: Path) -> Path:
    save_weights(random_policy(), path)
    return path


@asynccontextmanager
async def serving(service: GrpcService) -> AsyncGenerator[grpc.aio.Channel]:
    """Drains also when the body failed: the garbage collector waits forever on a server that nobody stopped."""
    addresses = await service.start()
    try:
        async with grpc.aio.insecure_channel(addresses["grpc"]) as channel:
            yield channel
    finally:
        await service.drain()


@asynccontextmanager
async def learner(**config: Any) -> AsyncGenerator[LearnerClient]:
    options = LearnerConfig(**config)
    service = GrpcService("learner", options)
    implementation = LearnerService(options, LearnerEvents(service.registry, service.log))
    service.add(learner_service_pb2.DESCRIPTOR.services_by_name["LearnerService"], implementation)
    service.defer(implementation.close)
    async with serving(service) as channel:
        with grpc.insecure_channel(service.addresses["grpc"]) as blocking:
            yield LearnerClient(channel, blocking, implementation, service.registry)


TRAJECTORIES = [packed(trajectory(shape, seed, random_policy())) for seed, shape in enumerate(SHAPES)]


def scenario(body: Callable[[LearnerClient], Awaitable[None]], **config: Any) -> None:
    async def main() -> None:
        async with learner(**config) as client:
            await body(client)

    asyncio.run(main())


async def refused(call: Awaitable[Any], code: grpc.StatusCode, text: str) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        await call
    error: Any = raised.value
    assert error.code() == code, error.details()
    assert text in (error.details() or "")
    if code == grpc.StatusCode.RESOURCE_EXHAUSTED and "disk" in text:
        assert dict(error.trailing_metadata() or ())["retry-after-ms"] == "5000"
