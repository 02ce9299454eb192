"""A run of a model of transformers: versions that others load, a resume bit for bit, and refusals when it opens."""

from __future__ import annotations

import json
from pathlib import Path

import grpc
import pytest
import torch
from safetensors.torch import load_file
from tiny_learner import TRAJECTORIES, LearnerClient, scenario
from tiny_models_of_transformers import GROUPED, VOCABULARY, model_of

from gradus_learner.train.weights_probe import PROBE_NAME


def test_versions_are_loaded_by_transformers_and_a_resumed_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = model_of(tmp_path / "model", "gpt_neox")

    async def body(client: LearnerClient) -> None:
        for name, resumes in (("whole", False), ("resumed", True)):
            opened = await client.open(tmp_path / name, model, backend="transformers")
            assert opened.parameters > 0
            await client.step(1, TRAJECTORIES, checkpoint=True)
            await client.written()
            if resumes:
                again = await client.open(tmp_path / name, model, resume=True, backend="transformers")
                assert again.step == 1
            answer = await client.step(2, TRAJECTORIES)
            assert answer.metrics["grad_norm"] > 0

    scenario(body)
    whole, resumed = (tmp_path / name / "versions" / "000002" for name in ("whole", "resumed"))
    assert (whole / "model.safetensors").read_bytes() == (resumed / "model.safetensors").read_bytes()
    before, after = load_file(model / "model.safetensors"), load_file(whole / "model.safetensors")
    assert before.keys() == after.keys()
    assert not torch.equal(before["embed_out.weight"], after["embed_out.weight"])
    loaded = AutoModelForCausalLM.from_pretrained(whole).eval()
    probe = json.loads((whole / PROBE_NAME).read_text())
    ids = torch.tensor(probe["tokenIds"])
    assert int(ids.max()) < VOCABULARY
    with torch.no_grad():
        table = torch.log_softmax(loaded(input_ids=ids.unsqueeze(0)).logits[0], -1)
    found = table[:-1].gather(1, ids[1:].unsqueeze(1)).squeeze(1)
    assert torch.allclose(found, torch.tensor(probe["logprobs"]), atol=1e-5)


def test_a_model_that_cannot_be_trained_is_refused_when_the_run_opens(tmp_path: Path) -> None:
    capped = model_of(tmp_path / "capped", "gemma2", **GROUPED)
    other = model_of(tmp_path / "other", "gpt_neox")

    async def body(client: LearnerClient) -> None:
        for path, backend, text in (
            (capped, "transformers", "final_logit_softcapping is 30.0"),
            (other, "", "model_type is 'gpt_neox'; supported"),
            (other, "jax", "backend is 'jax'; it must be one of builtin, transformers"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await client.open(tmp_path / "run", path, backend=backend)
            assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert text in (raised.value.details() or "")

    scenario(body)
