"""What can go wrong with the notice page."""

from __future__ import annotations


class NoticeError(Exception):
    """The page cannot be written; the message says what is wrong, where, and what to do."""
