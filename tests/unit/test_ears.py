"""The tests' ears, on streams of really built prompts: cut, joined, with losses, beside sounds that are no prompt."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.asterisk.ears import RATE, Built, built_in, passages, recognise, stream_of, through_alaw
from tests.asterisk.heard import differences
from tests.asterisk.rtp import FRAME_SAMPLES, Packet, alaw, tone

from oddzwon.prompts.build import build
from oddzwon.prompts.plan import LanguagePlan, MenuChoice, OperatorValues, PromptPlan, RecordingNotice
from oddzwon.prompts.speech import EspeakSpeaker
from oddzwon.prompts.spoken import Period
from oddzwon.prompts.texts import Language, PromptKey

pytestmark = pytest.mark.thorough

FRAME_MS = 20
CLOSE_MS = 20
"""How near a cut is found: the step of the comparison, and a frame."""
SILENCE = bytes([0xD5]) * FRAME_SAMPLES


def plan(language: Language) -> LanguagePlan:
    values = OperatorValues("Clinic", "clinic.example", "1 Street", "officer", "provider", "board", Period(days=90))
    announced = PromptKey.REC_CONSENT if language is Language.DE else PromptKey.REC_OBJECT
    quality = RecordingNotice("key1", announced, "quality of service", Period(days=30), "6 f")
    training = RecordingNotice("key2", announced, "training of our agents", Period(days=30), "6 f")
    return LanguagePlan(language, values, (MenuChoice("1", "Help"), MenuChoice("2", "Sales")), (quality, training))


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> tuple[Built, ...]:
    """Texts of about a second in two languages, as the lab has them."""
    folder = tmp_path_factory.mktemp("short")
    languages = (plan(Language.PL), plan(Language.DE))
    asyncio.run(build(PromptPlan(languages, short=True), folder, EspeakSpeaker()))
    return built_in(folder)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Built, ...]:
    """Whole texts, of which some begin alike."""
    folder = tmp_path_factory.mktemp("full")
    asyncio.run(build(PromptPlan((plan(Language.EN),)), folder, EspeakSpeaker()))
    return built_in(folder)


def named(built: Sequence[Built], prompt: str, language: str, variant: str | None = None) -> Built:
    (found,) = (
        one for one in built if (one.prompt, one.language) == (prompt, language) and variant in (None, one.variant)
    )
    return found


class Line:
    """Asterisk's side of a leg: what is played becomes packets, as its RTP stack numbers them."""

    def __init__(self) -> None:
        self.packets: list[Packet] = []
        self._sequence, self._timestamp, self._at = 65_500, 2**32 - 3_000, 100.0

    def play(self, sound: NDArray[np.float32], upto_ms: int | None = None) -> None:
        samples = sound if upto_ms is None else sound[: upto_ms * RATE // 1000]
        codes = bytes(alaw(int(sample)) for sample in samples)
        for place in range(0, len(codes), FRAME_SAMPLES):
            self.send(codes[place : place + FRAME_SAMPLES])

    def send(self, payload: bytes) -> None:
        self.packets.append(Packet(7, self._sequence & 0xFFFF, self._timestamp & 0xFFFFFFFF, payload, self._at))
        self._sequence += 1
        self._pass(len(payload))

    def silence(self, ms: int) -> None:
        for _ in range(ms // FRAME_MS):
            self.send(SILENCE)

    def pause(self, ms: int) -> None:
        """Nothing is sent."""
        self._pass(ms * RATE // 1000)

    def _pass(self, samples: int) -> None:
        self._timestamp += samples
        self._at += samples / RATE


def heard(line: Line, built: Sequence[Built]) -> list[tuple[str, str, int, int]]:
    return [(one.built.prompt, one.built.language, one.from_ms, one.to_ms) for one in recognise(line.packets, built)]


def test_every_prompt_is_recognised_whole_and_as_itself(short: tuple[Built, ...]) -> None:
    line = Line()
    for one in short:
        line.play(one.sound)
        line.pause(300)
    found = recognise(line.packets, short)
    assert [one.built.sha256 for one in found] == [one.sha256 for one in short]
    assert [(one.from_ms, one.to_ms) for one in found] == [(0, one.full_ms) for one in short]
    assert all(one.alike == () for one in found)


def test_prompts_that_follow_each_other_without_a_pause(short: tuple[Built, ...]) -> None:
    line = Line()
    order = random.Random(4).choices(short, k=12)
    for one in order:
        line.play(one.sound)
    found = recognise(line.packets, short)
    assert [one.built.sha256 for one in found] == [one.sha256 for one in order]
    for passage in found:
        assert passage.from_ms == 0
        assert abs(passage.to_ms - passage.built.full_ms) <= CLOSE_MS


@pytest.mark.parametrize("prompt", ["L1", "MENU_OPTION", "L2", "OBJECTED", "SHORT", "STATIC"])
@pytest.mark.parametrize("share", [0.45, 0.6, 0.8])
@pytest.mark.parametrize("then", ["nothing", "silence", "another"])
def test_a_cut_is_found_where_it_was(short: tuple[Built, ...], prompt: str, share: float, then: str) -> None:
    one, other = named(short, prompt, "pl"), named(short, "CONNECTING", "pl")
    cut = int(one.full_ms * share) // FRAME_MS * FRAME_MS
    line = Line()
    line.play(one.sound, cut)
    if then == "silence":
        line.pause(500)
        line.silence(400)
    elif then == "another":
        line.play(other.sound)
    first, *rest = recognise(line.packets, short)
    assert first.is_of(one.sha256), "the first words of two prompts may be the same: then it may have been either"
    assert first.from_ms == 0
    assert abs(first.to_ms - cut) <= CLOSE_MS
    assert first.sounded_ms <= cut + CLOSE_MS
    assert [found.built.prompt for found in rest] == (["CONNECTING"] if then == "another" else [])


def test_a_prompt_that_is_cut_and_repeated(short: tuple[Built, ...]) -> None:
    menu = named(short, "MENU_OPTION", "de")
    line = Line()
    line.play(menu.sound, 600)
    line.play(menu.sound)
    line.play(menu.sound, 400)
    assert [(place, start) for place, _, start, _ in heard(line, short)] == [("MENU_OPTION", 0)] * 3
    first, second, third = (upto for *_, upto in heard(line, short))
    assert abs(first - 600) <= CLOSE_MS
    assert abs(second - menu.full_ms) <= CLOSE_MS
    assert abs(third - 400) <= CLOSE_MS


def test_prompts_that_begin_alike_are_told_apart_where_they_differ(full: tuple[Built, ...]) -> None:
    one, other = named(full, "REC_OBJECT", "en", "key1"), named(full, "REC_OBJECT", "en", "key2")
    line = Line()
    line.play(other.sound)
    line.play(one.sound, one.full_ms - 700)
    first, second = recognise(line.packets, full)
    assert (first.built, first.alike) == (other, ())
    assert (second.built, second.alike) == (one, ())
    # as long as only the words that both have were heard, either may have been it
    begun = Line()
    begun.play(one.sound, 900)
    (cut,) = recognise(begun.packets, full)
    assert {cut.built, *cut.alike} >= {one, other} or cut.built is one
    assert cut.is_of(one.sha256)
    assert abs(cut.to_ms - 900) <= CLOSE_MS


def test_whole_texts_one_after_the_other(full: tuple[Built, ...]) -> None:
    line = Line()
    order = [named(full, key, "en") for key in ("L1", "MENU_OPTION", "L2", "STATIC")]
    for one in order:
        line.play(one.sound)
        line.pause(60)
    found = recognise(line.packets, full)
    assert [(one.built.prompt, one.from_ms, one.to_ms) for one in found] == [(o.prompt, 0, o.full_ms) for o in order]


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_losses_are_noted_and_heard_through(short: tuple[Built, ...], share: float) -> None:
    line = Line()
    order = [named(short, key, "pl") for key in ("L1", "MENU_OPTION", "CONNECTING")]
    for one in order:
        line.play(one.sound)
        line.pause(200)
    chance = random.Random(11)
    kept = [
        packet for n, packet in enumerate(line.packets) if n in (0, len(line.packets) - 1) or chance.random() > share
    ]
    assert stream_of(kept).lost == len(line.packets) - len(kept) > 0
    found = recognise(kept, short)
    assert [one.built for one in found] == order
    for passage in found:
        assert passage.from_ms <= CLOSE_MS
        assert passage.built.full_ms - passage.to_ms <= 2 * CLOSE_MS


def test_a_stall_in_mid_prompt_is_no_cut(short: tuple[Built, ...]) -> None:
    """A busy Asterisk sends the next frame late, and its timestamp has gone on: nothing of the prompt is missing."""
    one = named(short, "L2", "pl")
    line = Line()
    line.play(one.sound[:8_000])
    line.pause(240)
    line.play(one.sound[8_000:])
    assert heard(line, short) == [("L2", "pl", 0, one.full_ms)]


def test_late_and_double_packets(short: tuple[Built, ...]) -> None:
    one = named(short, "L1", "de")
    line = Line()
    line.play(one.sound)
    packets = line.packets
    mixed = [*packets[:9], packets[10], packets[9], packets[9], *packets[11:]]
    assert np.array_equal(stream_of(mixed).sound, stream_of(packets).sound)
    assert stream_of(mixed).lost == 0


def test_a_prompt_of_which_the_beginning_is_missing(full: tuple[Built, ...]) -> None:
    one = named(full, "L1", "en")
    line = Line()
    line.play(one.sound[int(0.3 * RATE) :])
    (found,) = recognise(line.packets, full)
    assert found.built is one
    assert abs(found.from_ms - 300) <= CLOSE_MS
    assert found.to_ms == one.full_ms


def test_what_is_no_prompt_is_not_taken_for_one(short: tuple[Built, ...], full: tuple[Built, ...]) -> None:
    noise = np.random.default_rng(3).normal(0.0, 4_000.0, 5 * RATE).clip(-32_768, 32_767).astype(np.int16)
    line = Line()
    line.silence(500)
    for period in (16, 20, 32, 40):
        for _ in range(100):
            line.send(tone(period))
    line.play(through_alaw(noise))
    line.silence(500)
    assert heard(line, short + full) == []
    # nor what is said in other words: whole texts hold none of the short ones, in whatever language
    speech = Line()
    for one in full:
        speech.play(one.sound, 8_000)
    assert heard(speech, short) == []


# --- receipts beside ears ---


def receipt(built: Built, played_ms: int, key: str | None = None) -> dict[str, Any]:
    """A receipt as the command line shows it."""
    return {
        "prompt": built.prompt,
        "language": built.language,
        "sha256": built.sha256,
        "played_ms": played_ms,
        "full_ms": built.full_ms,
        "key": key,
        "complete": played_ms >= built.full_ms or key is not None,
    }


def test_receipts_that_tell_what_was_heard(short: tuple[Built, ...]) -> None:
    notice, menu, layer2 = (named(short, key, "pl") for key in ("L1", "MENU_OPTION", "L2"))
    line = Line()
    line.play(notice.sound)
    line.play(menu.sound, 140)  # too short to be recognised
    line.play(menu.sound, 500)
    line.play(layer2.sound, 900)
    told = [receipt(notice, notice.full_ms), receipt(menu, 140, "0"), receipt(menu, 500, "9"), receipt(layer2, 900)]
    assert differences(told, recognise(line.packets, short)) == []


@pytest.mark.parametrize(
    "lie",
    ["too much", "too little", "complete", "another prompt", "never heard", "no receipt", "one too many"],
)
def test_a_receipt_that_lies_is_found_out(short: tuple[Built, ...], lie: str) -> None:
    notice, menu = named(short, "L1", "pl"), named(short, "MENU_OPTION", "pl")
    line = Line()
    if lie != "never heard":
        line.play(notice.sound, notice.full_ms - 300)
    line.play(menu.sound)
    played = notice.full_ms - 300 if lie != "too much" else notice.full_ms
    told = [receipt(notice, played), receipt(menu, menu.full_ms)]
    match lie:
        case "too little":
            told[1] = receipt(menu, menu.full_ms - 200, "1")
        case "complete":
            told[0]["complete"] = True
        case "another prompt":
            told[0]["sha256"] = named(short, "SHORT", "pl").sha256
        case "no receipt":
            del told[0]
        case "one too many":
            told.append(receipt(menu, menu.full_ms))
        case _:
            pass
    assert differences(told, recognise(line.packets, short)) != []


def test_nothing_heard(short: tuple[Built, ...]) -> None:
    assert recognise([], short) == []
    line = Line()
    line.silence(60)
    assert recognise(line.packets, short) == []


def test_a_passage_knows_when_it_was_heard(short: tuple[Built, ...]) -> None:
    one, other = named(short, "L1", "pl"), named(short, "L2", "pl")
    line = Line()
    line.play(one.sound)
    line.pause(1_000)
    line.play(other.sound)
    first, second = recognise(line.packets, short)
    assert first.began == pytest.approx(100.0)
    assert second.began - first.ended == pytest.approx(1.0, abs=0.05)
    assert second.ended - second.began == pytest.approx(other.full_ms / 1000, abs=0.05)


def test_a_new_source_goes_on_where_the_old_one_ended(short: tuple[Built, ...]) -> None:
    one, other = named(short, "L1", "pl"), named(short, "L2", "pl")
    line, after = Line(), Line()
    line.play(one.sound)
    after.play(other.sound)
    joined = [*line.packets, *(packet._replace(source=8, at=packet.at + 60.0) for packet in after.packets)]
    found = passages(stream_of(joined), short)
    assert [passage.built for passage in found] == [one, other]
    assert all(early.ended <= late.ended for early, late in pairwise(found))
