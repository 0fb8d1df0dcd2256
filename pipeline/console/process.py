"""How a service's process ends: 0 stopped or caught up, 1 could not go on, 2 wrong settings."""

from __future__ import annotations

import sys
from collections.abc import Callable

import structlog

from pipeline.runtime import logs
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.stopping import StopSignal
from pipeline.settings.errors import SettingsError


def exit_code(run: Callable[[StopSignal], object]) -> int:
    """What the process ends with once `run` has ended; one line says why, for wrong settings one for each.

    `run` is given the wish to stop, which is heard from now on: loading takes seconds.
    """
    logs.configure()
    stop = StopSignal()
    stop.listen()
    try:
        run(stop)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except PipelineError as error:
        structlog.get_logger().error("ended", reason=str(error))
        return 1
    structlog.get_logger().info("ended")
    return 0
