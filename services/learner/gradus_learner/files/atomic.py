"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from gradus_learner.files.manifest import MANIFEST_NAME, Manifest, digest_files


def write_durably(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a neighbour file, then fsync it and rename it to `path`: the name shows a whole file or none."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        write(partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class DiskFullError(OSError):
    """No room for a file; whatever stood at its name is still there."""


def is_disk_full(error: BaseException) -> bool:
    """ENOSPC, EDQUOT or EFBIG, also when the safetensors library wraps it in an error of its own."""
    if isinstance(error, OSError):
        return isinstance(error, DiskFullError) or error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return any(f"os error {number})" in str(error) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


def write_directory(
    target: Path, files: Mapping[str, Callable[[Path], object]], about: Manifest, durable: bool = True
) -> Manifest:
    """Fill a hidden neighbour directory and rename it to `target`, replacing what stands there.

    `manifest.json` is the last of its files: `about`, with what was written. `durable` waits until the disk has it;
    without it the directory is whole for readers but a power cut may lose it.
    Raises DiskFullError, and leaves no trace, when there is no room.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    replaced = target.with_name(f".{target.name}.replaced")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        for name, write in files.items():
            write(partial / name)
        manifest = replace(about, files=digest_files(partial, files))
        (partial / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
        if durable:
            for name in (*files, MANIFEST_NAME):
                with (partial / name).open("rb") as file:
                    os.fsync(file.fileno())
            sync_directory(partial)
        if target.exists():
            shutil.rmtree(replaced, ignore_errors=True)
            target.rename(replaced)
        partial.rename(target)
    except Exception as error:
        shutil.rmtree(partial, ignore_errors=True)
        if is_disk_full(error):
            raise DiskFullError(errno.ENOSPC, f"no room to write {target}; free disk space and try again") from error
        raise
    shutil.rmtree(replaced, ignore_errors=True)
    if durable:
        sync_directory(target.parent)
    return manifest
