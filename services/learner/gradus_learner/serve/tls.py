"""The certificate of this process, its key and the authority that it trusts, read again at each handshake.

Files that are replaced one after the other do not fit for a moment: what does not fit is not taken, and the old ones
stay.
"""

from __future__ import annotations

import logging
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509

from gradus_learner.serve.config import ConfigError, ServiceConfig

LOOK_EVERY_SECONDS = 5.0


@dataclass(frozen=True)
class Pems:
    ca: bytes
    cert: bytes
    key: bytes


class TlsMaterial:
    def __init__(self, ca: Path, cert: Path, key: Path, log: logging.Logger) -> None:
        self.ca, self.cert, self.key, self.log = ca, cert, key, log
        try:
            self._check()
            self._pems = self._read()
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"tls.ca, tls.cert and tls.key: {ca}, {cert}, {key} are not PEM files that fit together: {error}"
            ) from None

    @staticmethod
    def open(config: ServiceConfig, log: logging.Logger) -> TlsMaterial | None:
        if config.tls_ca is None or config.tls_cert is None or config.tls_key is None:
            return None
        return TlsMaterial(config.tls_ca, config.tls_cert, config.tls_key, log)

    def _read(self) -> Pems:
        return Pems(self.ca.read_bytes(), self.cert.read_bytes(), self.key.read_bytes())

    def _check(self) -> None:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.ca)).load_cert_chain(self.cert, self.key)

    def _changed(self) -> bool:
        """Takes what is new and fits."""
        try:
            found = self._read()
            if found == self._pems:
                return False
            self._check()
        except (OSError, ssl.SSLError) as error:
            self.log.warning("the files of certificates have changed and cannot be used; the old ones stay: %s", error)
            return False
        self._pems = found
        self.log.info("new certificates are used", extra={"fields": {"certificate": str(self.cert)}})
        return True

    @property
    def expires(self) -> float:
        """End of the certificate that is used, in seconds since the epoch."""
        return x509.load_pem_x509_certificate(self._pems.cert).not_valid_after_utc.timestamp()

    def _configuration(self) -> Any:
        pems = self._pems
        return grpc.ssl_server_certificate_configuration([(pems.key, pems.cert)], root_certificates=pems.ca)

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Of a client, with the certificate of now."""
        self._changed()
        pems = self._pems
        return grpc.ssl_channel_credentials(pems.ca, pems.key, pems.cert)

    def server_credentials(self) -> grpc.ServerCredentials:
        """Mutual TLS. The library asks for new certificates at each handshake."""

        def fetch() -> Any:
            return self._configuration() if self._changed() else None

        return grpc.dynamic_ssl_server_credentials(self._configuration(), fetch, require_client_authentication=True)

    def http_context(self) -> ssl.SSLContext:
        """A certificate of a client is asked for and not demanded: probes have none."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.ca))
        context.load_cert_chain(self.cert, self.key)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def follow(self, context: ssl.SSLContext) -> None:
        """New connections by `context` get the certificate that is there by then."""
        seen = self._pems

        def look() -> None:
            nonlocal seen
            stopped = threading.Event()
            while not stopped.wait(LOOK_EVERY_SECONDS):
                self._changed()
                if self._pems != seen:
                    seen = self._pems
                    context.load_verify_locations(cadata=seen.ca.decode("ascii"))
                    context.load_cert_chain(self.cert, self.key)

        threading.Thread(target=look, daemon=True).start()
