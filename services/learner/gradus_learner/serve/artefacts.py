"""Locations: paths of this machine, or `artefact:DIGEST` of the fleet's store.

The artefact service of this machine (`gradus serve artefacts`) fetches and puts these. As artefact-files.ts
and location.ts in services/artefacts.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from gradus_learner.errors import DamagedError, GradusError, InputError, NoRoomError, NotReadyError, StateError
from gradus_learner.serve.config import ConfigError, ServiceConfig

if TYPE_CHECKING:
    from gradus_learner.serve.tls import TlsMaterial

SCHEME = "artefact:"
DIGEST = re.compile(r"[0-9a-f]{64}")
SERVER_NAME = "artefacts.gradus.internal"
# Weights of many gigabytes pass through one call.
TRANSFER_SECONDS = 1800.0

ERRORS: dict[grpc.StatusCode, type[GradusError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InputError,
    grpc.StatusCode.NOT_FOUND: StateError,
    grpc.StatusCode.FAILED_PRECONDITION: StateError,
    grpc.StatusCode.DATA_LOSS: DamagedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: NoRoomError,
}


class Artefacts:
    """What other machines hand to this service, and it to them. Without a store every location is a path."""

    def __init__(self, config: ServiceConfig, tls: TlsMaterial | None) -> None:
        if (config.artefacts is None) != (config.artefact_directory is None):
            raise ConfigError(
                "artefacts and artefact_directory go together; one of them is missing: give --artefacts and "
                "--artefact-directory, or neither"
            )
        self.address = config.artefacts
        self.directory = config.artefact_directory
        if self.directory is not None and not self.directory.is_absolute():
            raise ConfigError(f"artefact_directory is {str(self.directory)!r}; it must be an absolute path")
        self._tls = tls
        # What was put or fetched, by its path and the digest of its weights.
        self._locations: dict[tuple[str, str], str] = {}

    def own_directory(self, name: str) -> Path:
        """A directory that a caller names: absolute, or below this service's own."""
        if self.directory is None or Path(name).is_absolute():
            return Path(name)
        if ".." in Path(name).parts:
            raise InputError(f"directory is {name!r}; a relative one must not have ..")
        return self.directory / "runs" / name

    def fetch(self, location: str, digest: str = "", into: Path | None = None) -> Path:
        """The directory that `location` names, whole. `digest` is that of its weights, where it is known."""
        if not location.startswith(SCHEME):
            return Path(location)
        name = location.removeprefix(SCHEME)
        if DIGEST.fullmatch(name) is None:
            raise InputError(f"location is {location!r}; it must be an absolute path or {SCHEME}DIGEST")
        if self.directory is None:
            raise StateError(
                f"{location} lies in a store, and this service was started without one; give it --artefacts and "
                "--artefact-directory"
            )
        from gradus.artefacts.v1 import artefacts_pb2

        place = into or self.directory / "fetched" / name
        self._call("Fetch", artefacts_pb2.FetchRequest(digest=name, directory=str(place)), artefacts_pb2.FetchResponse)
        self._locations[str(place), digest] = location
        return place

    def put(self, path: str, kind: str, run_id: str, digest: str = "") -> str:
        """A location of what lies at `path` that other machines can read; nobody writes to it again."""
        if self.address is None or not path:
            return path
        known = self._locations.get((path, digest)) or self._locations.get((path, ""))
        if known is not None:
            return known
        from gradus.artefacts.v1 import artefacts_pb2

        request = artefacts_pb2.PutRequest(path=path, kind=kind, run_id=run_id, is_final=True)
        answer = self._call("Put", request, artefacts_pb2.PutResponse)
        # Enough for what may be asked again.
        for old in list(self._locations)[:-64]:
            del self._locations[old]
        self._locations[path, digest] = f"{SCHEME}{answer.digest}"
        return self._locations[path, digest]

    def keep_only(self, places: Sequence[Path]) -> None:
        """Removes what was fetched and is none of these."""
        root = None if self.directory is None else self.directory / "fetched"
        for place in list(root.iterdir()) if root is not None and root.is_dir() else []:
            if DIGEST.fullmatch(place.name) is not None and place not in places:
                shutil.rmtree(place, ignore_errors=True)

    def _call(self, method: str, request: Any, response: Any) -> Any:
        address = self.address or ""
        # Calls are rare: a channel for each has the certificate of now.
        channel = (
            grpc.insecure_channel(address)
            if self._tls is None
            else grpc.secure_channel(
                address, self._tls.channel_credentials(), [("grpc.ssl_target_name_override", SERVER_NAME)]
            )
        )
        with channel:
            call = channel.unary_unary(
                f"/gradus.artefacts.v1.ArtefactService/{method}",
                request_serializer=type(request).SerializeToString,
                response_deserializer=response.FromString,
            )
            try:
                return call(request, timeout=TRANSFER_SECONDS)
            except grpc.RpcError as error:
                status: Any = error
                made = ERRORS.get(status.code(), NotReadyError)
                raise made(f"the artefact service at {address}: {status.details()}") from None
