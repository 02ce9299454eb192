"""LearnerService: the RPCs over one opened run.

All work on weights runs in one thread of its own, one call after another, so that health and metrics answer at any
time and a call that was cancelled cannot meet its own repetition halfway.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from gradus.learner.v1 import learner_pb2
from gradus_learner.errors import ExchangeError, GradusError, InputError, ReopenedError, StateError
from gradus_learner.models.backend_names import BUILTIN
from gradus_learner.models.lora_config import Lora
from gradus_learner.objectives.objective import Packed
from gradus_learner.objectives.registry import objective_of
from gradus_learner.serve.artefacts import Artefacts
from gradus_learner.serve.config import LearnerConfig
from gradus_learner.serve.epoch_fence import EpochFence
from gradus_learner.serve.learner_events import LearnerEvents
from gradus_learner.serve.opened_run import OpenedRun
from gradus_learner.serve.ranks.group import RankGroup
from gradus_learner.serve.ranks.place import device_of
from gradus_learner.train.checkpoint import checkpoint_directory, named_checkpoints
from gradus_learner.train.checkpoint_writer import CheckpointWriter
from gradus_learner.train.open_run import open_run
from gradus_learner.train.ranks import ALONE
from gradus_learner.train.run import StepOptions, StepRecord
from gradus_learner.train.sample import Sample, SampleError
from gradus_learner.train.shared_run import CloseRun

T = TypeVar("T")
MOST_SAID_PROBLEMS = 10


class LearnerService:
    def __init__(
        self,
        config: LearnerConfig,
        events: LearnerEvents,
        artefacts: Artefacts | None = None,
        group: RankGroup | None = None,
    ) -> None:
        self.config = config
        self.group = group
        self.ranks = ALONE if group is None else group.ranks
        self.device = config.device if group is None else device_of(config.device, group.place)
        self.artefacts = artefacts or Artefacts(config, None)
        self.events = events
        self.run: OpenedRun | None = None
        self.checkpoints = CheckpointWriter()
        self._fence = EpochFence()
        self._work = ThreadPoolExecutor(1, thread_name_prefix="learner")

    async def _in_order(self, function: Callable[[], T]) -> T:
        work = asyncio.get_running_loop().run_in_executor(self._work, function)
        return await (work if self.group is None else self.group.unless_lost(work))

    async def close(self) -> None:
        """Waits for the work at hand, unless that waits for a lost rank, and for a checkpoint that is being written."""
        if self.group is None or not self.group.lost.done():
            await asyncio.to_thread(self._work.shutdown)
        await asyncio.to_thread(self._finish_checkpoint)

    def _finish_checkpoint(self) -> None:
        """Of a run that is not trained any more; without it a resume goes on from an older one."""
        try:
            self.checkpoints.finish()
        except Exception as error:
            self.events.checkpoint_lost(error)
            self.checkpoints.drop()

    async def open_run(self, request: learner_pb2.OpenRunRequest, _context: Any) -> learner_pb2.OpenRunResponse:
        self._fence.admit(request.epoch)
        return await self._in_order(lambda: self._open(request))

    def _open(self, request: learner_pb2.OpenRunRequest) -> learner_pb2.OpenRunResponse:
        run = self.run
        # A coordinator that comes back finds the run as it left it; only a new process reads the checkpoint.
        directory = self.artefacts.own_directory(request.directory)
        same = run is not None and (run.run_id, run.path) == (request.run_id, directory)
        if run is None or run.torn or not same or not request.resume:
            # Nothing but `self` may hold the one before, see `_forget_run`.
            run = None
            self._finish_checkpoint()
            run = self._read_run(request, directory)
        weights_path, digest = run.current_weights()
        response = learner_pb2.OpenRunResponse(
            step=run.step,
            version=run.step,
            weights_path=self.artefacts.put(weights_path, "version", run.run_id, digest),
            weights_digest=digest,
            parameters=run.parameters,
            tokenizer_hash=run.tokenizer_hash,
            damaged=run.damaged,
        )
        self.run = run
        self.events.run_opened(run)
        return response

    def _read_run(self, request: learner_pb2.OpenRunRequest, directory: Path) -> OpenedRun:
        run = open_run(
            run_id=request.run_id,
            directory=directory,
            model_path=self.artefacts.fetch(request.model_path),
            seed=request.seed,
            resume=request.resume,
            keep_checkpoints=request.keep_checkpoints,
            device=self.device,
            micro_batch_tokens=self.config.micro_batch_tokens,
            precision=self.config.precision,
            activation_checkpointing=self.config.activation_checkpointing,
            peak_tflops=self.config.peak_tflops,
            lora=lora_of(request),
            backend=request.backend or BUILTIN,
            roots=self.config.roots,
            expected=dict(request.model_digests),
            make_room=self._forget_run,
            ranks=self.ranks,
            bring=(lambda checkpoints: self._bring_checkpoint(request, checkpoints)) if request.checkpoint else None,
            checkpoints=self.checkpoints,
        )
        self.events.mfu_known(run)
        return run

    def _bring_checkpoint(self, request: learner_pb2.OpenRunRequest, checkpoints: Path) -> None:
        """The ledger's newest one, for a learner whose disk does not have it."""
        step = request.checkpoint_step
        if any(found >= step for found, _ in named_checkpoints(checkpoints)):
            return
        checkpoints.mkdir(parents=True, exist_ok=True)
        self.artefacts.fetch(request.checkpoint, into=checkpoint_directory(checkpoints, step))

    def _forget_run(self) -> None:
        """Gives the memory of the run before back. A coordinator that still trains it has to open it again."""
        self.run = None
        self.ranks.call(CloseRun())
        CloseRun().free()

    async def train_step(
        self, requests: AsyncIterator[learner_pb2.TrainStepRequest], _context: Any
    ) -> learner_pb2.TrainStepResponse:
        header: learner_pb2.StepHeader | None = None
        options: StepOptions | None = None
        samples: list[Any] = []
        problems: list[str] = []
        received_bytes = 0
        run = self._open_run()
        async for request in requests:
            if header is None or options is None:
                if request.WhichOneof("message") != "header":
                    raise InputError("the first message must be the header")
                header = request.header
                self._fence.admit(header.epoch)
                options = step_options(header)
                if header.run_id != run.run_id:
                    raise StateError(f"run_id is {header.run_id!r}, open is {run.run_id!r}")
                continue
            if options.step <= run.step:
                # Answered from its record; its samples are read past.
                continue
            if request.WhichOneof("message") != "sample":
                raise InputError(f"message {len(samples) + len(problems) + 2} must be a sample")
            received_bytes += len(request.sample.trajectory)
            if received_bytes > self.config.max_step_mebibytes * 1024 * 1024:
                raise InputError(
                    # No time heals it, unlike a full disk.
                    f"the samples exceed {self.config.max_step_mebibytes} MiB; raise --max-step-mebibytes",
                )
            index = len(samples) + len(problems)
            if index >= header.samples:
                raise InputError(f"more samples came than the header's {header.samples}")
            try:
                samples.append(await self._decode(run, request.sample, options))
            except SampleError as error:
                problems.append(f"sample {index}: {error}")
        if header is None or options is None:
            raise InputError("the stream is empty; send a header and its samples")
        if problems:
            raise InputError(refusal_of(problems, len(samples) + len(problems)))
        if len(samples) != header.samples and options.step > run.step:
            raise InputError(f"{len(samples)} samples came, the header says {header.samples}")
        # Again: while its samples came in, the next leader may have been here.
        self._fence.admit(header.epoch)
        return await self._answer(run, options, samples)

    def _open_run(self) -> OpenedRun:
        if self.run is None:
            raise StateError("no run is open; call OpenRun first")
        return self.run

    async def _decode(self, run: OpenedRun, message: Any, options: StepOptions) -> Any:
        group = message.group if message.HasField("group") else None
        packed = Packed(message.trajectory, message.advantage, message.truncated, message.role, group)
        return await asyncio.to_thread(options.objective.decode, packed, run.intake(options.temperature))

    async def _answer(
        self, run: OpenedRun, options: StepOptions, samples: Sequence[Any]
    ) -> learner_pb2.TrainStepResponse:
        # Shielded: a caller that disconnects does not stop a step halfway; its repetition finds the record.
        record, applied = await asyncio.shield(self._in_order(lambda: self._apply(run, options, samples)))
        weights, checkpoint = await asyncio.to_thread(self._publish, run, record)
        return learner_pb2.TrainStepResponse(
            step=record.step,
            version=record.step,
            weights_path=weights,
            weights_digest=record.weights_digest,
            applied=applied,
            metrics=record.metrics,
            absent_metrics=record.absent_metrics,
            checkpoint_path=checkpoint,
        )

    def _publish(self, run: OpenedRun, record: StepRecord) -> tuple[str, str]:
        """Locations of a step's version and checkpoint."""
        digest = record.weights_digest
        return (
            self.artefacts.put(record.weights_path, "version", run.run_id, digest),
            self.artefacts.put(record.checkpoint_path, "checkpoint", run.run_id, digest),
        )

    def _apply(self, run: OpenedRun, options: StepOptions, samples: Sequence[Any]) -> tuple[StepRecord, bool]:
        if run is not self.run:
            raise ReopenedError(f"run {run.run_id} was opened again meanwhile; send the step again")
        before = run.step
        try:
            record, applied = run.apply(options, samples)
            if self.artefacts.address is not None and record.checkpoint_path:
                # Its location is the digest of what is written.
                run.finish_checkpoint()
        except ExchangeError:
            # Who is lost is not known yet.
            raise
        except GradusError as error:
            self.events.step_refused(run, options.step, str(error))
            raise
        finally:
            if run.step > before:
                for sample in samples:
                    if isinstance(sample, Sample) and not sample.digest_matches:
                        self.events.sample_mismatched(run, sample.task_id)
                self.events.step_applied(run, run.records[run.step])
        if not applied:
            self.events.step_repeated(run, record)
        return record, applied

    async def describe(self, _request: Any, _context: Any) -> learner_pb2.DescribeResponse:
        if self.run is None:
            return learner_pb2.DescribeResponse(device=self.device)
        return learner_pb2.DescribeResponse(
            run_id=self.run.run_id, step=self.run.step, parameters=self.run.parameters, device=self.device
        )


