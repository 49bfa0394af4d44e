"""History, durations, error rates and retries of Statsig ingestion runs."""
