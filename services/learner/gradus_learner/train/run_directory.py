"""Which directories are a run's, and what in them the learner made: it removes nothing else.

`learner.json` marks a run's directory: the run's id and the digests of the model that it began with. It is written
before anything else, when the run is first opened; a directory that has versions or checkpoints but no mark is not
touched. Versions and checkpoints carry the run's id in their manifests.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gradus_learner.errors import InputError, OutsideRootsError, StateError
from gradus_learner.files.atomic import write_durably
from gradus_learner.files.manifest import (
    MANIFEST_NAME,
    WEIGHTS_NAME,
    FileDigest,
    ManifestError,
    digest_files,
    file_digest_from,
    read_manifest,
    said,
)
from gradus_learner.models.beside import is_beside
from gradus_learner.models.lora import LORA_NAME
from gradus_learner.train.weights_probe import PROBE_NAME

MARK_NAME = "learner.json"
FORMAT = "gradus-learner-run-1"
VERSION_NAME = re.compile(r"\d{6,}")
LEFT_BEHIND = re.compile(r"\.\d{6,}\.(partial|replaced)")
VERSION_FILES = frozenset({"config.json", "model.safetensors", LORA_NAME, PROBE_NAME, MANIFEST_NAME})


def check_path(field: str, path: Path, roots: Sequence[Path]) -> None:
    """Absolute, and under one of `roots` if there are any; links are followed first."""
    if not path.is_absolute():
        raise InputError(f"{field} is {str(path)!r}; it must be an absolute path")
    real = path.resolve()
    if roots and not any(real.is_relative_to(root.resolve()) for root in roots):
        allowed = ", ".join(str(root) for root in roots)
        raise OutsideRootsError(
            f"{field} is {str(path)!r}, which lies outside of {allowed}; move it there or start this service with "
            "another --roots",
        )


def model_digests(model_path: Path) -> dict[str, FileDigest]:
    """Of the files that a run depends on: configuration, tokenizer, weights."""
    names = [path.name for path in model_path.iterdir()] if model_path.is_dir() else []
    return digest_files(model_path, [name for name in names if is_model_file(name)])


def is_model_file(name: str) -> bool:
    return name in ("config.json", "tokenizer.json") or WEIGHTS_NAME.fullmatch(name) is not None


class RunDirectory:
    def __init__(self, path: Path, run_id: str) -> None:
        self.path = path
        self.run_id = run_id

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def version(self, version: int) -> Path:
        return self.path / "versions" / f"{version:06d}"

    def check_mark(self, model_path: Path, model: Mapping[str, FileDigest], expected: Mapping[str, str]) -> bool:
        """Is it marked as this run's, with this model? StateError where it is another's or nobody's, or the
        model is not `expected`: SHA-256 by name, as the ledger has them; without any, what the mark says."""
        mark = self.path / MARK_NAME
        try:
            values: Any = json.loads(mark.read_text(encoding="utf-8"))
            run_id, recorded = values["runId"], {name: file_digest_from(each) for name, each in values["model"].items()}
            if values["format"] != FORMAT:
                raise ValueError(f"format {values['format']!r}")
        except FileNotFoundError:
            self._check_unmarked()
            self._check_model(model_path, {name: model[name].sha256 for name in model}, expected)
            return False
        except NotADirectoryError:
            raise InputError(f"directory is {str(self.path)!r}, which is a file") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StateError(f"{mark} does not say whose directory this is ({error}); put it back") from None
        if run_id != self.run_id:
            raise StateError(f"{self.path} is of run {run_id!r}, not of {self.run_id!r}; choose another")
        found = {name: each.sha256 for name, each in model.items()}
        before = {name: each.sha256 for name, each in recorded.items()}
        self._check_model(model_path, found, expected or before)
        return found == before

    def _check_model(self, model_path: Path, found: Mapping[str, str], expected: Mapping[str, str]) -> None:
        # The ledger also knows files that are not read here.
        names = {name for name in expected if is_model_file(name)} | (found.keys() if expected else set())
        changed = [
            f"{model_path / name}: expected {said(expected.get(name))}, found {said(found.get(name))}"
            for name in sorted(names)
            if expected.get(name) != found.get(name)
        ]
        if changed:
            raise StateError(
                f"model_path: not the model that run {self.run_id} began with: {'; '.join(changed)}; "
                "put the files back, or begin a new run with the new ones",
            )

    def _check_unmarked(self) -> None:
        for name in ("versions", "checkpoints"):
            if (self.path / name).exists():
                raise StateError(
                    f"{self.path / name} is there, but no {MARK_NAME} says that run {self.run_id!r} made it; "
                    "choose another directory",
                )

    def mark(self, model: Mapping[str, FileDigest]) -> None:
        files = {name: {"sizeBytes": each.size_bytes, "sha256": each.sha256} for name, each in model.items()}
        values = {"format": FORMAT, "runId": self.run_id, "model": files}
        self.path.mkdir(parents=True, exist_ok=True)
        write_durably(
            self.path / MARK_NAME, lambda path: path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        )

    def check_free(self, version: int) -> None:
        """What stands where a version is to be written is an earlier write of it."""
        target = self.version(version)
        if target.exists() and not self._is_own(target):
            raise StateError(f"{target} is there, and run {self.run_id!r} did not write it; move it elsewhere")

    def forget_versions(self, is_old: Callable[[int], bool]) -> None:
        root = self.path / "versions"
        for directory in list(root.iterdir()) if root.is_dir() else []:
            name = directory.name
            old = VERSION_NAME.fullmatch(name) is not None and is_old(int(name)) and self._is_own(directory)
            if old:
                shutil.rmtree(directory, ignore_errors=True)

    def forget_half_written(self) -> None:
        root = self.path / "versions"
        for directory in list(root.iterdir()) if root.is_dir() else []:
            if LEFT_BEHIND.fullmatch(directory.name):
                shutil.rmtree(directory, ignore_errors=True)

    def _is_own(self, directory: Path) -> bool:
        """By its manifest; a power cut may have cut that, and then there is nothing in it but what a version has."""
        try:
            manifest = read_manifest(directory)
            return (manifest.kind, manifest.run_id) == ("version", self.run_id)
        except ManifestError:
            return directory.is_dir() and all(
                path.name in VERSION_FILES or is_beside(path.name) for path in directory.iterdir()
            )
