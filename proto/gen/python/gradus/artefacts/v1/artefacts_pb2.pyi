from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class PutRequest(_message.Message):
    __slots__ = ("path", "kind", "run_id", "is_final")
    PATH_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    IS_FINAL_FIELD_NUMBER: _ClassVar[int]
    path: str
    kind: str
    run_id: str
    is_final: bool
    def __init__(self, path: _Optional[str] = ..., kind: _Optional[str] = ..., run_id: _Optional[str] = ..., is_final: _Optional[bool] = ...) -> None: ...

class PutResponse(_message.Message):
    __slots__ = ("digest", "size_bytes", "written_bytes")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_BYTES_FIELD_NUMBER: _ClassVar[int]
    digest: str
    size_bytes: int
    written_bytes: int
    def __init__(self, digest: _Optional[str] = ..., size_bytes: _Optional[int] = ..., written_bytes: _Optional[int] = ...) -> None: ...

class FetchRequest(_message.Message):
    __slots__ = ("digest", "directory")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    digest: str
    directory: str
    def __init__(self, digest: _Optional[str] = ..., directory: _Optional[str] = ...) -> None: ...

class FetchResponse(_message.Message):
    __slots__ = ("read_bytes",)
    READ_BYTES_FIELD_NUMBER: _ClassVar[int]
    read_bytes: int
    def __init__(self, read_bytes: _Optional[int] = ...) -> None: ...

class RetainRequest(_message.Message):
    __slots__ = ("run_id", "keep", "min_age_ms")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    MIN_AGE_MS_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    keep: _containers.RepeatedScalarFieldContainer[str]
    min_age_ms: int
    def __init__(self, run_id: _Optional[str] = ..., keep: _Optional[_Iterable[str]] = ..., min_age_ms: _Optional[int] = ...) -> None: ...

class RetainResponse(_message.Message):
    __slots__ = ("removed_artefacts", "removed_bytes")
    REMOVED_ARTEFACTS_FIELD_NUMBER: _ClassVar[int]
    REMOVED_BYTES_FIELD_NUMBER: _ClassVar[int]
    removed_artefacts: int
    removed_bytes: int
    def __init__(self, removed_artefacts: _Optional[int] = ..., removed_bytes: _Optional[int] = ...) -> None: ...
