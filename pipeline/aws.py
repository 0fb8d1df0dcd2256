"""How to reach AWS: one small picklable value, clients made once per process; and which of its errors heal."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore import exceptions
from botocore.config import Config

from pipeline.runtime.errors import Fatal, Halted, PipelineError

_clients: dict[tuple[int, str, int, Aws], Any] = {}
_making = threading.Lock()

_ENDPOINT_NAMES = {"secretsmanager": "secrets_manager"}
"""Services whose AWS_ENDPOINT_URL_<SERVICE> is not called like their client."""

_HEALING_CODES = frozenset(
    {
        "InternalFailure",
        "InternalFailureException",
        "InternalServerError",
        "KMSDisabledException",
        "KMSInvalidStateException",
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "ResourceInUseException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "Throttling",
        "ThrottledException",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
_HEALING = (
    exceptions.ConnectionError,
    exceptions.HTTPClientError,
    exceptions.IncompleteReadError,
    exceptions.CredentialRetrievalError,
    exceptions.MetadataRetrievalError,
)


@dataclass(frozen=True)
class Aws:
    """Region and, where no role is attached, keys; without keys boto3's own chain finds them (environment, role).

    `endpoints`: the AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_<SERVICE> variables as they were in the driver, so that
    executors reach the same place; without them boto3 looks at the environment of its own process.
    """

    region: str
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    endpoints: tuple[tuple[str, str], ...] = ()

    def client(self, service: str, attempts: int = 3) -> Any:
        """This process' client of "kinesis", "dynamodb" or "ses": thread-safe, standard retries, short timeouts.

        `attempts` in all for one call; 1 where the caller tries again itself.
        """
        key = (os.getpid(), service, attempts, self)
        with _making:
            if key not in _clients:
                _clients[key] = self._make(service, attempts)
            return _clients[key]

    def prepare(self) -> None:
        """Make the clients that every task may need, a tenth of a second each, before there is work."""
        self.client("kinesis", attempts=1)
        self.client("dynamodb")

    def _make(self, service: str, attempts: int) -> Any:
        named = dict(self.endpoints)
        own = _ENDPOINT_NAMES.get(service, service).upper()
        return boto3.session.Session().client(
            service,  # type: ignore[call-overload]
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            endpoint_url=named.get(f"AWS_ENDPOINT_URL_{own}") or named.get("AWS_ENDPOINT_URL"),
            config=Config(
                connect_timeout=5,
                read_timeout=15,
                max_pool_connections=32,
                parameter_validation=False,  # AWS does it again; here it took half of what a letter takes
                retries={"mode": "standard", "total_max_attempts": attempts},
            ),
        )


def error_code(error: Exception) -> str:
    """AWS' code of an error ("ThrottlingException"), or the name of its class where AWS did not answer."""
    if isinstance(error, exceptions.ClientError):
        return error.response.get("Error", {}).get("Code", "")
    return type(error).__name__


def is_aws_transient(error: Exception) -> bool:
    """Whether the same call may succeed later: throttled, KMS or the service away, the network broken, timed out."""
    if isinstance(error, exceptions.ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or error_code(error) in _HEALING_CODES
    return isinstance(error, _HEALING)


def lasting(error: Exception, what: str) -> PipelineError:
    """What to raise where an error of `what` does not heal: `Fatal` without credentials, else `Halted`. Code only."""
    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return Fatal(f"{what}: no AWS credentials: set ACCESS_KEY and SECRET_KEY, or attach a role")
    return Halted(f"{what}: {error_code(error)}")
