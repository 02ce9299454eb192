"""A trajectory as training input, decoded from the bytes on the wire and checked.

Which tokens carry loss follows from the kinds of the segments and from nothing else.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from gradus.trajectory.v1 import trajectory_pb2
from gradus_learner.errors import InputError
from gradus_learner.objectives.objective import Intake, Packed

# What training holds: 1e39 is finite as a double only.
MAX_FLOAT32 = float(np.finfo(np.float32).max)
MAX_TRAJECTORY_BYTES = 64 * 1024 * 1024
# Rounding of engines may lift a certainty above 0 by this.
ROUNDING = 1e-4


class SampleError(InputError):
    """A trajectory that cannot be trained on as it is; the message names field and value."""


@dataclass(frozen=True)
class Sample:
    task_id: str
    ids: NDArray[np.int64]
    # Indices of the tokens that the policy sampled, all >= 1, and the engine's logprobs of them.
    model_positions: NDArray[np.int64]
    rollout_logprobs: NDArray[np.float32]
    advantage: float
    truncated: bool
    # False when the tokens are not those that the engine saw: counted, and never trained on.
    digest_matches: bool
    # Of the samples that it was compared with; None is a group of its own.
    group: int | None = None

    @property
    def length(self) -> int:
        return len(self.ids)


def sequence_digest(ids: NDArray[np.int64]) -> bytes:
    return hashlib.sha256(ids.astype("<u4").tobytes()).digest()


def unzip(data: bytes) -> bytes:
    decoder = zlib.decompressobj(wbits=31)
    try:
        plain = decoder.decompress(data, MAX_TRAJECTORY_BYTES)
    except zlib.error as error:
        raise SampleError(f"trajectory is not gzip: {error}") from None
    if not decoder.eof:
        if decoder.unconsumed_tail:
            raise SampleError(f"trajectory is larger than {MAX_TRAJECTORY_BYTES} bytes unpacked")
        raise SampleError("trajectory ends early: the gzip stream is cut")
    return plain


def parse_trajectory(data: bytes) -> trajectory_pb2.Trajectory:
    """Of its gzipped bytes."""
    trajectory = trajectory_pb2.Trajectory()
    try:
        trajectory.ParseFromString(unzip(data))
    except DecodeError as error:
        raise SampleError(f"trajectory is not a gradus.trajectory.v1.Trajectory: {error}") from None
    return trajectory


def check_tokenizer(trajectory: trajectory_pb2.Trajectory, intake: Intake) -> None:
    if intake.tokenizer_hash and trajectory.tokenizer_hash != intake.tokenizer_hash:
        raise SampleError(
            f"tokenizer_hash is {trajectory.tokenizer_hash!r}, the learner's is {intake.tokenizer_hash!r}"
        )


def decode_sample(packed: Packed, intake: Intake) -> Sample:
    """The sequence of the sample's role, which is empty where the environment has no roles."""
    trajectory = parse_trajectory(packed.trajectory)
    advantage, role = packed.advantage, packed.role
    if not trajectory.task_id:
        raise SampleError("task_id is empty")
    problems = number_problems(trajectory, role, advantage)
    if problems:
        raise SampleError("; ".join(problems))
    check_tokenizer(trajectory, intake)
    digest = digest_of(trajectory, role)
    ids: list[int] = []
    positions: list[NDArray[np.int64]] = []
    logprobs: list[float] = []
    begun = False
    for index, segment in enumerate(trajectory.segments):
        if segment.role != role:
            continue
        check_segment(segment, f"segments[{index}]", intake.temperature, begun)
        begun = True
        if segment.kind == trajectory_pb2.SEGMENT_KIND_MODEL:
            positions.append(np.arange(len(ids), len(ids) + len(segment.token_ids)))
            logprobs += segment.logprobs
        ids += segment.token_ids
    if not ids:
        raise SampleError("segments are empty; a trajectory has at least a prompt")
    array = np.array(ids, np.int64)
    if int(array.max()) >= intake.vocabulary_size:
        raise SampleError(f"token id {int(array.max())} is beyond the vocabulary of {intake.vocabulary_size}")
    return Sample(
        task_id=trajectory.task_id,
        ids=array,
        model_positions=np.concatenate(positions) if positions else np.zeros(0, np.int64),
        rollout_logprobs=np.array(logprobs, np.float32),
        advantage=advantage,
        truncated=packed.truncated,
        digest_matches=sequence_digest(array) == digest,
        group=packed.group,
    )


