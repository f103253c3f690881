"""The picture: one line for each thing that happened, as it happens, in the order of the facts' own times."""

from __future__ import annotations

import heapq
import itertools
import textwrap
import time
from dataclasses import dataclass
from enum import StrEnum

from rich.console import Console
from rich.text import Text

HOLD_S = 0.5
"""A line waits so long for facts from the other source that are older than it."""
INDENT = 33
"""Where the words of a line begin."""
LEGEND = "C customer  O oddzwon  A agent   ┊ rings  │ on the line  ═ bridged  ╳ cut off  ◆ written to the log"


class Who(StrEnum):
    """Whose doing it was."""

    CUSTOMER = "customer"
    ODDZWON = "oddzwon"
    AGENT = "agent"
    ASTERISK = "Asterisk"
    NETWORK = "network"
    LOG = "log"


class Turn(StrEnum):
    """What it changes in the picture."""

    NOTHING = ""
    CUSTOMER_RINGS = "customer rings"
    CUSTOMER_UP = "customer up"
    CUSTOMER_CUT = "customer cut"
    CUSTOMER_GONE = "customer gone"
    AGENT_RINGS = "agent rings"
    AGENT_UP = "agent up"
    AGENT_GONE = "agent gone"
    BRIDGED = "bridged"
    APART = "apart"


_COLOURS = {
    Who.CUSTOMER: "cyan",
    Who.ODDZWON: "magenta",
    Who.AGENT: "green",
    Who.ASTERISK: "blue",
    Who.NETWORK: "bold red",
    Who.LOG: "yellow",
}
_LANE = {Who.CUSTOMER: 0, Who.NETWORK: 0, Who.ODDZWON: 5, Who.LOG: 5, Who.AGENT: 10}


@dataclass(frozen=True, slots=True)
class Line:
    """``at`` is seconds since the epoch, from the fact itself."""

    at: float
    who: Who
    what: str
    turn: Turn = Turn.NOTHING


class Timeline:
    """Takes lines in any order within :data:`HOLD_S`, prints them in the order of their times."""

    def __init__(self, console: Console) -> None:
        self.began: float | None = None
        self._console = console
        self._waiting: list[tuple[float, int, Line]] = []
        self._count = itertools.count()
        self._customer = self._agent = " "
        self._link = " "

    def add(self, line: Line) -> None:
        """Something happened."""
        # the log's times are cut to milliseconds: what it notes must not seem to come before what it notes
        order = line.at + (0.001 if line.who is Who.LOG else 0.0)
        heapq.heappush(self._waiting, (order, next(self._count), line))

    def show(self, *, all_of_it: bool = False) -> None:
        """Print what has waited long enough."""
        until = time.time() - HOLD_S
        while self._waiting and (all_of_it or self._waiting[0][0] <= until):
            self._print(heapq.heappop(self._waiting)[2])

    def _print(self, line: Line) -> None:
        if self.began is None:
            self.began = line.at
            self._console.print(Text("  seconds   C    O    A", style="bold"))
        # a line that begins or goes on shows what is now; one that ends something shows what was
        before = self._picture(line)
        self._turn(line.turn)
        picture = before if line.turn in _ENDS else self._picture(line)
        words = textwrap.wrap(line.what, max(self._console.width - INDENT, 30))
        head = Text.assemble(
            f"{max(0.0, line.at - self.began):9.2f}  ", picture, "  ", (f"{line.who:<9}", _COLOURS[line.who])
        )
        self._console.print(Text.assemble(head, f"\n{' ' * INDENT}".join(words)), soft_wrap=True)

    def _picture(self, line: Line) -> Text:
        cells = [self._customer, *(self._link * 9), self._agent]
        text = Text("".join(cells))
        lane = _LANE.get(line.who)
        if lane is not None:
            mark = "╳" if line.turn is Turn.CUSTOMER_CUT else "◆" if line.who is Who.LOG else "●"
            text = Text("".join((*cells[:lane], mark, *cells[lane + 1 :])))
            text.stylize(_COLOURS[line.who], lane, lane + 1)
        return text

    def _turn(self, turn: Turn) -> None:
        match turn:
            case Turn.CUSTOMER_RINGS:
                self._customer = "┊"
            case Turn.CUSTOMER_UP:
                self._customer = "│"
            case Turn.CUSTOMER_CUT:
                self._customer = "╵"
            case Turn.CUSTOMER_GONE:
                self._customer = self._link = " "
            case Turn.AGENT_RINGS:
                self._agent = "┊"
            case Turn.AGENT_UP:
                self._agent = "│"
            case Turn.AGENT_GONE:
                self._agent = self._link = " "
            case Turn.BRIDGED:
                self._link = "═"
            case Turn.APART:
                self._link = " "


_ENDS = {Turn.CUSTOMER_GONE, Turn.AGENT_GONE, Turn.APART}
