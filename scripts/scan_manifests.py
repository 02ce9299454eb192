"""Scans the rendered overlays `gpu` and `production` with checkov; a finding that no annotation explains is an error.

An annotation `checkov.io/skip1: CKV_K8S_11=the reason` leaves one rule out for one object. `make scan-manifests` makes
the environment.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from check_kubernetes import MANIFESTS, ROOT, kustomize

OVERLAYS = ("gpu", "production")
CHECKOV = ROOT / ".build/checkov/bin/checkov"


def scan(text: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="gradus-scan-") as folder:
        file = Path(folder) / "all.yaml"
        file.write_text(text)
        command = [str(CHECKOV), "-f", str(file), "--framework", "kubernetes", "--output", "json"]
        # No rules, modules or names of people are fetched or sent; the report says what was found, not the exit status.
        command += ["--skip-download", "--skip-resources-without-violations", "--soft-fail", "--compact", "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise SystemExit(f"checkov ended with {done.returncode} and no report: {done.stderr.strip()[-2000:]}") from None
    # With nothing scanned, the report is a summary of zeros.
    if not isinstance(report, dict) or report.get("summary", {}).get("passed", 0) == 0:
        raise SystemExit(f"checkov looked at nothing: {done.stdout[:500]}")
    return report


def main() -> int:
    if not CHECKOV.exists():
        print(f"{CHECKOV.relative_to(ROOT)} is missing: run 'make scan-manifests'")
        return 1
    failed = 0
    for name in OVERLAYS:
        report = scan(kustomize(MANIFESTS / "overlays" / name))
        summary, results = report["summary"], report["results"]
        for finding in results["failed_checks"]:
            print(f"{name}: {finding['resource']}: {finding['check_id']}: {finding['check_name']}")
        unread = results.get("parsing_errors", [])
        if unread:
            print(f"{name}: checkov could not read {len(unread)} files")
        failed += len(results["failed_checks"]) + len(unread)
        print(
            f"overlays/{name}: {summary['passed']} checks passed, {summary['failed']} failed, "
            f"{summary['skipped']} left out with a reason (checkov {summary['checkov_version']})"
        )
    if failed:
        print(f"{failed} findings: fix them, or say in an annotation checkov.io/skipN why the rule does not hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
