"""The market live in a browser, from the database that the service `candles` fills; it writes nothing.

SIGTERM and Ctrl-C end it with 0; 1: it could not go on, a line says why; 2: wrong settings (docs/settings.md).
"""

from __future__ import annotations

import argparse
import os
import sys

from market.dashboard.settings import DashboardSettings
from pipeline.console.process import exit_code
from pipeline.runtime.stopping import StopSignal


def run(stop: StopSignal) -> None:
    """Raises `PipelineError`."""
    settings = DashboardSettings.read(os.environ)
    from market.dashboard.serving import serve

    serve(settings, stop)


def main() -> int:
    """The exit code."""
    description = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser("python -m market.dashboard", description=__doc__, formatter_class=description).parse_args()
    return exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
