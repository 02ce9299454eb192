from __future__ import annotations

import numpy as np
import pytest
from tiny_learner import ENVIRONMENT, MODEL, PROMPT, VOCABULARY, packed, trajectory

from gradus_learner.sample import Sample, decode_sample

SHAPE = ((PROMPT, 3), (MODEL, 2), (ENVIRONMENT, 4), (MODEL, 1), (ENVIRONMENT, 2))


def decoded(data: bytes) -> Sample:
    return decode_sample(data, 0.5, True, vocabulary_size=VOCABULARY, tokenizer_hash="", temperature=1.0)


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
