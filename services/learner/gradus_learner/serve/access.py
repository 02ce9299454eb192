"""Who may call what: by the options of the contracts (proto/gradus/access/v1), as security/roles.ts of the platform."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import MethodDescriptor

SUFFIX = ".gradus.internal"


def callers_of(method: MethodDescriptor) -> frozenset[str]:
    # Generated code is on the path once a service starts.
    from gradus.access.v1 import access_pb2

    options: Any = method.GetOptions()
    numbers = options.Extensions[access_pb2.callers]
    return frozenset(access_pb2.Role.Name(number).removeprefix("ROLE_").lower() for number in numbers)


def roles_of(auth_context: dict[str, list[bytes]]) -> list[str]:
    """The roles that the certificate at the other end of a call names; none without one."""
    names = [name.decode("utf-8", "replace") for name in auth_context.get("x509_subject_alternative_name", [])]
    return [name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)]


def refusal_of(method: str, allowed: frozenset[str], context: Any) -> str | None:
    """Why this call is refused; None where it is not."""
    roles = roles_of(context.auth_context())
    if not allowed.isdisjoint(roles):
        return None
    asks = " and ".join(roles) or "a caller without a role"
    return f"{method}: {asks} may not ask this; it is for {', '.join(sorted(allowed)) or 'nobody'}"
