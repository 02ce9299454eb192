"""Families of dense decoders and their rotary embeddings: equal to transformers on the same directory."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_families import FAMILIES, VOCABULARY, policy_of

from gradus_learner.engine.arena import Region
from gradus_learner.engine.transformer import Part, Span, decode, fuse, prefill
from gradus_learner.models.config import ModelError
from gradus_learner.models.dense_config import DenseConfig, Family
from gradus_learner.models.dense_shapes import tensor_shapes
from gradus_learner.models.llama import LLAMA
from gradus_learner.models.load import load_policy, save_weights
from gradus_learner.models.qwen2 import QWEN2
from gradus_learner.models.qwen3 import QWEN3
from gradus_learner.models.registry import read_model
from gradus_learner.models.rope import Rope

LENGTH = 160
ROPES = {
    "default": Rope(theta=1e6),
    "linear": Rope("linear", factor=4.0),
    "llama3": Rope("llama3", theta=5e5, factor=8.0, original_positions=64),
    # As Jan-nano-128k's: the attention factor follows from the factor.
    "yarn": Rope("yarn", theta=1e6, factor=3.2, original_positions=40, attention_factor=1.1163150809805681),
}


def tokens(seed: int = 1) -> torch.Tensor:
    return torch.randint(0, VOCABULARY, (2, LENGTH), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.model_type)
@pytest.mark.parametrize("rope", ROPES.values(), ids=ROPES.keys())
def test_logits_equal_those_of_transformers(tmp_path: Path, family: Family, rope: Rope) -> None:
    from transformers import AutoModelForCausalLM

    policy = policy_of(family, rope)
    save_weights(policy, tmp_path)
    reference = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert type(reference).__name__ == family.architecture
    with torch.no_grad():
        assert torch.allclose(policy(tokens()), reference(input_ids=tokens()).logits, atol=1e-4, rtol=1e-5)
    again = load_policy(tmp_path)
    assert again.config == policy.config
    assert {name: tuple(each.shape) for name, each in again.named_parameters()} == tensor_shapes(policy.config)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.model_type)
def test_a_directory_of_transformers_own_is_read(tmp_path: Path, family: Family) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {"vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256}
    torch.manual_seed(0)
    config = AutoConfig.for_model(family.model_type, **sizes, **heads, bos_token_id=1, eos_token_id=[2, 3])
    reference = AutoModelForCausalLM.from_config(config).eval()
    reference.save_pretrained(tmp_path)
    policy = load_policy(tmp_path)
    with torch.no_grad():
        assert torch.allclose(policy(tokens()), reference(input_ids=tokens()).logits, atol=1e-4, rtol=1e-5)
    assert policy.config.eos_token_ids == (2, 3)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.model_type)
@pytest.mark.parametrize("rope", ROPES.values(), ids=ROPES.keys())
def test_the_engine_gives_the_logits_of_the_full_forward(family: Family, rope: Rope) -> None:
    policy = policy_of(family, rope, tie=True)
    weights = fuse(policy, 256)
    region = Region(policy.config, 256, torch.device("cpu"))
    region.reserve(1)
    [ids, _] = tokens().tolist()
    first = prefill(weights, region, [Span(0, 0, ids[:-1])])
    last = decode(weights, torch.tensor(ids[-1:]), [Part(region, torch.tensor([LENGTH - 1]), LENGTH)])
    with torch.no_grad():
        expected = policy(torch.tensor([ids]))[0]
    assert first is not None
    assert torch.allclose(first[0], expected[-2], atol=1e-4, rtol=1e-4)
    assert torch.allclose(last[0], expected[-1], atol=1e-4, rtol=1e-4)


def written(directory: Path, family: Family = QWEN3, **values: Any) -> Path:
    config = json.loads(policy_of(family, Rope()).config.to_json())
    (directory / "config.json").write_text(json.dumps({**config, **values}))
    return directory


@pytest.mark.parametrize(
    ("family", "values", "text"),
    [
        (
            QWEN3,
            {"rope_parameters": None, "rope_scaling": {"type": "dynamic", "factor": 2.0}},
            "rope_type is 'dynamic'",
        ),
        (QWEN3, {"rope_parameters": {"rope_type": "yarn"}}, "factor is null; rope_type 'yarn' needs a number from 1"),
        (QWEN3, {"rope_parameters": {"rope_type": "yarn", "factor": 2, "mscale": 1}}, "mscale is 1; rope_type 'yarn'"),
        (QWEN3, {"rope_parameters": {"rope_type": "default", "factor": 2.0}}, "factor is 2.0; rope_type 'default'"),
        (LLAMA, {"rope_parameters": {"rope_type": "llama3", "factor": 8}}, "low_freq_factor is null"),
        (QWEN3, {"layer_types": ["sliding_attention"] * 3}, "layer_types is ['sliding_attention'"),
        (QWEN2, {"use_sliding_window": True}, "use_sliding_window is true; only false is supported"),
        (LLAMA, {"mlp_bias": True}, "mlp_bias is true; only false is supported"),
        (LLAMA, {"quantization_config": {"bits": 4}}, "quantization_config is {'bits': 4}; it is not a key of llama"),
        (QWEN3, {"model_type": "gemma"}, "model_type is 'gemma'; supported: qwen3, qwen2, llama"),
    ],
)
def test_what_would_be_another_model_is_refused_by_name(
    tmp_path: Path, family: Family, values: dict[str, Any], text: str
) -> None:
    with pytest.raises(ModelError) as raised:
        read_model(written(tmp_path, family, **values))
    assert text in str(raised.value)


def test_the_older_key_of_a_rope_type_is_read(tmp_path: Path) -> None:
    scaling = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
    model = read_model(written(tmp_path, rope_parameters=None, rope_scaling=scaling, rope_theta=10_000.0))
    expected = Rope("yarn", factor=4.0, original_positions=64, attention_factor=1.138629436111989)
    assert isinstance(model.config, DenseConfig)
    assert model.config.rope == expected


def test_every_end_token_counts_and_generation_config_says_more_than_config(tmp_path: Path) -> None:
    assert read_model(written(tmp_path, eos_token_id=[7, 9])).config.eos_token_ids == (7, 9)
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [11, 12]}')
    assert read_model(tmp_path).config.eos_token_ids == (11, 12)
    (tmp_path / "generation_config.json").write_text('{"temperature": 0.6}')
    assert read_model(tmp_path).config.eos_token_ids == (7, 9)
    (tmp_path / "generation_config.json").write_text("[]")
    with pytest.raises(ModelError, match=r"generation_config\.json: holds list"):
        read_model(tmp_path)
    one = replace(policy_of(QWEN3, Rope()).config, eos_token_ids=(3,))
    assert json.loads(one.to_json())["eos_token_id"] == 3
