"""What a step that failed says: one line, with what failed, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import structlog

AGAIN: Final = "then begin the day anew: airflow dags trigger market_day (what was missed is fetched)"
LEFT: Final = "No stream is left running once the step stop has ended."

GO_ON: Final[Mapping[str, str]] = {
    "session": f"see that MARKET_CALENDAR names an exchange and that the cluster answers (KUBECONFIG), {AGAIN}",
    "topics": f"see that the brokers answer and let topics be made (KAFKA_BROKERS), {AGAIN}",
    "stream": f"see that the cluster answers and lets market-day scale (k8s/market/base/rights.yaml), {AGAIN}",
    "ready": f"see why: kubectl --namespace {{namespace}} logs deployment/candles (or dashboard), {AGAIN}",
    "warm_start": f"the lines above say what the provider or the brokers said; mend it, {AGAIN}",
    "live": f"see why: kubectl --namespace {{namespace}} logs deployment/feed, {AGAIN}",
    "close": f"see that Airflow's triggerer runs, {AGAIN}",
    "stop": "a stream may still run: kubectl --namespace {namespace} scale deployment feed candles dashboard "
    "--replicas=0",
    "stopped": "see why the stop has failed",
}
"""Step → what to do; `{namespace}` is filled in."""

log = structlog.get_logger()


def line(step: str, error: object, namespace: str) -> str:
    """The line."""
    left = "" if step == "stop" else f" {LEFT}"
    return f"trading day: {step} failed: {error}.{left} To go on: {GO_ON[step].format(namespace=namespace)}"


def tell(context: Mapping[str, Any], namespace: str) -> None:
    """For Airflow to call where a step has failed for good."""
    error = str(context.get("exception") or "it was killed").rstrip(".")
    log.error(line(context["ti"].task_id, error, namespace))
