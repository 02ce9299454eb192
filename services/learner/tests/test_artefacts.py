from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from gradus.artefacts.v1 import artefacts_pb2
from gradus_learner.errors import InputError, NotReadyError, StateError
from gradus_learner.serve.artefacts import Artefacts
from gradus_learner.serve.config import ConfigError, LearnerConfig

DIGEST = "a" * 64


def artefacts(**settings: Any) -> Artefacts:
    return Artefacts(LearnerConfig(**settings), None)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """The contract over a real port: what is put is copied, under a digest that counts."""
    kept = tmp_path / "store"
    calls: list[str] = []

    def put(request: artefacts_pb2.PutRequest, _context: grpc.ServicerContext) -> artefacts_pb2.PutResponse:
        calls.append(f"put {request.kind} {Path(request.path).name} of {request.run_id}")
        digest = f"{len(calls):064x}"
        shutil.copytree(request.path, kept / digest)
        return artefacts_pb2.PutResponse(digest=digest)

    def fetch(request: artefacts_pb2.FetchRequest, context: grpc.ServicerContext) -> artefacts_pb2.FetchResponse:
        calls.append("fetch")
        if not (kept / request.digest).is_dir():
            context.abort(grpc.StatusCode.NOT_FOUND, f"artefact {request.digest}: not there")
        shutil.copytree(kept / request.digest, request.directory, dirs_exist_ok=True)
        return artefacts_pb2.FetchResponse()

    server = grpc.server(ThreadPoolExecutor(2))

    def serialized(answer: Any) -> bytes:
        return answer.SerializeToString()

    answers: Any = (("Put", put, artefacts_pb2.PutRequest), ("Fetch", fetch, artefacts_pb2.FetchRequest))
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(run, kind.FromString, serialized) for name, run, kind in answers
    }
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("gradus.artefacts.v1.ArtefactService", handlers),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", calls
    server.stop(None)


def test_without_a_store_locations_are_paths_and_others_are_refused() -> None:
    plain = artefacts()
    assert plain.fetch("/a/b") == Path("/a/b")
    assert plain.put("/a/b", "version", "r") == "/a/b"
    assert plain.own_directory("runs/r") == Path("runs/r")
    with pytest.raises(StateError, match="give it --artefacts and --artefact-directory"):
        plain.fetch(f"artefact:{DIGEST}")
    with pytest.raises(InputError, match="it must be an absolute path or artefact:DIGEST"):
        plain.fetch("artefact:../../etc")


def test_settings_that_go_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one of them is missing"):
        artefacts(artefacts="127.0.0.1:1")
    with pytest.raises(ConfigError, match="it must be an absolute path"):
        artefacts(artefacts="127.0.0.1:1", artefact_directory=Path("here"))
    own = artefacts(artefacts="127.0.0.1:1", artefact_directory=tmp_path)
    assert own.own_directory("r/branches/1") == tmp_path / "runs/r/branches/1"
    with pytest.raises(InputError, match="must not have"):
        own.own_directory("../r")


def test_what_is_put_is_put_once_and_fetched_whole(tmp_path: Path, store: Any) -> None:
    address, calls = store
    version = tmp_path / "000001"
    version.mkdir()
    (version / "model.safetensors").write_text("weights")
    own = artefacts(artefacts=address, artefact_directory=tmp_path / "own")
    location = own.put(str(version), "version", "r", "digest")
    assert own.put(str(version), "version", "r", "digest") == location
    assert calls == ["put version 000001 of r"]
    # Written again with other weights.
    assert own.put(str(version), "version", "r", "other") != location

    place = own.fetch(location)
    assert (place / "model.safetensors").read_text() == "weights"
    # What was fetched is known by where it came from.
    assert own.put(str(place), "version", "r", "whatever") == location
    second = own.fetch(own.put(str(version), "version", "r", "other"))
    own.keep_only([second])
    assert not place.exists()
    assert second.is_dir()


def test_a_store_that_is_unavailable_or_lacks_it_is_named(tmp_path: Path, store: Any) -> None:
    address, _ = store
    own = artefacts(artefacts=address, artefact_directory=tmp_path)
    with pytest.raises(StateError, match=f"the artefact service at {address}: artefact {DIGEST}: not there"):
        own.fetch(f"artefact:{DIGEST}")
    gone = artefacts(artefacts="127.0.0.1:1", artefact_directory=tmp_path)
    with pytest.raises(NotReadyError, match=r"the artefact service at 127\.0\.0\.1:1"):
        gone.put(str(tmp_path), "version", "r")
