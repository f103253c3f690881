"""A leg that is listened to while it is heard: until a prompt begins, whatever is said before it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from operator import eq
from typing import Final

from oddzwon.prompts.at_call import AT_CALL
from tests.asterisk.ears import Built
from tests.asterisk.heard import built_prompts
from tests.asterisk.lab import Lab
from tests.asterisk.patience import PATIENCE_S
from tests.asterisk.rtp import FRAME_SAMPLES, QUIET, Packet
from tests.asterisk.sip_leg import Leg

OPENING: Final = 3
LOUD: Final = 80
"""So many of a packet's 160 samples are no silence where a prompt begins to sound."""
LEFT_OUT: Final = 22


class Opening:
    """By what a prompt is known while it is still heard: its first three packets that sound."""

    def __init__(self, built: Built) -> None:
        packets = built.packets()
        # Asterisk leaves out the last 22 samples of a WAV file, and with them at times the last packet [M]
        self.length = (len(built.sound) - LEFT_OUT) // FRAME_SAMPLES
        self.first = next(n for n, packet in enumerate(packets) if sum(code not in QUIET for code in packet) > LOUD)
        self._codes = packets[self.first : self.first + OPENING]

    def is_at(self, packets: Sequence[Packet], place: int) -> bool:
        """Whether the prompt's opening begins with this packet."""
        heard = packets[place : place + OPENING]
        return len(heard) == OPENING and all(
            len(packet.payload) == len(codes) and sum(map(eq, packet.payload, codes)) >= 0.9 * len(codes)
            for packet, codes in zip(heard, self._codes, strict=True)
        )


class Ear:
    """What one leg hears, prompt by prompt: each is looked for behind the one that was met before it."""

    def __init__(self, lab: Lab, leg: Leg) -> None:
        self._lab = lab
        self._leg = leg
        self._listened = 0

    async def meets(self, prompt: str, language: str | None = None, within: float = PATIENCE_S) -> tuple[int, int]:
        """Until the leg hears this prompt's opening, in any language if none is named.

        Returns the number of its first packet and of the one behind its last; raises TimeoutError.
        """
        try:
            async with asyncio.timeout(within):
                return await self._met(prompt, language)
        except TimeoutError as error:
            msg = f"{language or ''} {prompt} was not heard within {within:.0f} s"
            raise TimeoutError(msg) from error

    async def hears(self, prompt: str, frames: int = 8) -> None:
        """Until the leg has heard so many packets of this prompt, its silence at the beginning included."""
        begun, _ = await self.meets(prompt)
        async with asyncio.timeout(PATIENCE_S):
            await self._leg.heard.until_packet(begun + frames - 1)

    async def _met(self, prompt: str, language: str | None) -> tuple[int, int]:
        while True:
            spoken = self._spoken()
            openings = await self._openings(prompt, language)
            place = self._listened
            # what is spoken meanwhile may be this very prompt: then all is listened to once more
            while self._spoken() == spoken:
                packets = self._leg.heard.since(place)
                for at, opening in itertools.product(range(len(packets) - OPENING + 1), openings):
                    if opening.is_at(packets, at):
                        self._listened = place + at + 1
                        return place + at - opening.first, place + at - opening.first + opening.length
                place += max(0, len(packets) - OPENING + 1)
                await self._leg.heard.until_packet(self._leg.heard.packets)

    async def _openings(self, prompt: str, language: str | None) -> list[Opening]:
        built = await built_prompts(self._lab)
        return [Opening(one) for one in built if one.prompt == prompt and language in (None, one.language)]

    def _spoken(self) -> list[int]:
        """Changes with every prompt that is spoken during a call."""
        return [folder.stat().st_mtime_ns for folder in sorted((self._lab.state / "prompts").glob(f"*/{AT_CALL}"))]