def refusal_of(problems: Sequence[str], received: int) -> str:
    """All of them, as far as a message has room."""
    said = "; ".join(problems[:MOST_SAID_PROBLEMS])
    more = len(problems) - MOST_SAID_PROBLEMS
    if len(problems) == 1:
        return said
    return f"{len(problems)} of {received} samples cannot be trained on: {said}" + (
        f"; and {more} more" if more > 0 else ""
    )


def lora_of(request: learner_pb2.OpenRunRequest) -> Lora | None:
    """Raises InputError with both of its problems at once."""
    if not request.HasField("lora"):
        return None
    lora = request.lora
    problems = [
        f"lora.{name} is {value:g}; it must be {bound}"
        for name, value, holds, bound in (
            ("rank", lora.rank, lora.rank > 0, "at least 1"),
            ("alpha", lora.alpha, 0 < lora.alpha <= 1e6, "above 0 and at most 1000000"),
        )
        if not holds
    ]
    if problems:
        raise InputError("; ".join(problems))
    return Lora(lora.rank, lora.alpha, tuple(lora.target_modules))


def step_options(header: learner_pb2.StepHeader) -> StepOptions:
    if header.samples == 0:
        raise InputError("samples is 0; a step needs at least one")
    # 0 is the field left unset.
    temperature = header.temperature or 1.0
    if not 0 < temperature <= 10:
        raise InputError(f"temperature is {temperature}; it must be above 0 and at most 10")
    objective = objective_of(header.objective.name, dict(header.objective.options.items()))
    kept = frozenset(header.keep_versions)
    return StepOptions(header.step, objective, temperature, header.checkpoint, header.set_reference, kept)
