"""Steps on a disk that is full: a small tmpfs, which tells a writer ENOSPC as any other."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from test_learner_service import same_weights
from tiny_learner import TRAJECTORIES, LearnerClient, model_directory, refused, scenario

from gradus_learner.errors import NoRoomError

FULL = grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Room for a few versions and checkpoints of the tiny policy."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(directory)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def fill(disk: Path, leaves_bytes: int) -> Path:
    """All of the disk but so much, in a file that gives the room back when it is removed."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)) > 0:
                pass
        except OSError:
            file.truncate(file.tell() // 4096 * 4096 - leaves_bytes)
    return filler


def names(run: Path) -> list[str]:
    return sorted(str(path.relative_to(run)) for kind in ("versions", "checkpoints") for path in (run / kind).iterdir())


# Nothing fits; the version does and the checkpoint, three times as large, does not.
@pytest.mark.parametrize(("leaves_bytes", "written"), [(0, []), (65_536, ["versions/000002"])])
def test_p9_a_step_whose_files_found_no_room_is_written_once_there_is_some(
    tmp_path: Path, disk: Path, leaves_bytes: int, written: list[str]
) -> None:
    """P9: nothing is lost on a full disk, and nothing half-written is left."""
    model = model_directory(tmp_path / "model")
    run, other = disk / "run", tmp_path / "other"
    before = ["checkpoints/step-000001", "versions/000001"]

    async def filled(client: LearnerClient) -> None:
        await client.open(run, model)
        await client.step(1, TRAJECTORIES, checkpoint=True)
        await client.written()
        filler = fill(disk, leaves_bytes)
        if written:
            # Its version is there, and its checkpoint is still to be written: nobody knows yet that it cannot be.
            assert (await client.step(2, TRAJECTORIES, checkpoint=True)).applied
            next_step = client.step(3, TRAJECTORIES)
            with pytest.raises(NoRoomError, match="step 2 is applied, send it again to write it"):
                await asyncio.to_thread(client.service.run.finish_checkpoint if client.service.run else pytest.fail)
            await refused(next_step, FULL, "free disk space and try again; step 3 is not begun, send it again")
        for _ in range(2):
            refusal = client.step(2, TRAJECTORIES, checkpoint=True)
            await refused(refusal, FULL, "free disk space and try again; step 2 is applied, send it again to write it")
            assert names(run) == sorted([*before, *written])
        filler.unlink()
        answer = await client.step(2, TRAJECTORIES, checkpoint=True)
        # Its updates were made before, once.
        assert not answer.applied
        await client.written()
        assert names(run) == sorted([*before, "checkpoints/step-000002", "versions/000002"])

    async def resumed(client: LearnerClient) -> None:
        opened = await client.open(run, model, resume=True)
        assert (opened.step, list(opened.damaged)) == (2, [])
        await client.step(3, TRAJECTORIES, checkpoint=True)
        await client.open(other, model)
        for step in (1, 2, 3):
            await client.step(step, TRAJECTORIES)
        assert same_weights(run / "versions" / "000003", other / "versions" / "000003")

    scenario(filled)
    scenario(resumed)
