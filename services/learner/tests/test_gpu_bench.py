"""The measurement for a GPU runs to its end at a tiny size, and makes the same step in both ways that it compares."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[3] / "bench" / "gpu.py"


def run(*options: str) -> subprocess.CompletedProcess[str]:
    # Whatever the machine has, the test has none.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *options], env=environment, capture_output=True, text=True, check=False
    )


def test_each_part_runs_and_both_ways_of_training_have_the_same_gradient() -> None:
    done = run("--tiny")
    assert done.returncode == 0, done.stdout + done.stderr
    train, generate = json.loads(done.stdout)["parts"]
    steps: dict[tuple[int, str], Any] = {(each["tokens"], each["by"]): each for each in train["measured"]}
    assert set(steps) == {(tokens, way) for tokens in (64, 128) for way in ("gradus", "transformers")}
    for tokens in (64, 128):
        ours, theirs = (steps[tokens, way] for way in ("gradus", "transformers"))
        assert ours["gradNormFirst"] == pytest.approx(theirs["gradNormFirst"], rel=1e-4)
        assert ours["gradNormFirst"] > 0 < ours["tokensPerSecond"]
        assert ours["mfu"] is None
    written = {each["by"]: each.get("written") for each in generate["measured"]}
    assert written == {"gradus": 12, "generate": 12, "vllm": None}


def test_parts_for_which_no_time_is_left_are_named() -> None:
    done = run("--tiny", "--seconds", "5")
    assert done.returncode == 1
    assert [each["notMeasured"].split(" were")[1] for each in json.loads(done.stdout)["parts"]] == [" left of 5"] * 2


def test_without_a_gpu_nothing_is_measured() -> None:
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert "torch finds no GPU; nothing is measured. --tiny tries the script on the CPU" in done.stderr
