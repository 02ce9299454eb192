"""scripts/check_locks.py finds what is not locked."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOCKS: dict[str, Any] = runpy.run_path(str(Path(__file__).resolve().parents[3] / "scripts/check_locks.py"))
NOT_BUILT: set[str] = LOCKS["NOT_BUILT"]
npm_problems: Callable[[dict[str, Any]], list[str]] = LOCKS["npm_problems"]
python_problems: Callable[[Path], list[str]] = LOCKS["python_problems"]

HASH = "--hash=sha256:" + "0" * 64


def test_an_npm_package_without_a_hash_is_found_and_so_is_an_exception_that_is_none() -> None:
    absent = {name: {"version": "1.0.0"} for name in NOT_BUILT}
    assert npm_problems({"packages": {"": {}, **absent}}) == []
    found = npm_problems({"packages": {**absent, "node_modules/a": {"version": "1.0.0"}}})
    assert found == ["package-lock.json: node_modules/a has no integrity; run npm install --package-lock-only"]
    name = min(NOT_BUILT)
    (stale,) = npm_problems({"packages": {**absent, name: {"integrity": "sha512-x"}}})
    assert name in stale


def test_a_pin_that_the_lock_lacks_or_has_in_another_version_and_a_package_without_hashes_are_found(
    tmp_path: Path,
) -> None:
    (tmp_path / "requirements.txt").write_text("# why\ntorch==2.13.0\nPyYAML==6.0.3\nnumpy==2.0.0\n")
    (tmp_path / "requirements-dev.txt").write_text("-r requirements.txt\npytest==9.2.0\n")
    good = f"# by\npyyaml==6.0.3 \\\n    {HASH}\nnumpy==2.0.0 ; python_version > '3' \\\n    {HASH}\n"
    (tmp_path / "requirements.lock").write_text(good)
    (tmp_path / "requirements-dev.lock").write_text(f"{good}pytest==9.2.0 \\\n    {HASH}\n")
    assert python_problems(tmp_path) == []
    (tmp_path / "requirements.lock").write_text(good.replace("numpy==2.0.0", "numpy==2.0.1"))
    (tmp_path / "requirements-dev.lock").write_text(f"{good}other==1.0\n")
    assert python_problems(tmp_path) == [
        "requirements.lock: numpy is 2.0.1, requirements.txt has 2.0.0; run scripts/lock-python",
        "requirements-dev.lock: pytest is missing, requirements-dev.txt has 9.2.0; run scripts/lock-python",
        "requirements-dev.lock: other==1.0 has no hash; run scripts/lock-python",
    ]
