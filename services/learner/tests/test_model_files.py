"""Models that cannot be: refused before memory is taken, by name, all problems at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_learner import LearnerClient, model_directory, refused, scenario

from gradus_learner.models import memory
from gradus_learner.models.check_model import main
from gradus_learner.models.config import ModelError
from gradus_learner.models.load import load_policy
from gradus_learner.models.registry import read_model
from gradus_learner.models.tokenizer_size import tokenizer_size


def change(directory: Path, **values: Any) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000; it must be a whole number from 1 to 1024"),
        ({"num_hidden_layers": 2.0}, "num_hidden_layers is 2.0; it must be a whole number"),
        ({"num_hidden_layers": True}, "num_hidden_layers is true; it must be a whole number"),
        ({"hidden_size": "16"}, "hidden_size is '16'; it must be a whole number"),
        ({"rope_theta": 0, "rope_parameters": None}, "rope_theta is 0; it must be a number from 1 to 1e+12"),
        ({"rope_theta": float("nan"), "rope_parameters": None}, "rope_theta is nan; it must be a number"),
        ({"rope_theta": 5000.0}, "rope_theta is 5000.0, but rope_parameters says 10000.0; they must agree"),
        ({"rms_norm_eps": -1}, "rms_norm_eps is -1; it must be a number from 1e-12 to 0.1"),
        ({"rms_norm_eps": float("inf")}, "rms_norm_eps is inf; it must be a number"),
        ({"head_dim": None, "hidden_size": 17}, "hidden_size is 17; without head_dim it must be a multiple of 2 heads"),
        ({"num_key_value_heads": 0}, "num_key_value_heads is 0; it must be a whole number from 1"),
        ({"tie_word_embeddings": "false"}, "tie_word_embeddings is 'false'; it must be true or false"),
        ({"eos_token_id": 50}, "eos_token_id is 50; it must be below vocab_size 50"),
        ({"eos_token_id": [7, 50]}, "eos_token_id is 50; it must be below vocab_size 50"),
        ({"eos_token_id": ["<end>"]}, "eos_token_id is '<end>'; it must be a whole number"),
        ({"max_position_embeddings": 0}, "max_position_embeddings is 0"),
        ({"attention_bias": True}, "attention_bias is true; only false is supported"),
        ({"rope_parameters": 3}, "rope_parameters is 3; it must hold keys and values"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_with_field_value_and_what_is_allowed(
    tmp_path: Path, values: dict[str, Any], text: str
) -> None:
    directory = model_directory(tmp_path)
    change(directory, **values)
    with pytest.raises(ModelError) as raised:
        load_policy(directory)
    assert str(raised.value).startswith(str(directory / "config.json"))
    assert text in str(raised.value)


def test_all_problems_of_a_configuration_are_said_at_once(tmp_path: Path) -> None:
    directory = model_directory(tmp_path)
    change(directory, vocab_size=-1, rms_norm_eps="small", num_attention_heads=3, num_key_value_heads=2, hidden_act="x")
    with pytest.raises(ModelError) as raised:
        load_policy(directory)
    for text in ("vocab_size is -1", "rms_norm_eps is 'small'", "3 is not a multiple of", "hidden_act is 'x'"):
        assert text in str(raised.value)


@pytest.mark.parametrize("text", ["[]", "7", "{", "[" * 100_000, '{"vocab_size": ' + "9" * 5000 + "}", "x" * 2_000_000])
def test_a_configuration_that_is_no_mapping_is_refused_by_file(tmp_path: Path, text: str) -> None:
    directory = model_directory(tmp_path)
    (directory / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json: (holds|not JSON|larger)"):
        read_model(directory)


def test_layers_that_the_weights_do_not_have_are_refused_before_anything_is_built(tmp_path: Path) -> None:
    directory = model_directory(tmp_path)
    change(directory, num_hidden_layers=1024)
    with pytest.raises(ModelError, match=r"num_hidden_layers 1024, but the weights are of 2 layers"):
        load_policy(directory)


def test_tensors_of_other_shapes_are_found_in_the_header_before_memory_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = model_directory(tmp_path)
    change(directory, vocab_size=2**24, intermediate_size=2**20)

    def no_memory(*_: Any, **__: Any) -> Any:
        raise AssertionError("tensors were read")

    monkeypatch.setattr("gradus_learner.models.weight_files.load_file", no_memory)
    with pytest.raises(ModelError) as raised:
        load_policy(directory)
    assert "model.embed_tokens.weight has shape (50, 16), config.json says (16777216, 16)" in str(raised.value)
    assert "mlp.down_proj.weight has shape (16, 24), config.json says (16, 1048576)" in str(raised.value)


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (torch.tensor([float("nan")] * 16), "model.norm.weight holds 16 of 16 values that are not finite"),
        (torch.tensor([1.0] * 15 + [float("-inf")]), "model.norm.weight holds 1 of 16 values that are not finite"),
        (torch.tensor([1e300] * 16, dtype=torch.float64), "holds 16 of 16 values that are not finite"),
        (torch.ones(16, dtype=torch.int32), "model.norm.weight is of I32; it must be one of F64, F32, F16, BF16"),
    ],
)
def test_weights_that_are_no_numbers_are_refused_with_the_tensors_name(
    tmp_path: Path, bad: torch.Tensor, text: str
) -> None:
    directory = model_directory(tmp_path)
    file = directory / "model.safetensors"
    save_file({**load_file(file), "model.norm.weight": bad}, file)
    with pytest.raises(ModelError) as raised:
        load_policy(directory)
    assert text in str(raised.value)


def spoil(directory: Path) -> list[str]:
    """A key that is not built, a tokenizer that is too large, tensors missing, extra and misshapen."""
    change(directory, logit_softcap=30.0)
    (directory / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"a": 50}}}))
    file = directory / "model.safetensors"
    tensors = load_file(file)
    del tensors["model.norm.weight"]
    save_file({**tensors, "model.layers.0.mlp.up_proj.weight": torch.ones(16, 24), "score.weight": torch.ones(1)}, file)
    return [
        "tokenizer.json has 51 tokens, but config.json says vocab_size 50",
        "missing tensors: model.norm.weight",
        "tensors that the model does not have: score.weight in model.safetensors",
        "model.safetensors: model.layers.0.mlp.up_proj.weight has shape (16, 24), config.json says (24, 16)",
        "take both from the same model",
    ]


def test_all_that_is_wrong_of_a_model_is_said_at_once_when_a_run_is_opened_and_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = model_directory(tmp_path / "model")
    assert main([str(directory)]) == 0
    texts = spoil(directory)
    assert main([str(directory)]) == 2
    # What config.json does not say well, nothing can be compared with.
    assert "logit_softcap is 30.0; it is not a key of qwen3 that is built here" in capsys.readouterr().err
    change(directory, logit_softcap=None)
    assert main([str(directory)]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 2
    for text in texts:
        assert text in said
    assert main([str(directory), "--without-weights"]) == 2
    assert "score.weight" not in capsys.readouterr().err

    async def body(client: LearnerClient) -> None:
        for text in texts:
            await refused(client.open(tmp_path / "run", directory), grpc.StatusCode.INVALID_ARGUMENT, text)

    scenario(body)


def test_a_tensor_in_two_files_is_refused(tmp_path: Path) -> None:
    directory = model_directory(tmp_path)
    save_file({"model.norm.weight": torch.ones(16)}, directory / "model-2.safetensors")
    with pytest.raises(ModelError, match=r"model\.norm\.weight is in another file"):
        load_policy(directory)


def test_a_model_that_memory_does_not_hold_is_refused_with_the_arithmetic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = model_directory(tmp_path)
    monkeypatch.setattr(memory, "available_bytes", lambda _device: 3 * 2**10)
    with pytest.raises(ModelError, match=r"4,752 parameters x 4 bytes \(4 weights\) = 0\.0 GiB, but 0\.0 GiB"):
        load_policy(directory)


def test_the_memory_that_is_there_is_known() -> None:
    available = memory.available_bytes(torch.device("cpu"))
    assert available is not None
    assert 2**24 < available < 2**50


def test_the_size_of_a_tokenizer_is_one_more_than_its_greatest_id(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    for values, size in (
        ({}, 0),
        ({"model": {"vocab": {"a": 0, "b": 6}}, "added_tokens": [{"id": 4}]}, 7),
        ({"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 9}]}, 10),
        ({"model": {"vocab": [["a", -1.0], ["b", -2.0]]}}, 2),
    ):
        file.write_text(json.dumps(values))
        assert tokenizer_size(file) == size
    file.write_text("{")
    with pytest.raises(ModelError, match="not a tokenizer"):
        tokenizer_size(file)
