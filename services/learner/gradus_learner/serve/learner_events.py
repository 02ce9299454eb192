"""The only place where the learner counts and logs: one method per event."""

from __future__ import annotations

import logging

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gradus_learner.serve.opened_run import OpenedRun
from gradus_learner.train.run import LearnerRun, StepRecord


class LearnerEvents:
    def __init__(self, registry: CollectorRegistry, log: logging.Logger) -> None:
        self.log = log
        self._steps = Counter("gradus_learner_steps_total", "Training steps.", ["outcome"], registry=registry)
        self._tokens = Counter("gradus_learner_tokens_total", "Tokens trained on.", ["kind"], registry=registry)
        self._seconds = Histogram(
            "gradus_learner_step_seconds",
            "Time of a training step, without reading samples and writing files.",
            buckets=(0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
            registry=registry,
        )
        self._mismatches = Counter(
            "gradus_token_mismatches_total",
            "Sequences whose tokens are not those that the engine saw; never trained on.",
            registry=registry,
        )
        self._skipped = Counter(
            "gradus_learner_skipped_updates_total",
            "Updates left out because their gradient was not finite.",
            registry=registry,
        )
        self._splits = Counter(
            "gradus_learner_micro_batch_splits_total",
            "Micro-batches that did not fit into memory: their pass was made again with at most half of their tokens.",
            registry=registry,
        )
        self._damaged = Counter(
            "gradus_learner_damaged_files_total",
            "Files of versions and checkpoints that are not what was written.",
            registry=registry,
        )
        self._checkpoints = Counter("gradus_learner_checkpoints_total", "Checkpoints written.", registry=registry)
        self._version = Gauge(
            "gradus_policy_version",
            "Policy version: of the weights (learner), that engines have to serve (policy), that serves (engine).",
            registry=registry,
        )

    def run_opened(self, run: OpenedRun) -> None:
        self._version.set(run.step)
        for what in run.damaged:
            self._damaged.inc()
            self.log.error(
                "a file is damaged; what is whole and older is used",
                extra={"fields": {"runId": run.run_id, "damage": what, "step": run.step}},
            )
        self.log.info(
            "run opened",
            extra={
                "fields": {
                    "runId": run.run_id,
                    "step": run.step,
                    "parameters": run.parameters,
                    "trainedParameters": run.trained_parameters,
                }
            },
        )

    def mfu_known(self, run: LearnerRun) -> None:
        if run.peak_flops is None:
            self.log.info(
                "steps have no MFU: the peak of this device is not known; give --peak-tflops",
                extra={"fields": {"runId": run.run_id, "device": str(run.trainer.device)}},
            )

    def sample_mismatched(self, run: OpenedRun, task_id: str) -> None:
        self._mismatches.inc()
        self.log.error(
            "tokens differ from what the engine saw", extra={"fields": {"runId": run.run_id, "taskId": task_id}}
        )

    def step_applied(self, run: OpenedRun, record: StepRecord) -> None:
        metrics = record.metrics
        self._steps.labels("applied").inc()
        self._tokens.labels("model").inc(metrics["model_tokens"])
        self._tokens.labels("other").inc(max(0.0, metrics["tokens"] - metrics["model_tokens"]))
        self._seconds.observe(metrics["seconds"])
        self._version.set(run.step)
        skipped = metrics["updates_skipped"]
        self._skipped.inc(skipped)
        if skipped > 0 or record.absent_metrics:
            self.log.error(
                "a step has numbers that are not finite" + ("; nothing was learned" if metrics["updates"] == 0 else ""),
                extra={
                    "fields": {
                        "runId": run.run_id,
                        "step": record.step,
                        "updatesSkipped": skipped,
                        "absentMetrics": record.absent_metrics,
                    }
                },
            )
        if metrics["samples_trained"] == 0:
            self.log.warning(
                "nothing was learned: no sample of the step carries loss; all were truncated (mask_truncated), have no "
                "token of the policy, or are not what the engine saw. Raise limits.max_new_tokens or context_tokens",
                extra={"fields": {"runId": run.run_id, "step": record.step}},
            )
        # A trainer of the user's counts none.
        splits = metrics.get("micro_batch_splits", 0)
        if splits > 0:
            self._splits.inc(splits)
            tokens = int(metrics["micro_batch_tokens"])
            self.log.warning(
                "micro-batches did not fit into memory and were split; the step is whole, and time was lost: set "
                "fleet.learner.micro_batch_tokens (--micro-batch-tokens) to %d",
                tokens,
                extra={"fields": {"runId": run.run_id, "step": record.step, "microBatchTokens": tokens}},
            )
        if record.checkpoint_path:
            self._checkpoints.inc()
        self.log.info("step applied", extra={"fields": {"runId": run.run_id, "step": record.step, **metrics}})

    def checkpoint_lost(self, error: Exception) -> None:
        self.log.error(
            "the newest checkpoint could not be written; the one before it is whole, and a resume makes the steps "
            "since then again: free disk space, or look at the error",
            extra={"fields": {"error": str(error)}},
        )

    def step_repeated(self, run: OpenedRun, record: StepRecord) -> None:
        self._steps.labels("repeated").inc()
        self.log.info("step had been applied before", extra={"fields": {"runId": run.run_id, "step": record.step}})

    def step_refused(self, run: OpenedRun, step: int, reason: str) -> None:
        self._steps.labels("refused").inc()
        self.log.warning("step refused", extra={"fields": {"runId": run.run_id, "step": step, "reason": reason}})
