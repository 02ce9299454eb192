from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gradus_learner.models.config import ModelError
from gradus_learner.models.dense import Dense
from gradus_learner.models.dense_config import DenseConfig
from gradus_learner.models.dense_shapes import tensor_shapes
from gradus_learner.models.load import load_policy, parameter_count, save_weights
from gradus_learner.models.packed_row import PackedRow
from gradus_learner.models.qwen3 import QWEN3


def tiny(tie: bool = True, kv_heads: int = 2) -> DenseConfig:
    return DenseConfig(
        QWEN3,
        vocab_size=97,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=kv_heads,
        head_dim=12,
        max_position_embeddings=128,
        tie_word_embeddings=tie,
        eos_token_ids=(3,),
    )


def random_policy(config: DenseConfig, seed: int = 0) -> Dense:
    policy = Dense(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.normal_(0.0, 0.2, generator=generator)
            if parameter.dim() == 1:
                parameter.add_(1.0)
    return policy


@pytest.mark.parametrize("tie", [True, False])
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_logits_equal_those_of_transformers_on_the_same_directory(tmp_path: Path, tie: bool, kv_heads: int) -> None:
    from transformers import Qwen3ForCausalLM

    policy = random_policy(tiny(tie, kv_heads))
    save_weights(policy, tmp_path)
    reference = Qwen3ForCausalLM.from_pretrained(tmp_path).eval()
    ids = torch.randint(0, 97, (3, 40), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = reference(input_ids=ids).logits
        actual = policy(ids)
    assert torch.allclose(actual, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("tie", [True, False])
def test_the_shapes_that_are_expected_are_those_of_the_model(tie: bool) -> None:
    config = tiny(tie)
    own = {name: tuple(parameter.shape) for name, parameter in Dense(config).named_parameters()}
    assert tensor_shapes(config) == own


def test_saved_weights_load_to_the_same_parameters(tmp_path: Path) -> None:
    policy = random_policy(tiny())
    save_weights(policy, tmp_path)
    again = load_policy(tmp_path)
    assert again.config == policy.config
    assert parameter_count(again) == parameter_count(policy)
    for (name, left), (_, right) in zip(policy.named_parameters(), again.named_parameters(), strict=True):
        assert torch.equal(left, right), name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


def test_padding_on_the_right_does_not_change_real_positions() -> None:
    policy = random_policy(tiny())
    ids = torch.arange(1, 21).unsqueeze(0)
    padded = torch.cat((ids, torch.zeros(1, 9, dtype=torch.long)), dim=1)
    with torch.no_grad():
        assert torch.allclose(policy(ids), policy(padded)[:, :20], atol=1e-5)


def test_a_packed_row_has_the_logits_of_each_sequence_alone() -> None:
    policy = random_policy(tiny())
    left, right = torch.arange(1, 11), torch.arange(30, 45)
    row = PackedRow(torch.cat((left, right)), (10, 15))
    with torch.no_grad():
        together = policy.logits(policy.hidden(row))
        alone = torch.cat((policy(left.unsqueeze(0))[0], policy(right.unsqueeze(0))[0]))
    assert torch.allclose(together, alone, atol=1e-5)


def test_a_truncated_weights_file_is_refused_and_named(tmp_path: Path) -> None:
    save_weights(random_policy(tiny()), tmp_path)
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"model\.safetensors: not a whole safetensors file"):
        load_policy(tmp_path)


def test_weights_of_another_shape_leave_the_policy_as_it_was(tmp_path: Path) -> None:
    save_weights(random_policy(tiny()), tmp_path)
    (tmp_path / "config.json").write_text(tiny().to_json().replace('"hidden_size": 32', '"hidden_size": 36'))
    with pytest.raises(ModelError, match="has shape"):
        load_policy(tmp_path)
