from gradus.access.v1 import access_pb2 as _access_pb2
from gradus.artefacts.v1 import artefacts_pb2 as _artefacts_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor
