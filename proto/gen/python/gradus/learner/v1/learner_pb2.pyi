from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Objective(_message.Message):
    __slots__ = ("name", "options")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    options: _struct_pb2.Struct
    def __init__(self, name: _Optional[str] = ..., options: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class OpenRunRequest(_message.Message):
    __slots__ = ("run_id", "directory", "model_path", "seed", "resume", "keep_checkpoints", "epoch", "model_digests", "checkpoint", "checkpoint_step", "lora", "backend")
    class ModelDigestsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    MODEL_PATH_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    KEEP_CHECKPOINTS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGESTS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_STEP_FIELD_NUMBER: _ClassVar[int]
    LORA_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    directory: str
    model_path: str
    seed: int
    resume: bool
    keep_checkpoints: int
    epoch: int
    model_digests: _containers.ScalarMap[str, str]
    checkpoint: str
    checkpoint_step: int
    lora: Lora
    backend: str
    def __init__(self, run_id: _Optional[str] = ..., directory: _Optional[str] = ..., model_path: _Optional[str] = ..., seed: _Optional[int] = ..., resume: _Optional[bool] = ..., keep_checkpoints: _Optional[int] = ..., epoch: _Optional[int] = ..., model_digests: _Optional[_Mapping[str, str]] = ..., checkpoint: _Optional[str] = ..., checkpoint_step: _Optional[int] = ..., lora: _Optional[_Union[Lora, _Mapping]] = ..., backend: _Optional[str] = ...) -> None: ...

class Lora(_message.Message):
    __slots__ = ("rank", "alpha", "target_modules")
    RANK_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    TARGET_MODULES_FIELD_NUMBER: _ClassVar[int]
    rank: int
    alpha: float
    target_modules: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, rank: _Optional[int] = ..., alpha: _Optional[float] = ..., target_modules: _Optional[_Iterable[str]] = ...) -> None: ...

class OpenRunResponse(_message.Message):
    __slots__ = ("step", "version", "weights_path", "parameters", "tokenizer_hash", "weights_digest", "damaged")
    STEP_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_PATH_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    TOKENIZER_HASH_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_FIELD_NUMBER: _ClassVar[int]
    step: int
    version: int
    weights_path: str
    parameters: int
    tokenizer_hash: str
    weights_digest: str
    damaged: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, step: _Optional[int] = ..., version: _Optional[int] = ..., weights_path: _Optional[str] = ..., parameters: _Optional[int] = ..., tokenizer_hash: _Optional[str] = ..., weights_digest: _Optional[str] = ..., damaged: _Optional[_Iterable[str]] = ...) -> None: ...

class StepHeader(_message.Message):
    __slots__ = ("run_id", "step", "objective", "samples", "temperature", "checkpoint", "set_reference", "epoch", "keep_versions")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    SET_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    KEEP_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    step: int
    objective: Objective
    samples: int
    temperature: float
    checkpoint: bool
    set_reference: bool
    epoch: int
    keep_versions: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, run_id: _Optional[str] = ..., step: _Optional[int] = ..., objective: _Optional[_Union[Objective, _Mapping]] = ..., samples: _Optional[int] = ..., temperature: _Optional[float] = ..., checkpoint: _Optional[bool] = ..., set_reference: _Optional[bool] = ..., epoch: _Optional[int] = ..., keep_versions: _Optional[_Iterable[int]] = ...) -> None: ...

class StepSample(_message.Message):
    __slots__ = ("trajectory", "advantage", "truncated", "role", "group")
    TRAJECTORY_FIELD_NUMBER: _ClassVar[int]
    ADVANTAGE_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    trajectory: bytes
    advantage: float
    truncated: bool
    role: str
    group: int
    def __init__(self, trajectory: _Optional[bytes] = ..., advantage: _Optional[float] = ..., truncated: _Optional[bool] = ..., role: _Optional[str] = ..., group: _Optional[int] = ...) -> None: ...

class TrainStepRequest(_message.Message):
    __slots__ = ("header", "sample")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    header: StepHeader
    sample: StepSample
    def __init__(self, header: _Optional[_Union[StepHeader, _Mapping]] = ..., sample: _Optional[_Union[StepSample, _Mapping]] = ...) -> None: ...

class TrainStepResponse(_message.Message):
    __slots__ = ("step", "version", "weights_path", "applied", "metrics", "checkpoint_path", "weights_digest", "absent_metrics")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class AbsentMetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    STEP_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_PATH_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_PATH_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    ABSENT_METRICS_FIELD_NUMBER: _ClassVar[int]
    step: int
    version: int
    weights_path: str
    applied: bool
    metrics: _containers.ScalarMap[str, float]
    checkpoint_path: str
    weights_digest: str
    absent_metrics: _containers.ScalarMap[str, str]
    def __init__(self, step: _Optional[int] = ..., version: _Optional[int] = ..., weights_path: _Optional[str] = ..., applied: _Optional[bool] = ..., metrics: _Optional[_Mapping[str, float]] = ..., checkpoint_path: _Optional[str] = ..., weights_digest: _Optional[str] = ..., absent_metrics: _Optional[_Mapping[str, str]] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("run_id", "step", "parameters", "device")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    step: int
    parameters: int
    device: str
    def __init__(self, run_id: _Optional[str] = ..., step: _Optional[int] = ..., parameters: _Optional[int] = ..., device: _Optional[str] = ...) -> None: ...
