"""Spark's cluster and the sizes of its processes."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from pipeline.settings.group import SettingsGroup, setting

Memory = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}[mg]$")]


class SparkSettings(SettingsGroup):
    """Where Spark runs, and how large its driver and executors are."""

    title: ClassVar = "Spark"

    spark_master: str | None = setting(
        "Spark's cluster; local[*] where neither this nor spark-submit names one",
        "k8s://https://kubernetes.default.svc:443",
        "URL, or local[threads]",
        default=None,
    )
    spark_allow_plaintext: bool = setting(
        "Whether driver and executors may speak in clear, as they do in a standalone cluster (spark://) that has no "
        "secret: whoever listens reads passwords and card codes; else that ends the start",
        "true",
        "true or false",
        default=False,
    )
    num_cores: Annotated[int, Field(ge=1, le=64)] | None = setting(
        "Cores, so tasks at once, of one executor; without it what the cluster gives", "2", "cores", default=None
    )
    executor_memory: Memory | None = setting(
        "Heap of an executor's JVM; its Python workers take 140 MiB each beside it", "1g", "m or g", default=None
    )
    driver_memory: Memory | None = setting("Heap of the driver's JVM", "768m", "m or g", default=None)

    def spark_sizes(self) -> dict[str, str]:
        """Spark's options for driver and executors; nothing for a setting that is absent."""
        sizes = {
            "spark.driver.memory": self.driver_memory,
            "spark.executor.memory": self.executor_memory,
            "spark.executor.cores": self.num_cores,
            "spark.kubernetes.executor.limit.cores": self.num_cores,
        }
        return {name: str(value) for name, value in sizes.items() if value is not None}


class ScalingSettings(SettingsGroup):
    """How many executors a stream has, from one up and down again."""

    title: ClassVar = "Scaling"

    max_executors: Annotated[int, Field(ge=1, le=1000)] | None = setting(
        "Most executors: from 1 up to so many while the stream is ahead, and down again while there is little to do; "
        "without it what the cluster gives",
        "4",
        "executors",
        default=None,
    )
    scaling_interval: Annotated[int, Field(ge=1, le=3600)] = setting(
        "How often the number of executors is thought over, by one up or down; several intervals of BATCH_LENGTH",
        "60",
        "seconds",
        default=60,
    )
