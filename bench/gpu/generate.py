"""Tokens a second of the built-in engine, of transformers' `generate`, and of vLLM where it is installed.

All sequences begin together and write as many tokens. The engine computes in float32, the others in bfloat16 (on a
CPU all in float32), so each line names its format.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from shapes import SHAPES, Shape, config_of, policy_of, reference_of


def prompts_of(shape: Shape, count: int, tokens: int) -> list[list[int]]:
    # Never the last: it ends a text.
    return np.random.default_rng(2).integers(0, shape.vocabulary - 1, (count, tokens)).tolist()


def by_engine(shape: Shape, prompts: list[list[int]], new: int, device: str) -> dict[str, Any]:
    from prometheus_client import CollectorRegistry
    from tokenizers import Tokenizer, models

    from gradus_learner.engine.events import EngineEvents
    from gradus_learner.engine.request import Request, Sampling
    from gradus_learner.engine.scheduler import Engine
    from gradus_learner.engine.stops import Vocabulary
    from gradus_learner.engine.transformer import fuse

    context = len(prompts[0]) + new
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "tokenizer.json"
        words = {f"w{token}": token for token in range(shape.vocabulary)}
        Tokenizer(models.WordLevel(words, unk_token="w0")).save(str(path))
        vocabulary = Vocabulary(path)
    engine = Engine(
        fuse(policy_of(shape, device), context),
        vocabulary,
        EngineEvents(CollectorRegistry()),
        max_context=context,
        max_running=len(prompts),
        max_waiting=len(prompts),
        cache_bytes=0,
    )

    def once(count: int) -> tuple[float, int]:
        started = time.perf_counter()
        requests = [
            Request("", "", ids, Sampling(max_new_tokens=count, seed=at), context) for at, ids in enumerate(prompts)
        ]
        futures = [engine.submit(request).future for request in requests]
        while engine.waiting or engine.running:
            engine.step()
        return time.perf_counter() - started, sum(len(future.result().token_ids) for future in futures)

    once(2)
    seconds, tokens = once(new)
    return {"format": "float32", "seconds": seconds, "written": tokens}


def by_generate(shape: Shape, prompts: list[list[int]], new: int, device: str) -> dict[str, Any]:
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    model = reference_of(shape, device, dtype).eval()
    ids_BT = torch.tensor(prompts, device=device)

    def once(count: int) -> tuple[float, int]:
        started = time.perf_counter()
        out = model.generate(
            ids_BT, attention_mask=torch.ones_like(ids_BT), do_sample=True, min_new_tokens=count, max_new_tokens=count,
            pad_token_id=0,
        )  # fmt: skip
        written = int(out.numel() - ids_BT.numel())
        return time.perf_counter() - started, written

    once(2)
    seconds, tokens = once(new)
    return {"format": str(dtype).removeprefix("torch."), "seconds": seconds, "written": tokens}


def by_vllm(shape: Shape, prompts: list[list[int]], new: int, _device: str) -> dict[str, Any]:
    """Weights that vLLM makes up itself: no file of many gigabytes is written."""
    from vllm import LLM, SamplingParams  # pyright: ignore

    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "config.json").write_text(config_of(shape).to_json("bfloat16"), encoding="utf-8")
        model = LLM(
            model=directory, load_format="dummy", skip_tokenizer_init=True, dtype="bfloat16",
            max_model_len=len(prompts[0]) + new, gpu_memory_utilization=0.5,
        )  # fmt: skip
        inputs = [{"prompt_token_ids": ids} for ids in prompts]

        def once(count: int) -> tuple[float, int]:
            sampling = SamplingParams(max_tokens=count, min_tokens=count, ignore_eos=True, detokenize=False)
            started = time.perf_counter()
            answers = model.generate(inputs, sampling, use_tqdm=False)
            return time.perf_counter() - started, sum(len(answer.outputs[0].token_ids) for answer in answers)

        once(2)
        seconds, tokens = once(new)
    return {"format": "bfloat16", "seconds": seconds, "written": tokens}


def main(argv: list[str]) -> None:
    name, device, *numbers = argv
    count, prompt, new = (int(word) for word in numbers)
    shape = SHAPES[name]
    ways = {"gradus": by_engine, "generate": by_generate}
    has_vllm = device != "cpu" and importlib.util.find_spec("vllm") is not None
    for way, measure in ({**ways, "vllm": by_vllm} if has_vllm else ways).items():
        found = measure(shape, prompts_of(shape, count, prompt), new, device)
        seconds = found.pop("seconds")
        asked = {"part": "generate", "by": way, "shape": name, "sequences": count, "promptTokens": prompt}
        rate = {"seconds": round(seconds, 3), "tokensPerSecond": round(found["written"] / seconds)}
        print(json.dumps({**asked, **found, **rate}), flush=True)
        if device != "cpu":
            torch.cuda.empty_cache()
    if not has_vllm:
        print(json.dumps({"part": "generate", "by": "vllm", "notMeasured": "vLLM is not installed, or no GPU"}))


if __name__ == "__main__":
    main(sys.argv[1:])
