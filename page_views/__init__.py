"""Page views: clean events, windows with unique visitors, files of batches."""
