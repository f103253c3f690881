"""The demo's ears: what caller and customer heard of each prompt that a receipt claims was played to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.asterisk.demo_phones import Phone
from tests.asterisk.ears import Built, Passage, built_in, recognise
from tests.asterisk.heard import CLOSE_MS

Receipt = dict[str, Any]


class DemoEars:
    """``phones`` are the customer's telephones by the direction of the call in which they hear. Blocking throughout."""

    def __init__(self, prompts: Path, phones: dict[str, Phone]) -> None:
        self._prompts = prompts
        self._phones = phones
        self._built: dict[str, Built] = {}

    def heard(self, direction: str, receipt: Receipt) -> bool:
        """Whether it was heard as far as the receipt says, by what has come so far.

        What follows it is not looked at: a cut in a pause of its words is found no nearer than that pause.
        """
        built = self._of(receipt["sha256"])
        if built is None:
            return False
        played = receipt["played_ms"]
        return any(
            one.from_ms <= CLOSE_MS and one.sounded_ms - CLOSE_MS <= played <= one.to_ms + CLOSE_MS
            for one in recognise(self._phones[direction].heard(), [built])
        )

    def all_heard(self, direction: str) -> list[Passage]:
        """Every prompt that was heard in the calls of this direction, in order."""
        self._built = {one.sha256: one for one in built_in(self._prompts)}
        return recognise(self._phones[direction].heard(), tuple(self._built.values()))

    def _of(self, sha256: str) -> Built | None:
        if sha256 not in self._built:  # spoken during this very call
            self._built = {one.sha256: one for one in built_in(self._prompts)}
        return self._built.get(sha256)
