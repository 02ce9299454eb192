"""probe.json says what the weights next to it compute, and nothing else does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny_learner import TRAJECTORIES, LearnerClient, model_directory, random_policy, scenario

from gradus_learner.files.manifest import read_manifest
from gradus_learner.models.load import load_policy
from gradus_learner.train.weights_probe import PROBE_NAME, probe_json, probe_tokens


def scores(directory: Path, tokens: list[int]) -> list[float]:
    logits = load_policy(directory, "cpu")(torch.tensor([tokens]))[0, :-1].detach()
    return torch.log_softmax(logits, -1)[range(len(tokens) - 1), tokens[1:]].tolist()


def test_a_version_has_the_scores_of_its_own_weights(tmp_path: Path) -> None:
    """P9: a load that did not take effect is found by them."""
    model = model_directory(tmp_path / "model")

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        version = Path((await client.step(1, TRAJECTORIES)).weights_path)
        probe = json.loads((version / PROBE_NAME).read_text())
        assert PROBE_NAME in read_manifest(version).files
        assert probe["logprobs"] == pytest.approx(scores(version, probe["tokenIds"]), abs=1e-5)
        assert probe["logprobs"] != pytest.approx(scores(model, probe["tokenIds"]), abs=1e-5)

    scenario(body)


def test_other_weights_have_other_scores_of_the_same_tokens() -> None:
    first, second = (json.loads(probe_json(random_policy(seed))) for seed in (0, 1))
    assert first["tokenIds"] == second["tokenIds"]
    assert first["logprobs"] != pytest.approx(second["logprobs"], abs=1e-2)


@pytest.mark.parametrize("vocabulary", [50, 1600, 151936])
def test_tokens_are_of_the_vocabulary_and_not_of_its_padding(vocabulary: int) -> None:
    tokens = probe_tokens(vocabulary)
    assert len(tokens) == 32
    assert min(tokens) > 0
    assert max(tokens) < 0.85 * vocabulary
