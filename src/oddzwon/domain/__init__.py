"""What oddzwon decides, as plain functions over frozen values: no asyncio, no I/O, no clock of its own.

Times are :data:`~oddzwon.domain.events.Instant`: UTC in milliseconds since the epoch. Durations end in ``_ms``.
"""
