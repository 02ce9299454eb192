"""Writes the rules of deploy/prometheus as an object of Prometheus' operator, which kustomize cannot make of them.

`--check` writes nothing, and fails where the object is not that of the rules.
"""

import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "deploy/kubernetes/components/monitoring/prometheus-rule.yaml"


def main() -> int:
    files = sorted((ROOT / "deploy/prometheus/rules").glob("*.yaml"))
    groups = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "gradus", "namespace": "gradus", "labels": {"app.kubernetes.io/part-of": "gradus"}},
        "spec": {"groups": groups},
    }
    head = "# Written by scripts/write_prometheus_rule.py from deploy/prometheus/rules: do not edit.\n"
    text = head + yaml.safe_dump(rule, sort_keys=False, width=120, allow_unicode=True)
    if "--check" in sys.argv:
        if TARGET.read_text() == text:
            return 0
        print(f"{TARGET.relative_to(ROOT)} is not what deploy/prometheus/rules gives; run 'make generate' and commit")
        return 1
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
