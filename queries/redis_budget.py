"""What of Redis' memory each kind of keys may take; `manage.py status` holds it against what they do."""

AGGREGATES_BYTES_A_COMPANY = 5 << 20
"""Aggregates held ready, for each of few companies: six groups for every metric of fifteen years and more."""

AGGREGATES_BYTES = 1 << 30
"""Aggregates held ready, however many companies: there are no more groups than codes, countries and classes."""

SETS_BYTES = 256 << 20
"""All sets of ranks that are read; those that are being filled come on top, one for each process."""

ANSWERS_BYTES = 64 << 20
"""All kept answers."""
