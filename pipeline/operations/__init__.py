"""The operators' command line: looking at the service (check, status, letters) and mending it (redrive, replay, …)."""
