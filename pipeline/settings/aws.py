"""How to reach AWS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import SecretStr, field_validator, model_validator
from pydantic_core.core_schema import ValidationInfo

from pipeline.settings.group import SettingsGroup, setting

if TYPE_CHECKING:
    from pipeline.aws import Aws

ENDPOINTS: Final = "AWS_ENDPOINT_URL"
"""Start of the names of the variables that send a client to another address than AWS's own."""


class AwsSettings(SettingsGroup):
    """Region, keys where no role is attached, and other addresses than AWS's own."""

    title: ClassVar = "AWS"
    stand_ins: ClassVar = frozenset({"AWS_REGION"})

    aws_default_region: str = setting(
        "Region of all that is AWS's; AWS_REGION where it is absent",
        "us-east-1",
        "region",
        pattern=r"^[a-z]{2,}(-[a-z]+)+-\d+$",
    )
    access_key: str | None = setting(
        "AWS access key id, where no role is attached; only together with SECRET_KEY",
        "(secret)",
        "secret",
        default=None,
        repr=False,
    )
    secret_key: SecretStr | None = setting(
        "AWS secret access key; only together with ACCESS_KEY",
        "(secret)",
        "secret",
        default=None,
        validate_default=True,
    )
    aws_endpoint_urls: tuple[tuple[str, str], ...] = setting(
        "Other addresses than AWS's own, for all services (AWS_ENDPOINT_URL) or one (AWS_ENDPOINT_URL_KINESIS); "
        "not looked at where AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is true",
        "http://127.0.0.1:5000",
        "URL",
        default=(),
        alias=f"{ENDPOINTS}*",
    )

    @model_validator(mode="before")
    @classmethod
    def _region_and_endpoints(cls, environ: Mapping[str, Any]) -> dict[str, Any]:
        given = dict(environ)
        if "AWS_REGION" in given:
            given.setdefault("AWS_DEFAULT_REGION", given["AWS_REGION"])
        ignored = str(given.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "")).lower() == "true"
        found = sorted(name for name in given if re.fullmatch(rf"{ENDPOINTS}(_[A-Z0-9_]+)?", name))
        given[f"{ENDPOINTS}*"] = () if ignored else tuple((name, str(given[name]).strip()) for name in found)
        return given

    @field_validator("secret_key")
    @classmethod
    def _both_keys_or_none(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (secret is None) != (info.data.get("access_key") is None):
            raise ValueError("and ACCESS_KEY: only one of them is set; set both, or none to use the attached role")
        return secret

    @field_validator("aws_endpoint_urls")
    @classmethod
    def _http(cls, endpoints: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        wrong = [name for name, url in endpoints if not re.fullmatch(r"https?://[^\s/]+\S*", url)]
        if wrong:
            raise ValueError(f"({', '.join(wrong)}) is not an http:// or https:// URL")
        return endpoints

    def aws(self) -> Aws:
        """How to reach AWS, with the endpoints of the environment that was read."""
        from pipeline.aws import Aws

        secret = self.secret_key.get_secret_value() if self.secret_key else None
        return Aws(self.aws_default_region, self.access_key, secret, self.aws_endpoint_urls)
