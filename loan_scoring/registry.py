"""The registry of models: versions, which never change, and which of them is the champion. A folder, or a store.

    <MODELS>/versions/<version>/scorecard.json     the version is the hash of this file
                                challenger.json    whose hash the scorecard names
                                card.md            for people
    <MODELS>/champion.json                         the promoted versions, the newest last

Everything is written whole or not at all, and a version before it is promoted. Who promotes at the same time as
somebody else may overtake that one; both versions stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

import msgspec

from loan_scoring import challenger
from loan_scoring.scorecard import Scorecard, Unfit, file_of, scorecard_of, version_of
from pipeline.runtime.errors import Fatal
from pipeline.structured.files import Files

CHAMPION: Final = "champion.json"
AWAY: Final = "the registry of models"


class Promotion(msgspec.Struct, frozen=True):
    """`at`: ISO 8601, UTC."""

    version: str
    at: str


class Champions(msgspec.Struct, frozen=True):
    """All promotions, the newest last."""

    promotions: list[Promotion]


@dataclass(frozen=True)
class Model:
    """A version that fits. `challenger`: its file, as text."""

    version: str
    scorecard: Scorecard
    challenger: str


class Registry:
    """`root`: MODELS. Methods raise `Transient` where the store is away."""

    def __init__(self, root: str) -> None:
        self._files = Files(root, "MODELS", AWAY)

    def add(self, scorecard: Scorecard, challenger_file: str, card: str) -> str:
        """Keep a version; its name. The same again changes nothing."""
        file = file_of(scorecard)
        version = version_of(file)
        folder = f"versions/{version}"
        self._files.write(f"{folder}/card.md", card)
        self._files.write(f"{folder}/challenger.json", challenger_file)
        self._files.write(f"{folder}/scorecard.json", file.decode())
        return version

    def versions(self) -> list[str]:
        """All that there are, by name."""
        return sorted(self._files.folders("versions"))

    def model(self, version: str) -> Model:
        """Raises `Unfit` for a version that cannot be scored with."""
        file = self._read(version, "scorecard.json")
        if file is None:
            raise Unfit("is not in the registry")
        scorecard = scorecard_of(file.encode(), version)
        beside = self._read(version, "challenger.json")
        if beside is None or sha256(beside.encode()).hexdigest() != scorecard.challenger:
            raise Unfit("has another challenger beside it than the one that it names")
        try:
            challenger.loaded(beside)
        except ValueError as error:
            raise Unfit(f"has a challenger that cannot be loaded: {error}") from None
        return Model(version, scorecard, beside)

    def card(self, version: str) -> str:
        """What people are told of a version."""
        return self._files.read(f"versions/{version}/card.md") or ""

    def promotions(self) -> list[Promotion]:
        """The newest last. Raises `Fatal` where the file is none of ours."""
        text = self._files.read(CHAMPION)
        try:
            return msgspec.json.decode(text or '{"promotions": []}', type=Champions).promotions
        except msgspec.DecodeError:
            raise Fatal(f"{self._files.uri}/{CHAMPION} is not what `promote` writes there") from None

    def promote(self, version: str) -> None:
        """Let services score with this version from their next batch on. Raises `Unfit`."""
        self.model(version)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        champions = Champions([*self.promotions(), Promotion(version, now)])
        self._files.write(CHAMPION, msgspec.json.format(msgspec.json.encode(champions), indent=1).decode())

    def _read(self, version: str, name: str) -> str | None:
        try:
            return self._files.read(f"versions/{version}/{name}")
        except UnicodeDecodeError:
            raise Unfit(f"has a {name} that is no text") from None
