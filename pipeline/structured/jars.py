"""Where the jars are that Spark needs for Kafka."""

from __future__ import annotations

from pipeline.runtime.packing import ROOT

JARS = ROOT / ".cache" / "jars"
KAFKA, IAM = "spark", "msk-iam"
"""Folders of jars: what Spark needs for Kafka, and what brokers of Amazon MSK that ask for IAM."""
