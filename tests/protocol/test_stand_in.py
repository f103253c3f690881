"""The stand-in script itself, as a process whose Asterisk is a peer of ours: it says bad things, or goes away."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "asterisk-config/agi-bin/oddzwon-stand-in"
PATIENCE_S = 20.0
NUMBER = "+48600100200"
UNIQUEID = "lab-127.0.0-1795300133.15"
HEADERS = {"From": f'"Jan" <sip:{NUMBER}@carrier>;tag=x', "Privacy": "", "Diversion": "", "History-Info": ""}


@dataclass(slots=True)
class Asterisk:
    """The other end of the script's pipes. ``values`` answers GET VARIABLE and GET FULL VARIABLE by the name in it."""

    process: subprocess.Popen[bytes]
    values: dict[str, str]

    def command(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().rstrip("\n")

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def answer_until(self, word: str) -> str:
        """Answer what is asked; returns the first command that begins with ``word``; '' at the script's end."""
        while command := self.command():
            if command.startswith(word):
                return command
            if command.startswith("SET VARIABLE"):
                self.say("200 result=1")
                continue
            assert command.startswith(("GET VARIABLE", "GET FULL VARIABLE")), command
            self.say(f"200 result=1 ({self.value(command)})")
        return ""

    def value(self, command: str) -> str:
        return next((value for name, value in self.values.items() if name in command), "")

    def hang_up(self) -> None:
        """Close the pipe, as Asterisk does with AGIEXITONHANGUP=yes."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def ended(self) -> int:
        """The script's exit status; raises TimeoutExpired if it outlives its call."""
        return self.process.wait(PATIENCE_S)


@contextmanager
def script(folder: Path, *arguments: str, headers: Mapping[str, str] = HEADERS) -> Iterator[Asterisk]:
    prompts = folder / "prompts"
    (prompts / "pl").mkdir(parents=True)
    (prompts / "pl/STATIC.wav").write_bytes(b"RIFF")
    spool = folder / "spool"
    spool.mkdir(exist_ok=True)
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, SCRIPT, *arguments], stdin=pipe, stdout=pipe, stderr=pipe)
    watchdog = threading.Timer(PATIENCE_S, process.kill)
    watchdog.start()
    values = {f"PJSIP_HEADER(read,{name})": value for name, value in headers.items()}
    values |= {
        "ODDZWON_SPOOL": str(spool),
        "ODDZWON_PROMPTS": str(prompts),
        "ODDZWON_LANGUAGE": "pl",
        "ODDZWON_DID": "+48221234567",
        "ODDZWON_QUEUE": "support",
        "CALLERID(num-pres)": "allowed_not_screened",
        "CALLERID(num)": NUMBER,
        "CHANNEL(linkedid)": UNIQUEID,
        "CHANNEL(hangupsource)": "PJSIP/carrier-1",
        "HANGUPCAUSE": "38",
    }
    asterisk = Asterisk(process, values)
    try:
        assert process.stdin is not None
        for line in (f"agi_uniqueid: {UNIQUEID}", "agi_channel: PJSIP/carrier-1", "agi_callerid: \udcff", ""):
            process.stdin.write(line.encode("utf-8", "surrogateescape") + b"\n")
        process.stdin.flush()
        yield asterisk
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            with suppress(BrokenPipeError):  # what it no longer reads
                assert stream is not None
                stream.close()


def spooled(folder: Path) -> dict[str, Any]:
    (file,) = (folder / "spool").iterdir()
    assert file.stat().st_mode & 0o777 == 0o640
    held: dict[str, Any] = json.loads(file.read_text())
    return held


def test_a_call_that_hears_the_notice(tmp_path: Path) -> None:
    with script(tmp_path, "call") as asterisk:
        play = asterisk.answer_until("STREAM FILE")
        assert play == f'STREAM FILE "{tmp_path}/prompts/pl/STATIC" ""'
        assert spooled(tmp_path)["notice"] is None, "it is written down before it is served"
        asterisk.say("200 result=0 endpos=16000")
        told = asterisk.answer_until("SET VARIABLE")
        asterisk.say("200 result=1")
        assert told == 'SET VARIABLE "ODDZWON_TOLD" "1"'
        assert asterisk.ended() == 0
    held = spooled(tmp_path)
    assert (held["number"], held["from"], held["diverted"]) == (NUMBER, "shown", False)
    assert (held["notice"]["samples"], held["notice"]["rate"], held["notice"]["finished"]) == (16_000, 8_000, True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CALLERID(num-pres)", "prohib_not_screened"),
        ("PJSIP_HEADER(read,Privacy)", "id"),
        ("PJSIP_HEADER(read,Privacy,2)", "id"),
        ("PJSIP_HEADER(read,Privacy,3)", "user;header"),
        ("PJSIP_HEADER(read,Remote-Party-ID)", f"<sip:{NUMBER}@x>;party=calling;privacy=full"),
        ("PJSIP_HEADER(read,Remote-Party-ID,2)", f"<sip:{NUMBER}@x>; Privacy = uri"),
        ("PJSIP_HEADER(read,From)", "<sip:restricted@carrier.example>"),
        ("PJSIP_HEADER(read,From)", '"Unavailable" <sip:unavailable@unknown.invalid>'),
        ("PJSIP_HEADER(read,From)", '"Anonymous" <sip:anonymous@anonymous.invalid>'),
        ("PJSIP_HEADER(read,From)", ""),
        ("PJSIP_HEADER(read,Diversion)", "<sip:+48600100999@x>"),
        ("PJSIP_HEADER(read,History-Info)", "<sip:+48600100999@x>"),
        ("REDIRECTING(from-num)", "+48600100999"),
    ],
)
def test_a_number_that_is_not_his_to_be_kept(tmp_path: Path, name: str, value: str) -> None:
    with script(tmp_path, "call") as asterisk:
        asterisk.values = {name: value} | {k: v for k, v in asterisk.values.items() if k != name}
        asterisk.answer_until("STREAM FILE")
    assert spooled(tmp_path)["number"] is None
    assert "600100" not in json.dumps(spooled(tmp_path))


