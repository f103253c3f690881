"""What became of calls that were cut off: the question that a storm asks of many at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from sqlite3 import Connection

from oddzwon.domain.storm import ERASED, REFUSED


def fates(db: Connection, calls: Sequence[str]) -> dict[str, str]:
    """By call: its callback's state, else REFUSED or ERASED; a call that is not decided yet is left out."""
    rows = db.execute(
        "SELECT asked.value, CASE WHEN c.id IS NULL THEN ? ELSE coalesce(b.state, iif(c.judged = 1, ?, NULL)) END"
        " FROM json_each(?) AS asked"
        " LEFT JOIN call AS c ON c.id = asked.value LEFT JOIN callback AS b ON b.call = c.id",
        (ERASED, REFUSED, json.dumps(list(calls))),
    )
    return {call: fate for call, fate in rows if fate is not None}
