import gc

from pipeline.garbage import SELDOM, spare_what_is_there


def test_what_is_there_is_searched_no_more() -> None:
    before = gc.get_threshold()
    try:
        spare_what_is_there()
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold()[0] == SELDOM
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
