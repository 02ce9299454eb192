"""`python -m gradus_learner.serve --grpc 127.0.0.1:0 --threads 2`: the learner as a service.

`torchrun --nproc-per-node 2 -m gradus_learner.serve …`: of several processes, of which rank 0 serves.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

from gradus_learner.serve.config import ConfigError, LearnerConfig, load_config
from gradus_learner.serve.ranks.place import read_place


def main(argv: Sequence[str]) -> int:
    try:
        config = load_config(LearnerConfig, argv, os.environ)
        place = read_place(os.environ)
    except ConfigError as error:
        print(f"gradus learner: {error}", file=sys.stderr)
        return 2
    import torch

    from gradus.learner.v1 import learner_service_pb2
    from gradus_learner.errors import RankLostError
    from gradus_learner.serve.artefacts import Artefacts
    from gradus_learner.serve.grpc_server import GrpcService, run_service
    from gradus_learner.serve.learner import LearnerService
    from gradus_learner.serve.learner_events import LearnerEvents
    from gradus_learner.serve.ranks.group import join
    from gradus_learner.serve.ranks.member import run_member

    torch.set_num_threads(config.threads)
    try:
        group = None if place is None else join(place, config)
    except ConfigError as error:
        print(f"gradus learner: {error}", file=sys.stderr)
        return 2
    if group is not None and group.place.rank > 0:
        return run_member(config, group)

    async def build(service: GrpcService) -> None:
        artefacts = Artefacts(config, service.tls)
        learner = LearnerService(config, LearnerEvents(service.registry, service.log), artefacts, group)
        service.add(learner_service_pb2.DESCRIPTOR.services_by_name["LearnerService"], learner)
        if group is not None:
            loop = asyncio.get_running_loop()
            group.lost.add_done_callback(
                lambda lost: loop.call_soon_threadsafe(service.fail, RankLostError(lost.result()))
            )
            service.defer(group.end)
        service.defer(learner.close)

    code = run_service("learner", config, build)
    if group is not None and group.lost.done():
        # The thread that trains may wait for the lost rank, and Python for that thread.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
