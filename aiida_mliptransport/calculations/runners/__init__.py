"""Self-contained scripts that travel with a job and need no AiiDA where they run."""
