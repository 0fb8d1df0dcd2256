from __future__ import annotations

from pathlib import Path

import pytest

from market.dashboard import library
from pipeline.runtime.errors import Fatal


def test_the_script_comes_out_of_the_package_with_the_hash_of_the_one_style_that_it_brings() -> None:
    assert b"TradingView" in library.script()
    assert len(library.styles()) == 1


def test_without_the_package_it_says_which_command_fetches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    library.script.cache_clear()
    with pytest.raises(Fatal, match="`make dashboard` fetches it"):
        library.script()
