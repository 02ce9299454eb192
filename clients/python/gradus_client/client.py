"""`listen`: the service of a trainer in a thread of its own, and the runs that coordinators open there."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Any

from gradus.learner.v1 import learner_service_pb2
from gradus_client.run import Run
from gradus_client.service import TrainerService
from gradus_learner.errors import NotReadyError
from gradus_learner.serve.artefacts import Artefacts
from gradus_learner.serve.config import ConfigError, LearnerConfig, ServiceConfig, suggestion
from gradus_learner.serve.grpc_server import GrpcService
from gradus_learner.serve.learner_events import LearnerEvents

# The trainer computes as it likes.
OF_THE_TRAINER = frozenset({"grpc", "threads", "device"})
SETTINGS = (set(ServiceConfig.model_fields) - OF_THE_TRAINER) | {"max_step_mebibytes"}


class Client:
    """Made by `listen`. A context manager; `close` ends the service and every iteration."""

    def __init__(self, config: LearnerConfig) -> None:
        self._runs: queue.Queue[Run | None] = queue.Queue()
        self._ready: Future[dict[str, str]] = Future()
        self._service: TrainerService | None = None
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, args=(config,), name="gradus-client", daemon=True)
        self._thread.start()
        self.addresses = self._ready.result()

    @property
    def address(self) -> str:
        """host:port, for `fleet.learner.address` of a recipe."""
        return self.addresses["grpc"]

    def runs(self) -> Iterator[Run]:
        """Runs as coordinators open them; of several that were opened meanwhile the newest. Ends when closed.

        A run that was opened anew, as after weights that are not finite, is a run of its own.
        """
        while True:
            run = self._runs.get()
            if run is None:
                self._runs.put(None)
                return
            if not run.ended:
                yield run

    def run(self) -> Run:
        """The next one. Raises NotReadyError where the client was closed."""
        for run in self.runs():
            return run
        raise NotReadyError("the client is closed; no run was opened")

    def close(self) -> None:
        """A step that is at hand fails: the coordinator asks for it again once a trainer is there."""
        if not self._thread.is_alive():
            return
        if self._service is not None:
            self._service.end(NotReadyError("the trainer has ended"))
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _serve(self, config: LearnerConfig) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._until_over(config))
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)
        finally:
            self._runs.put(None)
            self._loop.close()

    async def _until_over(self, config: LearnerConfig) -> None:
        service = GrpcService("learner", config, logging.getLogger("gradus_client"))
        events, artefacts = LearnerEvents(service.registry, service.log), Artefacts(config, service.tls)
        self._service = TrainerService(config, events, artefacts, self._runs.put)
        service.add(learner_service_pb2.DESCRIPTOR.services_by_name["LearnerService"], self._service)
        service.defer(self._service.close)
        self._ready.set_result(await service.start())
        await self._over.wait()
        await service.drain()


def listen(address: str = "127.0.0.1:0", **settings: Any) -> Client:
    """Serves the learner's contract at `address`, host:port; port 0 takes a free one.

    `settings` are flags of `gradus serve learner` with underscores that are not of the training itself: `metrics`,
    `roots`, `artefacts` and `artefact_directory`, `tls_ca`, `tls_cert` and `tls_key`, `insecure_remote`,
    `max_step_mebibytes`, `otlp_endpoint`. Raises ConfigError for one that cannot be, and for an address in use.
    """
    unknown = sorted(settings.keys() - SETTINGS)
    if unknown:
        raise ConfigError("; ".join(f"{name} is no setting{suggestion(name, sorted(SETTINGS))}" for name in unknown))
    return Client(LearnerConfig.model_validate({"grpc": address, **settings}))
