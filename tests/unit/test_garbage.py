import gc

from pipeline.runtime.garbage import freeze_heap


def test_what_is_there_is_searched_no_more_and_what_comes_is_searched_as_often_as_before() -> None:
    before = gc.get_threshold()
    gc.unfreeze()
    try:
        freeze_heap()
        assert gc.get_freeze_count() > 10_000
        assert len(gc.get_objects()) < 1_000
        assert gc.get_threshold() == before
    finally:
        gc.unfreeze()