def test_a_number_that_he_shows_by_every_header(tmp_path: Path) -> None:
    with script(tmp_path, "call") as asterisk:
        asterisk.values["PJSIP_HEADER(read,Privacy)"] = "none"
        asterisk.values["PJSIP_HEADER(read,Remote-Party-ID)"] = f"<sip:{NUMBER}@x>;party=calling;privacy=off"
        asterisk.answer_until("STREAM FILE")
    assert spooled(tmp_path)["number"] == NUMBER


def test_what_stands_in_a_header_goes_nowhere_else(tmp_path: Path) -> None:
    """Neither to the log of Asterisk nor to its console."""
    with script(tmp_path, "call") as asterisk:
        asterisk.answer_until("STREAM FILE")
        asterisk.hang_up()
        asterisk.ended()
        assert asterisk.process.stderr is not None
        complaint = (asterisk.process.stderr.read()).decode()
    assert NUMBER not in complaint
    assert complaint.count("\n") <= 1


@pytest.mark.parametrize("line", ["HANGUP", "", "garbage", "520-Invalid", "510 no", "200 result=-1 endpos=4000"])
def test_asterisk_breaks_off_in_the_notice(tmp_path: Path, line: str) -> None:
    """The caller hangs up, or Asterisk says something odd and is gone: the script ends, the call is written down."""
    with script(tmp_path, "call") as asterisk:
        asterisk.answer_until("STREAM FILE")
        if line:
            asterisk.say(line)
        asterisk.hang_up()
        assert asterisk.ended() in (0, 1)
    assert spooled(tmp_path)["number"] == NUMBER


def test_a_hang_up_in_the_notice_is_not_taken_for_its_end(tmp_path: Path) -> None:
    """Asterisk may tell of it with the length of the whole file: no more was played than the time that passed."""
    with script(tmp_path, "call") as asterisk:
        asterisk.answer_until("STREAM FILE")
        asterisk.say("200 result=-1 endpos=160000")
        asterisk.ended()
    notice = spooled(tmp_path)["notice"]
    assert notice["finished"] is False
    assert notice["samples"] < 80_000


@pytest.mark.parametrize("after", range(4))
def test_asterisk_is_gone_before_the_call_is_known(tmp_path: Path, after: int) -> None:
    with script(tmp_path, "call") as asterisk:
        for _ in range(after):
            asterisk.say(f"200 result=1 ({asterisk.value(asterisk.command())})")
        asterisk.hang_up()
        assert asterisk.ended() == 1
    assert list((tmp_path / "spool").iterdir()) == []


def test_the_spool_cannot_be_written(tmp_path: Path) -> None:
    """The notice is said all the same."""
    with script(tmp_path, "call") as asterisk:
        asterisk.values["ODDZWON_SPOOL"] = str(tmp_path / "none")
        asterisk.answer_until("STREAM FILE")
        asterisk.say("200 result=0 endpos=16000")
        assert asterisk.answer_until("SET VARIABLE")


def test_the_notice_is_missing(tmp_path: Path) -> None:
    """The dialplan is not told that it was said."""
    with script(tmp_path, "call") as asterisk:
        (tmp_path / "prompts/pl/STATIC.wav").unlink()
        assert asterisk.answer_until("SET VARIABLE") == ""
        assert asterisk.ended() == 1


def test_a_leg_that_ended(tmp_path: Path) -> None:
    with script(tmp_path, "leg", "caller") as asterisk:
        asterisk.answer_until("nothing more")
        assert asterisk.ended() == 0
    held = spooled(tmp_path)
    assert (held["role"], held["cause"], held["source"], held["channel"]) == (
        "caller",
        38,
        "PJSIP/carrier-1",
        "PJSIP/carrier-1",
    )
