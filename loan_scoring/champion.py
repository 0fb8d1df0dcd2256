"""The champion of the moment, as a running service takes it: between two batches, and only one that fits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from loan_scoring.registry import AWAY, Model, Promotion, Registry
from loan_scoring.scorecard import Unfit
from pipeline.runtime.errors import Fatal, Transient

EVERY: Final = 1.0
"""Seconds between two looks at the registry, at least."""
NONE: Final = "no model that fits has been promoted: `python -m loan_scoring train --promote` makes one"

log = structlog.get_logger()


class Champion:
    """`registry`: where it is looked for. What does not fit is refused, by name, once; the one before it goes on."""

    def __init__(self, registry: Registry, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry, self._clock = registry, clock
        self._looked_at = float("-inf")
        self._model: Model | None = None
        self.refused: dict[str, str] = {}
        """Versions that were promoted later than the champion, and why they do not fit."""

    @property
    def known(self) -> Model | None:
        """The champion as it was looked at last; None before the first look."""
        return self._model

    def current(self) -> Model:
        """Raises `Transient` where there is none, or none is known yet and the registry is away."""
        now = self._clock()
        if self._model is None or now >= self._looked_at + EVERY:
            self._look()
            self._looked_at = now
        if self._model is None:
            raise _none()
        return self._model

    def _look(self) -> None:
        try:
            promotions = self._registry.promotions()
            self._take(promotions)
        except (Transient, Fatal) as error:
            if self._model is None:
                raise
            log.warning("the champion goes on", version=self._model.version, reason=str(error))

    def _take(self, promotions: Sequence[Promotion]) -> None:
        refused: dict[str, str] = {}
        for version in dict.fromkeys(promotion.version for promotion in reversed(promotions)):
            if self._model is not None and version == self._model.version:
                break
            try:
                found = self._registry.model(version)
            except Unfit as unfit:
                refused[version] = str(unfit)
                continue
            self._became(found)
            break
        self._refuse(refused)

    def _became(self, model: Model) -> None:
        before = self._model.version if self._model else None
        log.info("champion", version=model.version, before=before, trained=model.scorecard.trained.get("at"))
        self._model = model

    def _refuse(self, refused: dict[str, str]) -> None:
        for version, why in refused.items():
            if self.refused.get(version) != why:
                goes_on = self._model.version if self._model else "none"
                log.error("model refused", version=version, reason=why, goes_on=goes_on)
        self.refused = refused


def _none() -> Transient:
    error = Transient(NONE)
    error.waits_for = AWAY
    return error
