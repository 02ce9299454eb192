"""Versions and checkpoints are what transformers loads, tokenizer and all."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import grpc
import pytest
import torch
from tiny_learner import CONFIG, SHAPES, LearnerClient, packed, refused, scenario, trajectory
from tokenizers import Tokenizer

from gradus_learner.files.manifest import read_manifest, verify
from gradus_learner.models import beside
from gradus_learner.models.beside import read_beside
from gradus_learner.models.config import ModelError
from gradus_learner.models.load import load_policy

NANO = Path(__file__).parents[3] / "policies" / "nano"
TEXT = "Who founded it? <tool> x </tool>"
OF_A_MODEL = {"chat_template.jinja", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}
TOKENIZER_HASH = hashlib.sha256((NANO / "tokenizer.json").read_bytes()).hexdigest()
TRAJECTORIES = [packed(trajectory(shape, seed, None, TOKENIZER_HASH)) for seed, shape in enumerate(SHAPES)]


def nano(path: Path, **files: str) -> Path:
    path.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"):
        shutil.copyfile(NANO / name, path / name)
    for name, text in files.items():
        (path / f"{name}.json").write_text(text, encoding="utf-8")
    return path


def trained(tmp_path: Path, model: Path) -> list[Path]:
    """The version and the checkpoint of one step."""
    written: list[Path] = []

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        answer = await client.step(1, TRAJECTORIES, checkpoint=True)
        written.extend(Path(path) for path in (answer.weights_path, answer.checkpoint_path))

    scenario(body)
    return written


def test_versions_and_checkpoints_load_in_transformers_with_the_same_logits_and_tokens(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    version, checkpoint = trained(tmp_path, nano(tmp_path / "model"))
    ids = Tokenizer.from_file(str(NANO / "tokenizer.json")).encode(TEXT, add_special_tokens=False).ids
    before = load_policy(NANO)(torch.tensor([ids]))
    for directory in (version, checkpoint):
        model = AutoModelForCausalLM.from_pretrained(directory).eval()
        tokenizer = AutoTokenizer.from_pretrained(directory)
        assert tokenizer(TEXT, add_special_tokens=False).input_ids == ids
        assert tokenizer.chat_template == (NANO / "chat_template.jinja").read_text(encoding="utf-8")
        assert tokenizer.eos_token_id == model.generation_config.eos_token_id == 1589
        with torch.no_grad():
            ours, theirs = load_policy(directory)(torch.tensor([ids])), model(input_ids=torch.tensor([ids])).logits
        assert torch.allclose(ours, theirs, atol=1e-4, rtol=1e-5)
        assert not torch.allclose(ours, before, atol=1e-4)
        manifest = read_manifest(directory)
        assert manifest.files.keys() > OF_A_MODEL
        assert verify(directory, manifest) == []


def test_files_of_the_model_itself_are_kept_as_they_are(tmp_path: Path) -> None:
    files = {"generation_config": '{"eos_token_id": [1589, 3], "top_p": 0.9}', "tokenizer_config": '{"eos_token": "x"}'}
    for directory in trained(tmp_path, nano(tmp_path / "model", **files)):
        for name, text in files.items():
            assert (directory / f"{name}.json").read_text(encoding="utf-8") == text


def test_a_version_begins_another_run_but_not_with_another_tokenizer(tmp_path: Path) -> None:
    version, _ = trained(tmp_path, nano(tmp_path / "model"))
    (version / "chat_template.jinja").write_text("another way to ask", encoding="utf-8")
    tokenizer = version / "tokenizer.json"

    async def body(client: LearnerClient) -> None:
        assert (await client.open(tmp_path / "second", version)).step == 0
        values = json.loads(tokenizer.read_text(encoding="utf-8"))
        values["model"]["unk_token"] = None
        tokenizer.write_text(json.dumps(values), encoding="utf-8")
        text = f"{tokenizer}: expected SHA-256 {read_manifest(version).files['tokenizer.json'].sha256} by manifest.json"
        await refused(client.open(tmp_path / "third", version), grpc.StatusCode.INVALID_ARGUMENT, text)

    scenario(body)


def test_a_model_whose_tokenizer_was_replaced_during_the_run_is_written_with_its_own(tmp_path: Path) -> None:
    model = nano(tmp_path / "model")

    async def body(client: LearnerClient) -> None:
        await client.open(tmp_path / "run", model)
        (model / "tokenizer.json").write_text("{}", encoding="utf-8")
        answer = await client.step(1, TRAJECTORIES)
        own = (NANO / "tokenizer.json").read_bytes()
        assert (Path(answer.weights_path) / "tokenizer.json").read_bytes() == own

    scenario(body)


def test_what_is_too_large_for_a_tokenizer_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "MOST_BYTES", 4)
    (tmp_path / "large.model").write_bytes(b"12345")
    with pytest.raises(ModelError, match=r"large\.model are 5 bytes in all; .* at most 4"):
        read_beside(tmp_path, CONFIG)
