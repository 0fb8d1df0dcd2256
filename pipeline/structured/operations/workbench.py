"""What the commands of a service of the analytics work with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from pipeline.kafka.client import client_options
from pipeline.kafka.letter_box import LetterBox
from pipeline.kafka.letters import letters_of
from pipeline.kafka.topics import Topics
from pipeline.settings.analytics import AnalyticsSettings
from pipeline.structured.checkpoint import Checkpoint
from pipeline.structured.service import Service


class Workbench:
    """The service's own parts. Nothing is connected before it is asked for."""

    def __init__(self, settings: AnalyticsSettings, service: Service) -> None:
        self.settings, self.service = settings, service
        self.client = client_options(settings)

    @cached_property
    def topics(self) -> Topics:
        return Topics(self.client)

    @property
    def reads(self) -> list[str]:
        """All topics that its flows read."""
        return sorted({topic for flow in self.service.flows for topic in flow.topics})

    @property
    def checkpoints(self) -> Mapping[str, Checkpoint]:
        """By flow."""
        root = self.settings.checkpoint_dir
        return {flow.name: Checkpoint(root, self.service.name, flow.name) for flow in self.service.flows}

    def letter_box(self) -> LetterBox:
        names = [letters_of(topic) for topic in self.reads]
        return LetterBox(self.service.name, self.client, self.topics, names)
