from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Composition(_message.Message):
    __slots__ = ("weights", "normalize", "penalties", "gates", "clip_low", "clip_high", "overlong", "groupwise")
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    NORMALIZE_FIELD_NUMBER: _ClassVar[int]
    PENALTIES_FIELD_NUMBER: _ClassVar[int]
    GATES_FIELD_NUMBER: _ClassVar[int]
    CLIP_LOW_FIELD_NUMBER: _ClassVar[int]
    CLIP_HIGH_FIELD_NUMBER: _ClassVar[int]
    OVERLONG_FIELD_NUMBER: _ClassVar[int]
    GROUPWISE_FIELD_NUMBER: _ClassVar[int]
    weights: _containers.RepeatedCompositeFieldContainer[Weight]
    normalize: bool
    penalties: _containers.RepeatedCompositeFieldContainer[Penalty]
    gates: _containers.RepeatedCompositeFieldContainer[Gate]
    clip_low: float
    clip_high: float
    overlong: Overlong
    groupwise: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, weights: _Optional[_Iterable[_Union[Weight, _Mapping]]] = ..., normalize: _Optional[bool] = ..., penalties: _Optional[_Iterable[_Union[Penalty, _Mapping]]] = ..., gates: _Optional[_Iterable[_Union[Gate, _Mapping]]] = ..., clip_low: _Optional[float] = ..., clip_high: _Optional[float] = ..., overlong: _Optional[_Union[Overlong, _Mapping]] = ..., groupwise: _Optional[_Iterable[str]] = ...) -> None: ...

class Weight(_message.Message):
    __slots__ = ("name", "weight")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    name: str
    weight: float
    def __init__(self, name: _Optional[str] = ..., weight: _Optional[float] = ...) -> None: ...

class Penalty(_message.Message):
    __slots__ = ("name", "size")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    name: str
    size: float
    def __init__(self, name: _Optional[str] = ..., size: _Optional[float] = ...) -> None: ...

class Gate(_message.Message):
    __slots__ = ("name", "at_least", "at_most", "otherwise")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    AT_MOST_FIELD_NUMBER: _ClassVar[int]
    OTHERWISE_FIELD_NUMBER: _ClassVar[int]
    name: str
    at_least: float
    at_most: float
    otherwise: float
    def __init__(self, name: _Optional[str] = ..., at_least: _Optional[float] = ..., at_most: _Optional[float] = ..., otherwise: _Optional[float] = ...) -> None: ...

class Overlong(_message.Message):
    __slots__ = ("max_tokens", "buffer_tokens", "factor")
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    BUFFER_TOKENS_FIELD_NUMBER: _ClassVar[int]
    FACTOR_FIELD_NUMBER: _ClassVar[int]
    max_tokens: int
    buffer_tokens: int
    factor: float
    def __init__(self, max_tokens: _Optional[int] = ..., buffer_tokens: _Optional[int] = ..., factor: _Optional[float] = ...) -> None: ...
