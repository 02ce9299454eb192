"""A sequence to learn as it is written: text that is tokenised here, or tokens that a policy sampled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradus.trajectory.v1 import trajectory_pb2
from gradus_learner.objectives.objective import Intake, Packed
from gradus_learner.train.sample import SampleError, check_tokenizer, digest_of, parse_trajectory, sequence_digest


@dataclass(frozen=True)
class Example:
    task_id: str
    ids: NDArray[np.int64]
    # Weight of each token in the loss.
    weights: NDArray[np.float32]
    # Written by the model.
    is_model: NDArray[np.bool_]

    @property
    def length(self) -> int:
        return len(self.ids)


def decode_example(packed: Packed, intake: Intake, context_weight: float = 0.0) -> Example:
    """Tokens as they were sampled, or text that is tokenised here. An advantage is not read.

    `context_weight`: of tokens of prompts and of the environment.
    """
    trajectory = parse_trajectory(packed.trajectory)
    role = packed.role
    digest = digest_of(trajectory, role)
    ids: list[int] = []
    is_model: list[bool] = []
    as_sampled = True
    for index, segment in enumerate(trajectory.segments):
        if segment.role != role:
            continue
        if segment.kind not in trajectory_pb2.SegmentKind.values() or segment.kind == 0:
            raise SampleError(f"segments[{index}].kind is {segment.kind}; it must be PROMPT, MODEL or ENVIRONMENT")
        tokens = list(segment.token_ids)
        written = segment.kind == trajectory_pb2.SEGMENT_KIND_MODEL
        if not tokens and segment.text:
            as_sampled = False
            tokens = list(intake.encode(segment.text))
        if not segment.token_ids and written and segment.finish_reason == trajectory_pb2.FINISH_REASON_STOP:
            as_sampled = False
            tokens.append(intake.end_token)
        ids += tokens
        is_model += [written] * len(tokens)
    array = np.array(ids, np.int64)
    if len(array) < 2:
        raise SampleError(f"{trajectory.task_id!r} has {len(array)} tokens; a sequence has at least 2")
    if int(array.max()) >= intake.vocabulary_size:
        raise SampleError(f"token id {int(array.max())} is beyond the vocabulary of {intake.vocabulary_size}")
    if as_sampled:
        # What a policy sampled stays as it was (P4).
        check_tokenizer(trajectory, intake)
        if sequence_digest(array) != digest:
            raise SampleError(f"{trajectory.task_id!r} has tokens that the engine did not see (digest differs)")
    mask = np.array(is_model, np.bool_)
    weights = np.where(mask, 1.0, context_weight).astype(np.float32)
    weights[0] = 0
    if not weights.any():
        raise SampleError(f"{trajectory.task_id!r} has no token that is trained on; it needs text of the model")
    return Example(trajectory.task_id, array, weights, mask)
