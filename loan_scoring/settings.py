"""Settings of loan scoring."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from pipeline.settings.analytics import AnalyticsSettings
from pipeline.settings.group import SettingsGroup, setting
from pipeline.settings.lake import LakeSettings


class ModelSettings(SettingsGroup):
    """Where models are kept: `python -m loan_scoring`."""

    title: ClassVar = "Models of loan scoring"

    models: str = setting(
        "The registry of models, with all versions and the champion among them",
        "s3a://bank-analytics/models",
        "folder or URI",
    )


class WatchSettings(SettingsGroup):
    """What is looked at beside the scores, and how often."""

    title: ClassVar = "Watching of loan scoring"

    group_field: Annotated[str, Field(min_length=1, max_length=64)] = setting(
        "Field of an application that says of which group of people someone is, for comparing how they fare; no model "
        "sees it",
        "age_band",
        "name of a field",
        default="applicant_group",
    )
    watch_interval: float = setting(
        "How often the scores of the day are held against those of the training: drift, review, groups of people",
        "60",
        "seconds",
        default=300.0,
        ge=1,
        le=24 * 3600,
        allow_inf_nan=False,
    )


class LoanSettings(WatchSettings, ModelSettings, LakeSettings, AnalyticsSettings):
    """Loan scoring: `python stream_analytics.py loan-scoring`."""

    title: ClassVar = "loan-scoring"
