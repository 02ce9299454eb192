"""Passes in bfloat16 and with activation checkpointing: gradients, memory, versions, and a run that is resumed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from test_packed_row import GRADIENT, examples, known, rollout_samples
from tiny_families import FAMILIES, VOCABULARY, policy_of
from tiny_learner import (
    PLAIN,
    TRAJECTORIES,
    LearnerClient,
    model_directory,
    policy_gradient,
    random_policy,
    samples,
    scenario,
)
from torch import Tensor

from gradus_learner.models.dense import Dense
from gradus_learner.models.dense_config import Family
from gradus_learner.models.load import load_policy, save_weights
from gradus_learner.models.packed_row import rectangle
from gradus_learner.models.passes import Passes
from gradus_learner.models.rope import Rope
from gradus_learner.objectives.supervised import Supervised, train_supervised
from gradus_learner.train.rollouts import train_on_rollouts, update
from gradus_learner.train.step_sums import Mismatch, Sums
from gradus_learner.train.trainer import Trainer

BFLOAT16 = Passes("bfloat16")


def gradients(policy: Dense) -> dict[str, Tensor]:
    return {name: cast("Tensor", parameter.grad) for name, parameter in policy.named_parameters()}


def learned(family: Family, objective: str, **settings: Any) -> dict[str, Tensor]:
    """Gradients of one update."""
    policy = policy_of(family, Rope())
    trainer = Trainer(policy, 60, **settings)
    if objective == "supervised":
        train_supervised(trainer, examples(), Supervised(1e-9, max_grad_norm=1e6))
    else:
        # Old log-probabilities are those of the pass: no token lies at the edge of a clip.
        update(trainer, rollout_samples(), known(), GRADIENT, 1.0, Sums(), Mismatch())
    return gradients(policy)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.model_type)
@pytest.mark.parametrize("objective", ["policy_gradient", "supervised"])
def test_layers_that_are_computed_again_give_the_same_gradients(family: Family, objective: str) -> None:
    kept, again = (learned(family, objective, activation_checkpointing=each) for each in (False, True))
    for name, expected in kept.items():
        torch.testing.assert_close(again[name], expected, rtol=1e-6, atol=1e-6)


def kept_bytes(passes: Passes) -> int:
    """Of tensors that autograd keeps for the backward pass, weights apart."""
    policy = policy_of(FAMILIES[0], Rope())
    weights = {parameter.untyped_storage().data_ptr() for parameter in policy.parameters()}
    found: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        hidden = policy.hidden(rectangle(torch.zeros(1, 160, dtype=torch.long)), passes)
    assert hidden.requires_grad
    return sum(found.values())


def test_p6_activation_checkpointing_keeps_what_enters_a_layer_and_bfloat16_keeps_half() -> None:
    """P6: memory is bounded."""
    everything, inputs = kept_bytes(Passes()), kept_bytes(Passes(activation_checkpointing=True))
    # Of 3 layers, 160 tokens of 32 numbers, next to the last norm's and the rotary tables.
    assert inputs <= (3 + 3) * 160 * 32 * 4
    assert inputs * 5 < everything
    assert kept_bytes(BFLOAT16) < everything


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.model_type)
def test_bfloat16_loses_no_more_digits_than_in_transformers(tmp_path: Path, family: Family) -> None:
    from transformers import AutoModelForCausalLM

    policy = policy_of(family, Rope())
    save_weights(policy, tmp_path)
    ids = torch.randint(0, VOCABULARY, (4, 60), generator=torch.Generator().manual_seed(8))
    with torch.no_grad():
        exact = torch.log_softmax(policy(ids), -1)
        reference = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16).eval()
        theirs = torch.log_softmax(reference(input_ids=ids).logits.float(), -1)
        hidden = policy.hidden(rectangle(ids), BFLOAT16)
        logits = policy.output_weight_VD.to(torch.bfloat16) @ hidden.T
        ours = torch.log_softmax(logits.T.float(), -1).view_as(exact)
    assert hidden.dtype == torch.bfloat16
    our_error, their_error = ((each - exact).square().mean().sqrt() for each in (ours, theirs))
    assert 0 < our_error < 1.2 * their_error


@pytest.mark.parametrize("objective", ["policy_gradient", "supervised"])
def test_gradients_of_bfloat16_point_where_those_of_float32_do_and_are_float32(objective: str) -> None:
    exact = learned(FAMILIES[0], objective)
    rounded = learned(FAMILIES[0], objective, precision="bfloat16")
    assert {each.dtype for each in rounded.values()} == {torch.float32}
    ours, theirs = (torch.cat([each.reshape(-1) for each in found.values()]) for found in (rounded, exact))
    assert not torch.equal(ours, theirs)
    assert float(torch.nn.functional.cosine_similarity(ours, theirs, dim=0)) > 0.99


def test_ratios_of_bfloat16_begin_at_1_to_the_last_bit() -> None:
    trainer = Trainer(random_policy(), 40, "bfloat16")
    options = replace(PLAIN, updates_per_epoch=2, learning_rate=1e-30)
    metrics = train_on_rollouts(trainer, samples(), options, 1.0)
    assert (metrics["updates"], metrics["ratio_mean"], metrics["ppo_kl"]) == (2, 1.0, 0.0)


def test_a_reference_in_bfloat16_is_the_policy_that_entered_to_the_last_bit() -> None:
    trainer = Trainer(random_policy(), 40, "bfloat16")
    trainer.set_reference()
    metrics = train_on_rollouts(trainer, samples(), replace(PLAIN, kl_coefficient=0.1), 1.0)
    assert metrics["reference_kl"] == 0


def test_versions_are_what_passes_compute_with_and_a_resumed_run_goes_on_to_the_last_bit(tmp_path: Path) -> None:
    model = model_directory(tmp_path / "model")
    settings: dict[str, Any] = {"precision": "bfloat16", "activation_checkpointing": True}
    taught = policy_gradient(learning_rate=1e-2, updates_per_epoch=2, kl_coefficient=0.01)
    digests: list[str] = []

    async def first(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        for step in (1, 2, 3):
            first_step = step == 1
            answer = await client.step(
                step, TRAJECTORIES, objective=taught, set_reference=first_step, checkpoint=step == 2
            )
        digests.append(answer.weights_digest)
        run = client.run
        assert run is not None
        version = Path(answer.weights_path)
        written = load_file(version / "model.safetensors")
        assert {tensor.dtype for tensor in written.values()} == {torch.bfloat16}
        assert json.loads((version / "config.json").read_text())["dtype"] == "bfloat16"
        row = rectangle(torch.arange(40).view(2, 20))
        with torch.no_grad():
            own, loaded = (each.hidden(row, BFLOAT16) for each in (run.policy, load_policy(version)))
        assert torch.equal(own, loaded)
        await client.written()
        checkpoint = tmp_path / "run" / "checkpoints" / "step-000002"
        for name in ("model", "optimizer"):
            assert {each.dtype for each in load_file(checkpoint / f"{name}.safetensors").values()} == {torch.float32}

    async def resumed(client: LearnerClient) -> None:
        opened = await client.open(tmp_path / "run", model, resume=True)
        assert opened.step == 2
        digests.append((await client.step(3, TRAJECTORIES, objective=taught)).weights_digest)

    scenario(first, **settings)
    scenario(resumed, **settings)
    assert digests[0] == digests[1]


def test_supervised_learning_may_have_another_precision_than_the_learner() -> None:
    losses: dict[tuple[str, str], float] = {}
    for of_learner in ("float32", "bfloat16"):
        for asked in ("learner", "float32", "bfloat16"):
            trainer = Trainer(policy_of(FAMILIES[0], Rope()), 60, cast("Any", of_learner))
            options = Supervised(1e-9, precision=cast("Any", asked))
            losses[of_learner, asked] = train_supervised(trainer, examples(), options)["loss"]
    assert losses["float32", "learner"] == losses["bfloat16", "float32"] == losses["float32", "float32"]
    assert losses["bfloat16", "learner"] == losses["float32", "bfloat16"] == losses["bfloat16", "bfloat16"]
    assert not np.isclose(losses["float32", "float32"], losses["bfloat16", "bfloat16"], rtol=1e-7)
