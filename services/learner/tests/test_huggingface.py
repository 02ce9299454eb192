"""Models of transformers as decoders: what they compute, what is written of them, and what is refused."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_learner import PLAIN as OBJECTIVE
from tiny_learner import random_policy, samples
from tiny_models_of_transformers import GROUPED, MODELS, VOCABULARY, library_model, model_of, saved
from torch import Tensor

from gradus_learner.models.check_model import main as check_model
from gradus_learner.models.check_model import model_problems
from gradus_learner.models.config import ModelError
from gradus_learner.models.huggingface import package
from gradus_learner.models.huggingface.decoder import HuggingFaceDecoder
from gradus_learner.models.huggingface.rectangles import MOST_PADDING, spans
from gradus_learner.models.load import load_policy, save_weights
from gradus_learner.models.lora import add_lora, merged_weights
from gradus_learner.models.lora_config import Lora
from gradus_learner.models.packed_row import PackedRow
from gradus_learner.models.passes import PLAIN, Passes
from gradus_learner.models.registry import read_model
from gradus_learner.models.token_scores import token_scores
from gradus_learner.train.rollouts import train_on_rollouts
from gradus_learner.train.trainer import Trainer

LENGTHS = (3, 9, 11, 12, 12)


def row(seed: int = 1) -> PackedRow:
    ids_T = torch.randint(0, VOCABULARY, (sum(LENGTHS),), generator=torch.Generator().manual_seed(seed))
    return PackedRow(ids_T, LENGTHS)


def load(directory: Path, **more: Any) -> HuggingFaceDecoder:
    policy = load_policy(directory, model=read_model(directory, "transformers"), **more)
    assert isinstance(policy, HuggingFaceDecoder)
    return policy


@torch.no_grad()
def reference_logits(model: Any, packed: PackedRow) -> Tensor:
    """Of each sequence alone."""
    return torch.cat([model(input_ids=each.unsqueeze(0)).logits[0] for each in packed.ids_T.split(LENGTHS)])


@pytest.mark.parametrize("model_type", MODELS)
def test_a_packed_row_has_the_logits_of_transformers_before_and_after_it_is_written(
    tmp_path: Path, model_type: str
) -> None:
    from transformers import AutoModelForCausalLM

    model = library_model(model_type, **MODELS[model_type])
    expected = reference_logits(model, row())
    assert model_problems(saved(tmp_path, model), backend="transformers") == []
    policy = load(tmp_path)
    policy.check(PLAIN)
    policy.check(Passes("float32", activation_checkpointing=True))
    with torch.no_grad():
        hidden = policy.hidden(row())
        assert torch.allclose(policy.logits(hidden), expected, atol=1e-5, rtol=1e-5)
        targets = row(2).ids_T
        found = token_scores(hidden, policy.output_weight_VD, targets, 0.7).logprobs_N
    logprobs = torch.log_softmax(expected / 0.7, -1).gather(1, targets.unsqueeze(1)).squeeze(1)
    assert torch.allclose(found, logprobs, atol=1e-5, rtol=1e-5)
    save_weights(policy, tmp_path / "written")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "written").eval()
    assert torch.equal(reference_logits(again, row()), expected)
    # Tensor by tensor under the same names, for engines that read files.
    assert dict(policy.named_parameters()).keys() == read_model(tmp_path, "transformers").tensor_shapes.keys()


def gradients(policy: HuggingFaceDecoder, passes: Passes) -> tuple[Tensor, dict[str, Tensor]]:
    policy.zero_grad()
    hidden = policy.hidden(row(), passes)
    scores = token_scores(hidden, policy.output_weight_VD, row(2).ids_T)
    scores.logprobs_N.sum().backward()
    return hidden, {name: each.grad for name, each in policy.named_parameters() if each.grad is not None}


@pytest.mark.parametrize("model_type", ["gpt_neox", "gemma", "opt"])
def test_layers_that_are_computed_again_give_the_same_gradients_also_in_bfloat16(
    tmp_path: Path, model_type: str
) -> None:
    policy = load(model_of(tmp_path, model_type))
    for precision in ("float32", "bfloat16"):
        kept, expected = gradients(policy, Passes(precision))
        again, found = gradients(policy, Passes(precision, activation_checkpointing=True))
        assert kept.dtype == getattr(torch, precision)
        assert torch.equal(kept, again)
        assert found.keys() == expected.keys() == dict(policy.named_parameters()).keys()
        for name, gradient in expected.items():
            assert gradient.dtype == torch.float32
            assert torch.equal(gradient, found[name]), name


def test_a_pass_in_bfloat16_computes_with_rounded_weights_and_leaves_the_others(tmp_path: Path) -> None:
    policy = load(model_of(tmp_path, "mistral"))
    before = {name: each.detach().clone() for name, each in policy.named_parameters()}
    rounded = copy.deepcopy(policy).requires_grad_(False).to(torch.bfloat16)
    with torch.no_grad():
        found = policy.hidden(row(), Passes("bfloat16"))
        assert torch.equal(found, rounded.hidden(row(), Passes("bfloat16")))
        assert float((found.float() - policy.hidden(row())).abs().max()) > 1e-4
    assert all(torch.equal(each, before[name]) for name, each in policy.named_parameters())
    # Of rotary embeddings.
    assert {each.dtype for each in rounded.buffers()} == {torch.float32}


def test_a_step_on_rollouts_is_that_of_our_own_decoder(tmp_path: Path) -> None:
    own = random_policy()
    save_weights(own, tmp_path)
    other = load(tmp_path)
    metrics = [
        train_on_rollouts(Trainer(policy, 64), samples(random_policy()), OBJECTIVE, 1.0) for policy in (own, other)
    ]
    assert metrics[0]["grad_norm"] > 0.01
    for name in ("loss", "grad_norm", "entropy", "mismatch_max"):
        assert metrics[1][name] == pytest.approx(metrics[0][name], rel=1e-5, abs=1e-6)
    expected = dict(own.named_parameters())
    before = dict(random_policy().named_parameters())
    for name, parameter in other.named_parameters():
        assert not torch.equal(parameter, before[name])
        assert torch.allclose(parameter, expected[name], atol=1e-5, rtol=1e-5), name


def test_the_reference_of_a_trainer_stays_when_the_policy_changes(tmp_path: Path) -> None:
    trainer = Trainer(load(model_of(tmp_path, "gpt2")), 64)
    trainer.set_reference()
    assert trainer.reference is not None
    with torch.no_grad():
        before = trainer.reference.hidden(row())
        for parameter in trainer.policy.parameters():
            parameter.mul_(1.5)
        assert torch.equal(trainer.reference.hidden(row()), before)
        assert not torch.equal(trainer.policy.hidden(row()), before)


def test_adapters_are_added_in_where_layers_are_linear(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    lora = Lora(4, 8.0)
    policy = load(model_of(tmp_path, "gpt_neox"))
    add_lora(policy, lora, seed=1)
    trained = {name for name, each in policy.named_parameters() if each.requires_grad}
    assert len(trained) == 2 * 2 * 4
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if name.endswith("lora.B"):
                parameter.normal_(0.0, 0.1, generator=torch.Generator().manual_seed(1))
        expected = policy.logits(policy.hidden(row()))
    assert "gpt_neox.layers.0.attention.query_key_value.weight" in dict(merged_weights(policy))
    save_weights(policy, tmp_path / "merged")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    assert torch.allclose(reference_logits(merged, row()), expected, atol=1e-5, rtol=1e-4)


def test_adapters_of_matrices_that_lie_the_other_way_round_are_refused(tmp_path: Path) -> None:
    policy = load(model_of(tmp_path, "gpt2"))
    with pytest.raises(ModelError, match=r"lora: transformer\.h\.0\.attn\.c_attn is no linear layer"):
        add_lora(policy, Lora(4, 8.0), seed=1)
    assert all(each.requires_grad for each in policy.parameters())


@pytest.mark.parametrize(
    ("model_type", "more", "text"),
    [
        ("gemma2", GROUPED, r"no product of its last hidden states .*final_logit_softcapping is 30\.0"),
        ("cohere", GROUPED, r"no product of its last hidden states .*logit_scale is 0\.0625"),
        ("phi", {}, "PhiForCausalLM has an output matrix with a bias"),
    ],
)
def test_logits_that_are_no_product_are_refused_with_the_reason(
    tmp_path: Path, model_type: str, more: dict[str, Any], text: str
) -> None:
    policy = load(model_of(tmp_path, model_type, **more))
    with pytest.raises(ModelError, match=text):
        policy.check(PLAIN)


def test_a_model_that_sees_what_stands_behind_a_token_is_refused(tmp_path: Path) -> None:
    policy = load(model_of(tmp_path, "mistral"))
    policy.get_submodule("model.norm").register_forward_hook(lambda _module, _inputs, out: out + out.mean(1, True))
    with pytest.raises(ModelError, match="what stands behind a token changes its logits"):
        policy.check(PLAIN)


def test_parameters_that_are_made_of_several_tensors_are_refused_by_name(tmp_path: Path) -> None:
    model_of(tmp_path, "mixtral", **GROUPED, num_local_experts=2)
    with pytest.raises(ModelError, match=r"several tensors: model\.layers\.0\.mlp\.experts\.gate_up_proj") as raised:
        read_model(tmp_path, "transformers")
    assert "is not supported" in str(raised.value)


def test_files_of_another_layout_are_refused_by_name(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    model_of(tmp_path, "gpt2")
    weights = load_file(tmp_path / "model.safetensors")
    stripped = {name.removeprefix("transformer."): tensor for name, tensor in weights.items()}
    save_file(stripped, tmp_path / "model.safetensors", {"format": "pt"})
    [problem] = model_problems(tmp_path, backend="transformers")
    assert "missing tensors: transformer.h.0.attn.c_attn.bias" in problem
    assert "tensors that the model does not have: h.0.attn.c_attn.bias in model.safetensors" in problem


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"model_type": "nothing"}, "model_type is 'nothing'; transformers 5"),
        ({"model_type": None}, "model_type is null; transformers 5"),
        ({"quantization_config": {"bits": 4}}, "quantization_config is {'bits': 4}; weights that are trained"),
        ({"num_hidden_layers": "two"}, "config.json"),
        ({"eos_token_id": 4000}, "eos_token_id is 4000; it must be below vocab_size 97"),
        ({"model_type": "vit"}, "has no causal language model of it"),
    ],
)
def test_a_config_that_is_none_is_refused(tmp_path: Path, values: dict[str, Any], text: str) -> None:
    config = json.loads((model_of(tmp_path, "mistral") / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **values}))
    (tmp_path / "generation_config.json").unlink()
    with pytest.raises(ModelError) as raised:
        read_model(tmp_path, "transformers")
    assert text in str(raised.value)


def test_without_the_package_the_error_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model_of(tmp_path, "mistral")

    def absent(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(package.importlib, "import_module", absent)
    with pytest.raises(ModelError, match=r"install it next to the learner: pip install .*requirements-transformers"):
        read_model(tmp_path, "transformers")


def test_a_backend_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="backend is 'jax'; it must be one of builtin, transformers"):
        read_model(tmp_path, "jax")


def test_the_check_of_a_directory_says_problems_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model_of(tmp_path, "gpt_neox")
    assert check_model([str(tmp_path), "--backend", "transformers"]) == 0
    assert check_model([str(tmp_path)]) == 2
    assert "model_type is 'gpt_neox'; supported" in capsys.readouterr().err
    lora = json.dumps({"rank": 4, "alpha": 8, "target_modules": ["q_proj"]})
    assert check_model([str(tmp_path), "--backend", "transformers", "--lora", lora]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "lora.target_modules has q_proj; the layers of this model have dense, dense_4h_to_h, dense_h_to_4h, "
        "query_key_value"
    ]


def test_rectangles_hold_every_sequence_once_with_little_padding() -> None:
    lengths = [1, 1, 2, 2, 3, 8, 9, 9, 10, 30, 31, 100, 4]
    found = spans(lengths)
    assert [index for first, end in found for index in range(first, end)] == list(range(len(lengths)))
    for first, end in found:
        cells = (end - first) * max(lengths[first:end])
        assert cells - sum(lengths[first:end]) <= MOST_PADDING * cells
    assert len(found) < len(lengths)
