"""The operators' commands of every service of the analytics: check, status, letters, accept-loss."""
