"""What a directory of weights holds: the size and SHA-256 of each file, written last and checked before use.

`manifest.json` is `{"format": "gradus-manifest-1", "kind": "version" | "checkpoint", "runId", "step",
"files": {"model.safetensors": {"sizeBytes", "sha256"}, ...}}`; it does not list itself. Digests are lower-case hex, so
that any language can check them (services/weights does in TypeScript).

The digest of weights is the SHA-256 of what `sha256sum model*.safetensors` prints: one number for a file or its shards.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST_NAME = "manifest.json"
FORMAT = "gradus-manifest-1"
MAX_MANIFEST_BYTES = 1024 * 1024
WEIGHTS_NAME = re.compile(r"model.*\.safetensors")
SHA256 = re.compile(r"[0-9a-f]{64}")


class ManifestError(ValueError):
    """A manifest that is missing or not one; the message names the file."""


@dataclass(frozen=True)
class FileDigest:
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    # version | checkpoint.
    kind: str
    run_id: str
    step: int
    files: Mapping[str, FileDigest]

    def to_json(self) -> str:
        files = {name: {"sizeBytes": each.size_bytes, "sha256": each.sha256} for name, each in self.files.items()}
        values = {"format": FORMAT, "kind": self.kind, "runId": self.run_id, "step": self.step, "files": files}
        return json.dumps(values, indent=2) + "\n"


def digest_file(path: Path) -> FileDigest:
    """Other threads run meanwhile: neither reading nor hashing holds the interpreter."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileDigest(file.tell(), digest)


def digest_files(directory: Path, names: Iterable[str]) -> dict[str, FileDigest]:
    return {name: digest_file(directory / name) for name in sorted(names)}


def weights_digest(files: Mapping[str, FileDigest]) -> str:
    """Of the model*.safetensors among `files`; empty when there is none."""
    lines = [f"{files[name].sha256}  {name}\n" for name in sorted(files) if WEIGHTS_NAME.fullmatch(name)]
    return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else ""


def read_manifest(directory: Path) -> Manifest:
    path = directory / MANIFEST_NAME
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise ManifestError(f"{path} is larger than {MAX_MANIFEST_BYTES} bytes")
        values: Any = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise ManifestError(f"{path} has format {values['format']!r}; this version reads {FORMAT}")
        files = {str(name): file_digest_from(each) for name, each in values["files"].items()}
        return Manifest(str(values["kind"]), str(values["runId"]), int(values["step"]), files)
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}") from None
    except ManifestError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ManifestError(f"{path} is cut or damaged") from None


def file_digest_from(values: Any) -> FileDigest:
    size, digest = values["sizeBytes"], values["sha256"]
    if not isinstance(size, int) or not isinstance(digest, str) or SHA256.fullmatch(digest) is None:
        raise ValueError("not a digest")
    return FileDigest(size, digest)


def differences(directory: Path, files: Mapping[str, FileDigest]) -> list[str]:
    """One line for each file that is not what `files` says: what was expected and what was found."""
    found: list[str] = []
    for name, expected in sorted(files.items()):
        path = directory / name
        try:
            size = path.stat().st_size
            if size != expected.size_bytes:
                found.append(f"{path}: expected {expected.size_bytes} bytes, found {size}")
                continue
            digest = digest_file(path).sha256
        except OSError as error:
            found.append(f"{path}: {error.strerror}")
            continue
        if digest != expected.sha256:
            found.append(f"{path}: expected SHA-256 {expected.sha256}, found {digest}")
    return found


def verify(directory: Path, manifest: Manifest) -> list[str]:
    """`differences`, and weights that the manifest does not list: a reader would take them for part of the model."""
    strangers = sorted(
        path.name
        for path in directory.iterdir()
        if WEIGHTS_NAME.fullmatch(path.name) and path.name not in manifest.files
    )
    return [
        *differences(directory, manifest.files),
        *(f"{directory / name}: not in the manifest" for name in strangers),
    ]


def said(sha256: str | None) -> str:
    return "no such file" if sha256 is None else f"SHA-256 {sha256}"
