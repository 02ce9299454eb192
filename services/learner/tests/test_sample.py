from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format
from tiny_learner import ENVIRONMENT, MODEL, PROMPT, VOCABULARY, intake, packed, trajectory

from gradus.trajectory.v1 import trajectory_pb2
from gradus_learner.objectives.objective import Packed
from gradus_learner.train.sample import Sample, SampleError, decode_sample

SHAPE = ((PROMPT, 3), (MODEL, 2), (ENVIRONMENT, 4), (MODEL, 1), (ENVIRONMENT, 2))


def decoded(data: bytes, role: str = "") -> Sample:
    return decode_sample(Packed(data, 0.5, True, role), intake())


def test_p4_loss_falls_on_the_tokens_of_model_segments_and_on_no_other() -> None:
    """P4: what the model sampled is what is trained on, to the token."""
    message = trajectory(SHAPE, seed=7)
    for index, segment in enumerate(message.segments):
        segment.logprobs[:] = [-0.1 * (10 * index + at) for at in range(len(segment.logprobs))]
    sample = decoded(packed(message))
    assert sample.ids.tolist() == [token for segment in message.segments for token in segment.token_ids]
    assert sample.model_positions.tolist() == [3, 4, 9]
    assert sample.rollout_logprobs == pytest.approx([-1.0, -1.1, -3.0])
    assert sample.digest_matches
    assert (sample.advantage, sample.truncated, sample.length) == (0.5, True, 12)


def test_a_turn_without_tokens_and_an_episode_without_turns_carry_no_loss() -> None:
    assert decoded(packed(trajectory(((PROMPT, 2), (MODEL, 0)), seed=1))).model_positions.tolist() == []
    empty = decoded(packed(trajectory(((PROMPT, 2),), seed=1)))
    assert (empty.model_positions.dtype, len(empty.rollout_logprobs)) == (np.int64, 0)


def test_p4_one_other_token_is_told_by_the_digest() -> None:
    """P4: what the model sampled is what is trained on, to the token."""
    message = trajectory(SHAPE, seed=7)
    message.segments[2].token_ids[0] = (message.segments[2].token_ids[0] + 1) % VOCABULARY
    assert not decoded(packed(message)).digest_matches


def with_roles() -> trajectory_pb2.Trajectory:
    """Two roles whose segments take turns, each with its own prompt and digest."""
    parts = {"proposer": trajectory(SHAPE, seed=7), "solver": trajectory(((PROMPT, 4), (MODEL, 3)), seed=8)}
    message = trajectory_pb2.Trajectory(task_id="t")
    for role, part in parts.items():
        message.roles.add(role=role, sequence_digest=part.sequence_digest)
        for segment in part.segments:
            segment.role = role
    proposer, solver = parts["proposer"].segments, parts["solver"].segments
    message.segments.extend([*proposer[:2], *solver[:1], *proposer[2:], *solver[1:]])
    return message


def test_p4_the_sequence_of_a_role_is_its_own_segments_with_their_digest() -> None:
    """P4: what the model sampled is what is trained on, to the token."""
    data = packed(with_roles())
    for role, shape, seed in (("proposer", SHAPE, 7), ("solver", ((PROMPT, 4), (MODEL, 3)), 8)):
        alone = decoded(packed(trajectory(shape, seed=seed)))
        sample = decoded(data, role)
        assert sample.ids.tolist() == alone.ids.tolist()
        assert sample.model_positions.tolist() == alone.model_positions.tolist()
        assert sample.digest_matches
    message = with_roles()
    message.segments[2].token_ids[0] = (message.segments[2].token_ids[0] + 1) % VOCABULARY
    assert decoded(packed(message), "proposer").digest_matches
    assert not decoded(packed(message), "solver").digest_matches


def test_p4_the_first_conversation_of_an_agent_has_no_name_and_is_not_mixed_with_its_branches() -> None:
    message = with_roles()
    names = {"proposer": "", "solver": "branch-1"}
    for named in (*message.roles, *message.segments):
        named.role = names[named.role]
    data = packed(message)
    for role, shape, seed in (("", SHAPE, 7), ("branch-1", ((PROMPT, 4), (MODEL, 3)), 8)):
        alone = decoded(packed(trajectory(shape, seed=seed)))
        sample = decoded(data, role)
        assert sample.digest_matches
        assert sample.ids.tolist() == alone.ids.tolist()


def test_sequences_of_several_roles_are_never_mixed() -> None:
    with pytest.raises(SampleError, match=r"has roles \(proposer, solver\), name one of them"):
        decoded(packed(with_roles()))
    with pytest.raises(SampleError, match=r"role is 'judge'; trajectory 't' has proposer, solver"):
        decoded(packed(with_roles()), "judge")
    with pytest.raises(SampleError, match="role is 'solver'; trajectory 't7' has none"):
        decoded(packed(trajectory(SHAPE, seed=7)), "solver")


# What services/trajectory reads as well: a worker and the learner refuse the same.
GOLDENS = json.loads((Path(__file__).parents[3] / "tests/fixtures/trajectories/refused.json").read_text())


def golden(change: tuple[list[Any], Any] | None = None) -> bytes:
    values: Any = json.loads(json.dumps(GOLDENS["whole"]))
    if change is not None:
        *way, last = change[0]
        at = values
        for step in way:
            at = at[step]
        at[last] = change[1]
    return packed(json_format.ParseDict(values, trajectory_pb2.Trajectory()))


def answer_to(data: bytes) -> str:
    """Why a trajectory is not trained on; empty where it is."""
    try:
        sample = decode_sample(Packed(data, 0.5), intake(vocabulary_size=8000, tokenizer_hash="ab" * 32))
    except SampleError as error:
        return str(error)
    return "" if sample.digest_matches else "digest differs"


def test_p4_a_turn_that_was_held_to_a_form_is_not_trained_on() -> None:
    """P4: it was drawn from another distribution than the step computes."""
    model = next(at for at, segment in enumerate(GOLDENS["whole"]["segments"]) if "logprobs" in segment)
    refused = answer_to(golden((["segments", model, "logprobKind"], "LOGPROB_KIND_FORMED")))
    assert "logprob_kind is FORMED" in refused


def test_p4_a_whole_trajectory_is_taken() -> None:
    """P4: what the model sampled is what is trained on, to the token."""
    assert answer_to(golden()) == ""


@pytest.mark.parametrize("case", GOLDENS["refused"], ids=lambda case: case["name"])
def test_p4_what_a_worker_must_refuse_the_learner_refuses_too(case: Any) -> None:
    """P4: what the model sampled is what is trained on, to the token."""
    assert case["learner"] in answer_to(golden(case["change"]))
