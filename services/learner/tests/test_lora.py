"""Adapters against arithmetic on whole matrices, against what they are copied from, and against peft itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
import torch
from safetensors import safe_open
from test_learner_service import same_weights
from tiny_learner import (
    CONFIG,
    PLAIN,
    TRAJECTORIES,
    LearnerClient,
    model_directory,
    policy_gradient,
    random_policy,
    refused,
    samples,
    scenario,
)

from gradus.learner.v1 import learner_pb2
from gradus_learner.models.check_model import main
from gradus_learner.models.config import ModelError
from gradus_learner.models.dense import Dense
from gradus_learner.models.load import load_policy, save_weights, weights_of
from gradus_learner.models.lora import adapters, add_lora, base_parameters, load_lora, lora_tensors, lora_writer
from gradus_learner.models.lora_config import Lora
from gradus_learner.train.rollouts import train_on_rollouts
from gradus_learner.train.trainer import Trainer

LORA = Lora(4, 8.0)
IDS = torch.arange(24).view(2, 12)


def with_lora(lora: Lora = LORA, seed: int = 3) -> Dense:
    policy = random_policy()
    add_lora(policy, lora, seed)
    return policy


def trained(steps: int = 2) -> Trainer:
    policy = with_lora()
    trainer = Trainer(policy, 10_000, lora=LORA)
    for _ in range(steps):
        train_on_rollouts(trainer, samples(random_policy()), replace(PLAIN, learning_rate=1e-2), 1.0)
    return trainer


def test_a_policy_begins_as_its_base() -> None:
    assert torch.equal(with_lora()(IDS), random_policy()(IDS))


def test_adapters_alone_learn_and_the_weights_that_leave_have_them_added_in() -> None:
    policy = trained().policy
    before = dict(random_policy().named_parameters())
    for name, parameter in base_parameters(policy):
        assert torch.equal(parameter, before[name]), name
    assert all(bool(adapter.B.any()) for _, adapter in adapters(policy))
    merged = random_policy()
    merged.load_state_dict(weights_of(policy), strict=True)
    assert (policy(IDS) - random_policy()(IDS)).abs().max() > 1e-3
    torch.testing.assert_close(merged(IDS), policy(IDS), atol=1e-5, rtol=0)


def test_gradients_are_those_of_the_whole_matrix() -> None:
    """dB = scale dW A', dA = scale B' dW."""
    policy = trained().policy
    merged = random_policy()
    merged.load_state_dict(weights_of(policy))
    for model in (policy, merged):
        model.zero_grad(set_to_none=True)
        torch.log_softmax(model(IDS), -1)[..., 5].sum().backward()
    whole = {name: parameter.grad for name, parameter in merged.named_parameters()}
    found = list(adapters(policy))
    assert len(found) == 7 * 2
    for name, adapter in found:
        gradient = whole[f"{name}.weight"]
        assert gradient is not None
        torch.testing.assert_close(adapter.B.grad, 2.0 * gradient @ adapter.A.T, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(adapter.A.grad, 2.0 * adapter.B.T @ gradient, atol=1e-4, rtol=1e-4)


def test_the_reference_keeps_its_adapters_and_shares_the_weights() -> None:
    trainer = trained()
    trainer.set_reference()
    reference = trainer.reference
    assert reference is not None
    then = trainer.policy(IDS).detach()
    train_on_rollouts(trainer, samples(random_policy()), replace(PLAIN, kl_coefficient=0.1, learning_rate=1e-2), 1.0)
    assert torch.equal(reference(IDS), then)
    assert not torch.equal(trainer.policy(IDS), then)
    own = dict(base_parameters(trainer.policy))
    assert all(parameter is own[name] for name, parameter in base_parameters(reference))


@pytest.mark.parametrize("checkpointing", [False, True])
def test_micro_batches_and_checkpointing_change_no_gradient(checkpointing: bool) -> None:
    found: list[torch.Tensor] = []
    for budget in (1, 10_000):
        trainer = Trainer(trained().policy, budget, "float32", checkpointing, lora=LORA)
        train_on_rollouts(trainer, samples(random_policy()), replace(PLAIN, max_grad_norm=1e6), 1.0)
        found.append(torch.cat([p.grad.reshape(-1) for p in trainer.policy.parameters() if p.grad is not None]))
    assert float((found[0] - found[1]).norm() / found[1].norm()) < 1e-5


def test_only_the_targets_have_adapters() -> None:
    policy = with_lora(Lora(2, 4.0, ("q_proj", "v_proj")))
    assert {name.rpartition(".")[2] for name, _ in adapters(policy)} == {"q_proj", "v_proj"}


@pytest.mark.parametrize(
    ("lora", "said"),
    [
        (Lora(4, 8.0, ("q_proj", "query")), "lora.target_modules has query; the layers of this model have down_proj"),
        (Lora(9, 8.0, ("k_proj",)), "lora.rank is 9; model.layers.0.self_attn.k_proj is of 8 x 16"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(lora: Lora, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        with_lora(lora)


def test_a_dry_run_says_all_that_the_model_has_no_place_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text(CONFIG.to_json(), encoding="utf-8")
    asked = {"rank": 9, "alpha": 8, "target_modules": ["query", "k_proj"]}
    assert main([str(tmp_path), "--without-weights", "--lora", json.dumps(asked)]) == 2
    unknown, narrow = capsys.readouterr().err.splitlines()
    assert unknown.startswith("lora.target_modules has query; the layers of this model have down_proj")
    assert narrow.startswith("lora.rank is 9; model.layers.0.self_attn.k_proj is of 8 x 16")


def test_a_file_of_adapters_is_read_back_to_the_bit_and_others_are_refused(tmp_path: Path) -> None:
    policy, file = trained().policy, tmp_path / "lora.safetensors"
    lora_writer(policy, LORA, "/base")(file)
    again = with_lora(seed=4)
    load_lora(again, LORA, file)
    for name, tensor in lora_tensors(policy).items():
        assert torch.equal(tensor, lora_tensors(again)[name])
    other = Lora(4, 16.0)
    with pytest.raises(ModelError, match=r'was trained with lora .*"alpha": 8\.0.*the run has .*"alpha": 16\.0'):
        load_lora(with_lora(other), other, file)
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(ModelError, match="not a whole file of adapters"):
        load_lora(again, LORA, file)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_run_with_adapters_resumes_to_the_same_bits(tmp_path: Path, precision: str) -> None:
    model = model_directory(tmp_path / "model")
    lora = learner_pb2.Lora(rank=LORA.rank, alpha=LORA.alpha)
    objective = policy_gradient(learning_rate=1e-2, kl_coefficient=0.1)
    run, other = tmp_path / "run", tmp_path / "other"

    async def steps(client: LearnerClient, numbers: Sequence[int]) -> None:
        for step in numbers:
            # The second stage begins with the second step: its reference has adapters that say something.
            begins = step in (1, 2)
            await client.step(step, TRAJECTORIES, objective=objective, set_reference=begins, checkpoint=True)

    async def first(client: LearnerClient) -> None:
        opened = await client.open(run, model, lora=lora)
        assert opened.parameters == sum(each.numel() for each in random_policy().parameters())
        await steps(client, [1, 2])

    async def second(client: LearnerClient) -> None:
        without = client.open(run, model, resume=True)
        await refused(without, grpc.StatusCode.FAILED_PRECONDITION, "has adapters, and run 'r' is opened without lora")
        wider = learner_pb2.Lora(rank=8, alpha=LORA.alpha)
        another = client.open(run, model, resume=True, lora=wider)
        await refused(another, grpc.StatusCode.DATA_LOSS, 'was trained with lora {"rank": 4')
        assert (await client.open(run, model, resume=True, lora=lora)).step == 2
        await steps(client, [3])

    async def uninterrupted(client: LearnerClient) -> None:
        await client.open(other, model, lora=lora)
        await steps(client, [1, 2, 3])

    for body in (first, second, uninterrupted):
        scenario(body, precision=precision)
    assert same_weights(run / "versions" / "000003", other / "versions" / "000003")
    assert not same_weights(run / "versions" / "000003", run / "versions" / "000002")
    version = load_policy(run / "versions" / "000003")
    assert torch.isfinite(version(IDS)).all()


def test_adapters_of_no_size_are_refused(tmp_path: Path) -> None:
    async def body(client: LearnerClient) -> None:
        opened = client.open(tmp_path / "run", model_directory(tmp_path / "model"), lora=learner_pb2.Lora(alpha=-1))
        await refused(
            opened,
            grpc.StatusCode.INVALID_ARGUMENT,
            "lora.rank is 0; it must be at least 1; lora.alpha is -1; it must be above 0",
        )

    scenario(body)


def test_peft_loads_the_adapters_and_says_the_same(tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    policy = trained().policy
    save_weights(random_policy(), tmp_path / "base")
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    file.parent.mkdir()
    lora_writer(policy, LORA, str(tmp_path / "base"))(file)
    with safe_open(str(file), framework="pt") as opened:
        config = json.loads(opened.metadata()["adapter_config"])
    (file.parent / "adapter_config.json").write_text(json.dumps(config))
    base = AutoModelForCausalLM.from_pretrained(str(tmp_path / "base"), dtype=torch.float32)
    theirs = PeftModel.from_pretrained(base, str(file.parent))
    with torch.no_grad():
        torch.testing.assert_close(theirs(IDS).logits, policy(IDS), atol=1e-5, rtol=0)
        assert (theirs(IDS).logits - load_policy(tmp_path / "base")(IDS)).abs().max() > 1e-3
