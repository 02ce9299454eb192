"""Configuration of the Python services: defaults < file < environment < flags, strict, parsed once.

File and environment use the same names as the TypeScript services: camelCase keys in the file, `GRADUS_MAX_CONTEXT`
in the environment, `--max-context` as a flag.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, cast, get_args, get_origin

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo


class ConfigError(ValueError):
    """Bad configuration; the message names the key, the value and what to write instead."""


def comma_list(value: object) -> object:
    """A comma list, or a JSON array where a part may hold a comma, as for the TypeScript services."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.startswith("[") else [part for part in value.split(",") if part]
    except json.JSONDecodeError as error:
        raise ValueError(f"not a JSON array: {error}") from None


class StrictModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class ServiceConfig(StrictModel):
    """What every Python service takes."""

    grpc: Annotated[str, Field(description="Address of the gRPC server, host:port; port 0 takes a free one.")] = (
        "127.0.0.1:0"
    )
    metrics: Annotated[str, Field(description="Address of the Prometheus endpoint, host:port.")] = "127.0.0.1:0"
    log_level: Annotated[
        Literal["trace", "debug", "info", "warn", "error", "fatal", "silent"], Field(description="Least level logged.")
    ] = "info"
    otlp_endpoint: Annotated[str | None, Field(description="OTLP gRPC endpoint for traces; none is off.")] = None
    otlp_ratio: Annotated[
        float,
        Field(ge=0, le=1, description="Share of traces that is recorded, 0 to 1, of those that no caller decided on."),
    ] = 1.0
    drain_ms: Annotated[int, Field(ge=0, description="Milliseconds for calls in flight to finish on SIGTERM.")] = 10_000
    tls_ca: Annotated[
        Path | None, Field(description="PEM file with the certificates of the authority that all peers are of.")
    ] = None
    tls_cert: Annotated[
        Path | None,
        Field(description="PEM file with the certificate of this service, of DNS name <role>.gradus.internal."),
    ] = None
    tls_key: Annotated[Path | None, Field(description="PEM file with the private key of that certificate.")] = None
    insecure_remote: Annotated[
        bool,
        Field(
            description="Serve beyond loopback without certificates: anyone who reaches a port may do anything. Only "
            "where the network itself is trusted."
        ),
    ] = False
    threads: Annotated[int, Field(ge=1, le=1024, description="CPU threads of the tensor library.")] = 2
    device: Annotated[str, Field(description="Torch device: cpu, cuda, cuda:0.")] = "cpu"
    roots: Annotated[
        tuple[Path, ...],
        BeforeValidator(comma_list),
        Field(
            description="Directories that runs and models may lie in, absolute, a comma list as a flag; paths that "
            "callers name elsewhere are refused. Empty: anywhere, on loopback only."
        ),
    ] = ()
    artefacts: Annotated[
        str | None,
        Field(
            description="The artefact service of this machine, host:port (gradus serve artefacts). Absent: paths are "
            "those of one machine, or of a file system that all share."
        ),
    ] = None
    artefact_directory: Annotated[
        Path | None,
        Field(
            description="Folder of this service alone, absolute, for what it fetches and, at a learner, for its runs; "
            "below the roots of the artefact service."
        ),
    ] = None

    @model_validator(mode="after")
    def check_tls(self) -> Self:
        given = [self.tls_ca, self.tls_cert, self.tls_key]
        if any(given) and not all(given):
            raise ValueError("tls.ca, tls.cert and tls.key go together; one or two of them are missing")
        return self


class LearnerConfig(ServiceConfig):
    micro_batch_tokens: Annotated[
        int, Field(ge=1, description="Most tokens in one forward and backward pass; a longer sequence is passed alone.")
    ] = 16_384
    precision: Annotated[
        Literal["float32", "bfloat16"],
        Field(
            description="Of the passes, and of the versions that engines get. Weights, gradients and moments are "
            "float32."
        ),
    ] = "float32"
    activation_checkpointing: Annotated[
        bool,
        Field(
            description="Keep only what enters a layer, and compute the rest again in the backward pass: less memory, "
            "a third more work."
        ),
    ] = False
    peak_tflops: Annotated[
        float | None,
        Field(
            gt=0,
            le=1_000_000,
            description="TFLOP/s that the device can do at the precision it trains in, for the MFU of steps. Without "
            "it by the name of an NVIDIA GPU; where that says nothing, as for a CPU, steps have no MFU.",
        ),
    ] = None
    rank_timeout_ms: Annotated[
        int,
        Field(
            ge=1_000,
            le=86_400_000,
            description="Longest time that ranks wait for one of them in an exchange, in milliseconds: how much longer "
            "its share of a step may take than that of the others.",
        ),
    ] = 600_000
    rank_silence_ms: Annotated[
        int,
        Field(
            ge=2_000,
            le=3_600_000,
            description="Milliseconds without a sign of life after which a rank is lost: its process is stopped, or "
            "its machine is gone.",
        ),
    ] = 12_000
    max_step_mebibytes: Annotated[int, Field(ge=1, description="Most packed bytes of samples that one step holds.")] = (
        1024
    )


C = TypeVar("C", bound=BaseModel)


def flag_of(key: str) -> str:
    return "--" + key.replace("_", "-")


def key_names(model: type[BaseModel]) -> dict[str, str]:
    """camelCase and snake_case name -> field."""
    names: dict[str, str] = {}
    for field in model.model_fields:
        names[to_camel(field)] = field
        names[field] = field
    return names


def suggestion(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known: {', '.join(sorted(set(known)))}"


def read_mapping(path: Path) -> dict[str, Any]:
    """A YAML or JSON file that holds one mapping."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        value: Any = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {error}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: holds {type(value).__name__}; it must hold keys and values")
    return cast("dict[str, Any]", value)


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """`tls: {ca: …}`, as services in TypeScript have it, is tlsCa."""
    tree = {key: value for key, value in values.items() if key == "tls" and isinstance(value, dict)}
    inner = {f"{key}{name[:1].upper()}{name[1:]}": value for key, part in tree.items() for name, value in part.items()}
    return {key: value for key, value in values.items() if key not in tree} | inner


def type_of(info: FieldInfo) -> str:
    """`<n>`, `<a|b>`; empty for a switch. The words are those of services/platform/runtime/config-fields.ts."""
    annotation: Any = info.annotation
    parts: tuple[Any, ...] = get_args(annotation)
    if get_origin(annotation) is Literal:
        return f"<{'|'.join(map(str, parts))}>"
    if get_origin(annotation) is tuple:
        return "<list>"
    words: dict[Any, str] = {bool: "", int: "<n>", float: "<n>"}
    return next((words[kind] for kind in parts or (annotation,) if kind in words), "<text>")


def default_of(info: FieldInfo) -> str:
    """A default as it would be typed; empty where there is none."""
    if info.is_required() or info.default is None or info.default == ():
        return ""
    return str(info.default).lower() if isinstance(info.default, bool) else str(info.default)


def describe_config(model: type[BaseModel]) -> str:
    """What `--help` prints; the shape is that of services/platform/runtime/config-text.ts."""
    command = f"gradus serve {model.__name__.removesuffix('Config').lower()}"
    shown = {name: f"{flag_of(name)} {type_of(info)}".rstrip() for name, info in model.model_fields.items()}
    width = max(map(len, shown.values()))
    required = {name: info for name, info in model.model_fields.items() if info.is_required()}
    lines = {name: f"  {shown[name]:{width}}  {info.description}" for name, info in model.model_fields.items()}
    defaults = {name: f" (default: {text})" for name, info in model.model_fields.items() if (text := default_of(info))}
    example = [f"{flag_of(name)} {info.examples[0]}" for name, info in required.items() if info.examples]
    return "\n".join(
        [
            " ".join([f"Usage: {command}", *(shown[name] for name in required), "[flags]"]),
            "",
            "Flags override the environment (GRADUS_…), and that the file of --config. A switch takes true or false.",
            *(["", "Required:", *(lines[name] for name in required)] if required else []),
            "",
            "Optional:",
            f"  {'--config <file>':{width}}  YAML or JSON file with these settings.",
            *(lines[name] + defaults.get(name, "") for name in lines if name not in required),
            "",
            "Example:",
            " ".join([f"  {command}", *(example or ["--grpc 127.0.0.1:7000"])]),
        ]
    )


def load_config(model: type[C], argv: Sequence[str], env: Mapping[str, str]) -> C:
    """Prints the flags and ends the process on `--help`."""
    if "--help" in argv:
        print(describe_config(model))
        raise SystemExit(0)
    values: dict[str, Any] = {}
    flags = parse_flags(model, argv)
    file = flags.pop("config", None)
    names = key_names(model)
    if file is not None:
        for key, value in flat(read_mapping(Path(file))).items():
            if key not in names:
                raise ConfigError(f"{file}: unknown key {key}{suggestion(key, [k for k in names if '_' not in k])}")
            values[names[key]] = value
    for field in model.model_fields:
        name = f"GRADUS_{field.upper()}"
        # Empty is unset, as for the TypeScript services.
        if env.get(name):
            values[field] = env[name]
    values.update(flags)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError("; ".join(describe(model, item) for item in error.errors())) from None


def describe(model: type[BaseModel], item: Any) -> str:
    path = ".".join(str(part) for part in item["loc"]) or model.__name__
    if item["type"] == "missing":
        return f"{path} is missing; give {flag_of(path)}"
    return f"{path} is {item['input']!r}: {item['msg']}"


def parse_flags(model: type[BaseModel], argv: Sequence[str]) -> dict[str, Any]:
    known = {flag_of(field): field for field in model.model_fields} | {"--config": "config"}
    values: dict[str, Any] = {}
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name not in known:
            raise ConfigError(f"unknown argument {word}{suggestion(name, sorted(known))}")
        field = known[name]
        is_switch = field in model.model_fields and model.model_fields[field].annotation is bool
        if not equals:
            if is_switch and (not rest or rest[0].startswith("--")):
                value = "true"
            elif rest:
                value = rest.pop(0)
            else:
                raise ConfigError(f"{name} needs a value")
        values[field] = value
    return values
