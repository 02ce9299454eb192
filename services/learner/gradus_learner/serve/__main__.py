"""`python -m gradus_learner.serve --grpc 127.0.0.1:0 --threads 2`: the learner as a service."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from gradus_learner.serve.config import ConfigError, LearnerConfig, load_config


def main(argv: Sequence[str]) -> int:
    try:
        config = load_config(LearnerConfig, argv, os.environ)
    except ConfigError as error:
        print(f"gradus learner: {error}", file=sys.stderr)
        return 2
    import torch

    from gradus.learner.v1 import learner_service_pb2
    from gradus_learner.serve.artefacts import Artefacts
    from gradus_learner.serve.grpc_server import GrpcService, run_service
    from gradus_learner.serve.learner import LearnerService
    from gradus_learner.serve.learner_events import LearnerEvents

    torch.set_num_threads(config.threads)

    async def build(service: GrpcService) -> None:
        artefacts = Artefacts(config, service.tls)
        learner = LearnerService(config, LearnerEvents(service.registry, service.log), artefacts)
        service.add(learner_service_pb2.DESCRIPTOR.services_by_name["LearnerService"], learner)
        service.defer(learner.close)

    return run_service("learner", config, build)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