def number_problems(trajectory: trajectory_pb2.Trajectory, role: str, advantage: float) -> list[str]:
    """Each field of the sample that holds a number that cannot be, with the first such number and the rollout's id."""
    problems: list[str] = []
    if not abs(advantage) <= MAX_FLOAT32:
        problems.append(f"advantage of {trajectory.task_id!r} is {advantage}; it must be finite as a 32-bit number")
    for index, segment in enumerate(trajectory.segments):
        wrong = [at for at, value in enumerate(segment.logprobs) if not (math.isfinite(value) and value <= ROUNDING)]
        if segment.role == role and wrong:
            problems.append(
                f"segments[{index}].logprobs hold a value that is not a log-probability (finite, at most 0): "
                f"{segment.logprobs[wrong[0]]:g} at {wrong[0]}, {len(wrong)} of {len(segment.logprobs)} in "
                f"{trajectory.task_id!r}"
            )
    return problems


def digest_of(trajectory: Any, role: str) -> bytes:
    """Of the sequence of `role`, as the engine gave it. Sequences of several roles are never mixed."""
    digests = {sequence.role: sequence.sequence_digest for sequence in trajectory.roles}
    if role in digests:
        return digests[role]
    if role:
        known = ", ".join(digests) or "none"
        raise SampleError(f"role is {role!r}; trajectory {trajectory.task_id!r} has {known}")
    if digests or any(segment.role for segment in trajectory.segments):
        known = ", ".join(digests)
        raise SampleError(f"role is empty; trajectory {trajectory.task_id!r} has roles ({known}), name one of them")
    return trajectory.sequence_digest


def check_segment(segment: Any, where: str, temperature: float, begun: bool) -> None:
    """`begun`: the sequence has its prompt. As services/trajectory/check-trajectory.ts, which saw it before."""
    kinds = trajectory_pb2
    if segment.kind not in (kinds.SEGMENT_KIND_PROMPT, kinds.SEGMENT_KIND_MODEL, kinds.SEGMENT_KIND_ENVIRONMENT):
        raise SampleError(f"{where}.kind is {segment.kind}; it must be PROMPT, MODEL or ENVIRONMENT")
    if not begun and segment.kind != kinds.SEGMENT_KIND_PROMPT:
        raise SampleError(f"{where}.kind is not PROMPT; a sequence begins with its prompt")
    if begun and segment.kind == kinds.SEGMENT_KIND_PROMPT:
        raise SampleError(f"{where}.kind is PROMPT; only the first segment of a sequence may be")
    if segment.kind != kinds.SEGMENT_KIND_MODEL:
        if not segment.token_ids:
            raise SampleError(f"{where}.token_ids is empty")
        if segment.logprobs:
            raise SampleError(f"{where}.logprobs are given, but only model segments have them")
        return
    if len(segment.logprobs) != len(segment.token_ids):
        raise SampleError(f"{where} has {len(segment.logprobs)} logprobs for {len(segment.token_ids)} tokens")
    if segment.logprob_kind == kinds.LOGPROB_KIND_UNSPECIFIED:
        raise SampleError(f"{where}.logprob_kind is unspecified")
    for field in ("versions", "sampling"):
        if not segment.HasField(field):
            raise SampleError(f"{where}.{field} is missing")
    if not segment.token_ids:
        return
    if segment.logprob_kind == kinds.LOGPROB_KIND_FORMED:
        raise SampleError(
            f"{where}.logprob_kind is FORMED: the turn was held to a form (JSON, a grammar), so it was drawn "
            "from another "
            "distribution than the step computes; ask for free turns in what is trained on"
        )
    if segment.logprob_kind == kinds.LOGPROB_KIND_RAW and temperature != 1:
        raise SampleError(f"{where}.logprob_kind is RAW, but the step compares at temperature {temperature}")
    if abs(segment.sampling.temperature - temperature) > 1e-6:
        raise SampleError(
            f"{where} was sampled at temperature {segment.sampling.temperature}, the step compares at {temperature}"
        )
    if segment.sampling.top_k > 0 or 0 < segment.sampling.top_p < 1:
        raise SampleError(
            f"{where} was sampled with top_p {segment.sampling.top_p:g} and top_k {segment.sampling.top_k}; its "
            "log-probabilities are of the whole distribution, so it must be drawn from that: top_p 1 and top_k 0"
        )
