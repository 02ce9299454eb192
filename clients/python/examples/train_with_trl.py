"""TRL's trainer as the learner of a run: `python train_with_trl.py --listen 127.0.0.1:7009 --max-steps 200`.

The recipe says `fleet.learner: { kind: external, address: 127.0.0.1:7009 }`.
"""

# Checked where TRL is: it is not among what set-up installs.
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false

from __future__ import annotations

import argparse
import tempfile

import gradus_client
from gradus_client.trl import GradusGRPOTrainer
from transformers import AutoModelForCausalLM
from trl import GRPOConfig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:7009", help="host:port of fleet.learner.address")
    parser.add_argument("--max-steps", type=int, default=1000, help="most steps of one run")
    parser.add_argument("--learning-rate", type=float, default=1e-6)
    parser.add_argument("--accumulate", type=int, default=1, help="parts that a step is computed in")
    given = parser.parse_args()
    with gradus_client.listen(given.listen) as client, tempfile.TemporaryDirectory() as scratch:
        for run in client.runs():
            args = GRPOConfig(
                output_dir=scratch,
                max_steps=given.max_steps,
                learning_rate=given.learning_rate,
                lr_scheduler_type="constant",
                gradient_accumulation_steps=given.accumulate,
                logging_steps=1,
                save_strategy="no",
                report_to="none",
                bf16=False,
                gradient_checkpointing=False,
            )
            model = AutoModelForCausalLM.from_pretrained(run.weights, dtype="float32")
            GradusGRPOTrainer(run, model, args).train()


if __name__ == "__main__":
    main()
