"""Logging in to Amazon MSK as the role that AWS has attached."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MskToken:
    """Kafka's client calls it for a token, and again before that expires; picklable, for tasks."""

    region: str

    def __call__(self, _: str) -> tuple[str, float]:
        """The token, and when it expires, in seconds since the epoch."""
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider  # type: ignore[import-untyped] # takes a second

        token, expires_ms = MSKAuthTokenProvider.generate_auth_token(self.region)
        return token, expires_ms / 1000
