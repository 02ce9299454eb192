"""Every combination of the manifests in deploy/kubernetes renders, and the API server would take every object.

Rendered: each overlay, the base alone, with each component, with each pair of components, and with all. Objects of
Kubernetes itself are compared with the schemas of its last three minors, strictly: a field that does not exist is an
error. Objects of other APIs (KEDA, cert-manager, …) are compared with deploy/kubernetes/schemas, which hold what the
manifests use of them.

`--list` prints the combinations; `--render FOLDER` writes each as a file there, for scanners.
"""

import argparse
import functools
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
MANIFESTS = ROOT / "deploy/kubernetes"
# As many as Kubernetes itself supports at a time.
MINORS = 3
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


# Components that stand in each other's place.
EXCLUSIVE = (("autoscaling-workers", "autoscaling-workers-hpa"), ("gpu-learner", "multi-gpu-learner"))
# Components that change what other components bring: they come last, in this order (deploy/kubernetes/README.md).
LAST = ("kueue", "network-policies", "tls")


def folders(kind: str) -> list[str]:
    names = (path.parent.name for path in (MANIFESTS / kind).glob("*/kustomization.yaml"))
    return sorted(names, key=lambda name: (LAST.index(name) if name in LAST else -1, name))


def combinations(components: Sequence[str]) -> Iterator[tuple[str, ...]]:
    yield ()
    yield from itertools.combinations(components, 1)
    yield from (pair for pair in itertools.combinations(components, 2) if tuple(sorted(pair)) not in EXCLUSIVE)
    for left_out in zip(*EXCLUSIVE, strict=True):
        yield tuple(name for name in components if name not in left_out)


def kustomize(folder: Path) -> str:
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{folder.relative_to(ROOT)} does not render: {done.stderr.strip()}")
    return done.stdout


def render_combination(scratch: Path, chosen: tuple[str, ...]) -> tuple[str, str]:
    name = "+".join(("base", *chosen))
    folder = Path(tempfile.mkdtemp(dir=scratch))
    at = os.path.relpath(MANIFESTS, folder)
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{at}/base"],
        "components": [f"{at}/components/{component}" for component in chosen],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(kustomization))
    return name, kustomize(folder)


def render_all() -> dict[str, str]:
    build = ROOT / ".build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="kubernetes-") as scratch, ThreadPoolExecutor() as pool:
        texts = dict(
            pool.map(functools.partial(render_combination, Path(scratch)), combinations(folders("components")))
        )
        overlays = [f"overlays/{name}" for name in folders("overlays")]
        texts.update(zip(overlays, pool.map(lambda name: kustomize(MANIFESTS / name), overlays), strict=True))
    return texts


def objects_of(text: str) -> Iterator[dict[str, Any]]:
    """The objects of a stream, each text parsed once: combinations share most of theirs."""
    for part in text.split("\n---\n"):
        if part.strip():
            yield parse(part.strip())


@functools.cache
def parse(text: str) -> dict[str, Any]:
    return yaml.load(text, Loader=Loader)


def name_of(item: dict[str, Any]) -> str:
    return f"{item['kind']} {item['metadata']['name']}"


def own_schema(item: dict[str, Any]) -> Path:
    group, _, version = item["apiVersion"].rpartition("/")
    return MANIFESTS / "schemas" / group / version / f"{item['kind']}.yaml"


def is_built_in(item: dict[str, Any]) -> bool:
    group = item["apiVersion"].rpartition("/")[0]
    return "." not in group or (group.endswith(".k8s.io") and not own_schema(item).exists())


@functools.cache
def own_validator(path: Path) -> Any:
    import jsonschema

    schema = yaml.load(path.read_text(), Loader=Loader)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def versions() -> list[str]:
    """The newest minors that the package has schemas of."""
    from kubernetes_validate import utils

    # Each call would read a megabyte of definitions again.
    utils.schema_contents = functools.cache(utils.schema_contents)
    utils.all_versions = functools.cache(utils.all_versions)
    # The strict schemas of a minor are listed as one more version.
    return list(dict.fromkeys(utils.all_versions()))[-MINORS:]


def problems_of(item: dict[str, Any], minors: Iterable[str]) -> Iterator[str]:
    import kubernetes_validate

    if is_built_in(item):
        for minor in minors:
            try:
                kubernetes_validate.validate(item, minor, strict=True)
            except kubernetes_validate.ValidationError as error:
                path = ".".join(str(part) for part in error.path) or "the object"
                yield f"Kubernetes {minor}: {path}: {error.message[:300]}"
            except kubernetes_validate.SchemaNotFoundError:
                yield f"Kubernetes {minor} has no {item['kind']} in {item['apiVersion']}"
        return
    if item["kind"] == "JobSet":
        # Its pods are those of Jobs, and have a schema.
        for job in item["spec"]["replicatedJobs"]:
            inner = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": job["name"]}, **job["template"]}
            yield from problems_of(inner, minors)
    path = own_schema(item)
    if not path.exists():
        yield f"there is no schema for it: write {path.relative_to(ROOT)}"
        return
    for error in own_validator(path).iter_errors(item):
        yield f"{error.json_path}: {error.message[:300]} ({path.relative_to(ROOT)})"


def validate(rendered: dict[str, str], minors: list[str]) -> list[str]:
    """One line a problem, with the combinations where it stands."""
    seen: dict[int, dict[str, Any]] = {}
    where: dict[int, list[str]] = {}
    found: list[str] = []
    for name, text in rendered.items():
        names: set[tuple[str, str]] = set()
        for item in objects_of(text):
            key = (name_of(item), item["metadata"].get("namespace", ""))
            if key in names:
                found.append(f"{name}: {key[0]} stands there twice")
            names.add(key)
            seen[id(item)] = item
            where.setdefault(id(item), []).append(name)
    for key, item in seen.items():
        found += [f"{where[key][0]}: {name_of(item)}: {problem}" for problem in problems_of(item, minors)]
    print(
        f"note: {len(rendered)} combinations, {len(seen)} different objects of "
        f"{len({item['kind'] for item in seen.values()})} kinds, Kubernetes {', '.join(minors)}"
    )
    return found


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--list", action="store_true")
    arguments.add_argument("--render", type=Path)
    options = arguments.parse_args()
    if options.list:
        print("\n".join("+".join(("base", *chosen)) for chosen in combinations(folders("components"))))
        return 0
    if shutil.which("kubectl") is None:
        print("note: deploy/kubernetes was not rendered: there is no kubectl here (scripts/check_kubernetes.py)")
        return 0
    rendered = render_all()
    if options.render is not None:
        options.render.mkdir(parents=True, exist_ok=True)
        for name, text in rendered.items():
            (options.render / f"{name.replace('/', '-')}.yaml").write_text(text)
        return 0
    try:
        minors = versions()
    except ModuleNotFoundError as error:
        print(f"note: deploy/kubernetes was compared with no schema: {error.name} is missing; run 'make setup'")
        return 0
    found = validate(rendered, minors)
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
