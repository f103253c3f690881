"""Every case of the bench, in the order in which the table lists them."""

from __future__ import annotations

from typing import Final

from tests.asterisk.endings import cases_agents, cases_byes, cases_media, cases_moves
from tests.asterisk.endings.case import Case

CASES: Final[tuple[Case, ...]] = (*cases_byes.CASES, *cases_media.CASES, *cases_agents.CASES, *cases_moves.CASES)
