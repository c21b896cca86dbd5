"""Sources that make their recordings."""
