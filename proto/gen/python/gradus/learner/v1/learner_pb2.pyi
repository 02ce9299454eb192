from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Supervised(_message.Message):
    __slots__ = ("learning_rate", "weight_decay", "max_grad_norm", "context_weight", "beta2", "max_tokens", "precision")
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_DECAY_FIELD_NUMBER: _ClassVar[int]
    MAX_GRAD_NORM_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    BETA2_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    learning_rate: float
    weight_decay: float
    max_grad_norm: float
    context_weight: float
    beta2: float
    max_tokens: int
    precision: str
    def __init__(self, learning_rate: _Optional[float] = ..., weight_decay: _Optional[float] = ..., max_grad_norm: _Optional[float] = ..., context_weight: _Optional[float] = ..., beta2: _Optional[float] = ..., max_tokens: _Optional[int] = ..., precision: _Optional[str] = ...) -> None: ...

class Algorithm(_message.Message):
    __slots__ = ("clip_low", "clip_high", "dual_clip", "aggregation", "horizon_tokens", "kl_coefficient", "kl_estimator", "mismatch_correction", "mismatch_low", "mismatch_cap", "epochs", "updates_per_epoch", "learning_rate", "warmup_steps", "weight_decay", "max_grad_norm", "mask_truncated", "entropy_coefficient")
    CLIP_LOW_FIELD_NUMBER: _ClassVar[int]
    CLIP_HIGH_FIELD_NUMBER: _ClassVar[int]
    DUAL_CLIP_FIELD_NUMBER: _ClassVar[int]
    AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    HORIZON_TOKENS_FIELD_NUMBER: _ClassVar[int]
    KL_COEFFICIENT_FIELD_NUMBER: _ClassVar[int]
    KL_ESTIMATOR_FIELD_NUMBER: _ClassVar[int]
    MISMATCH_CORRECTION_FIELD_NUMBER: _ClassVar[int]
    MISMATCH_LOW_FIELD_NUMBER: _ClassVar[int]
    MISMATCH_CAP_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    UPDATES_PER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    WARMUP_STEPS_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_DECAY_FIELD_NUMBER: _ClassVar[int]
    MAX_GRAD_NORM_FIELD_NUMBER: _ClassVar[int]
    MASK_TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    ENTROPY_COEFFICIENT_FIELD_NUMBER: _ClassVar[int]
    clip_low: float
    clip_high: float
    dual_clip: float
    aggregation: str
    horizon_tokens: int
    kl_coefficient: float
    kl_estimator: str
    mismatch_correction: str
    mismatch_low: float
    mismatch_cap: float
    epochs: int
    updates_per_epoch: int
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    max_grad_norm: float
    mask_truncated: bool
    entropy_coefficient: float
    def __init__(self, clip_low: _Optional[float] = ..., clip_high: _Optional[float] = ..., dual_clip: _Optional[float] = ..., aggregation: _Optional[str] = ..., horizon_tokens: _Optional[int] = ..., kl_coefficient: _Optional[float] = ..., kl_estimator: _Optional[str] = ..., mismatch_correction: _Optional[str] = ..., mismatch_low: _Optional[float] = ..., mismatch_cap: _Optional[float] = ..., epochs: _Optional[int] = ..., updates_per_epoch: _Optional[int] = ..., learning_rate: _Optional[float] = ..., warmup_steps: _Optional[int] = ..., weight_decay: _Optional[float] = ..., max_grad_norm: _Optional[float] = ..., mask_truncated: _Optional[bool] = ..., entropy_coefficient: _Optional[float] = ...) -> None: ...

class OpenRunRequest(_message.Message):
    __slots__ = ("run_id", "directory", "model_path", "seed", "resume", "keep_checkpoints", "epoch", "model_digests")
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
    run_id: str
    directory: str
    model_path: str
    seed: int
    resume: bool
    keep_checkpoints: int
    epoch: int
    model_digests: _containers.ScalarMap[str, str]
    def __init__(self, run_id: _Optional[str] = ..., directory: _Optional[str] = ..., model_path: _Optional[str] = ..., seed: _Optional[int] = ..., resume: _Optional[bool] = ..., keep_checkpoints: _Optional[int] = ..., epoch: _Optional[int] = ..., model_digests: _Optional[_Mapping[str, str]] = ...) -> None: ...

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
    __slots__ = ("run_id", "step", "algorithm", "supervised", "samples", "temperature", "checkpoint", "set_reference", "epoch")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    SUPERVISED_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    SET_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    step: int
    algorithm: Algorithm
    supervised: Supervised
    samples: int
    temperature: float
    checkpoint: bool
    set_reference: bool
    epoch: int
    def __init__(self, run_id: _Optional[str] = ..., step: _Optional[int] = ..., algorithm: _Optional[_Union[Algorithm, _Mapping]] = ..., supervised: _Optional[_Union[Supervised, _Mapping]] = ..., samples: _Optional[int] = ..., temperature: _Optional[float] = ..., checkpoint: _Optional[bool] = ..., set_reference: _Optional[bool] = ..., epoch: _Optional[int] = ...) -> None: ...

class StepSample(_message.Message):
    __slots__ = ("trajectory", "advantage", "truncated", "role")
    TRAJECTORY_FIELD_NUMBER: _ClassVar[int]
    ADVANTAGE_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    trajectory: bytes
    advantage: float
    truncated: bool
    role: str
    def __init__(self, trajectory: _Optional[bytes] = ..., advantage: _Optional[float] = ..., truncated: _Optional[bool] = ..., role: _Optional[str] = ...) -> None: ...

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
