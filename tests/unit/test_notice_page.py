"""Layer 3: all that Art. 13 GDPR asks for, in every language, as HTML that everybody can read, with its history."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from babel import Locale
from typer.testing import CliRunner

from oddzwon.bootstrap.notice_texts import SHOWN
from oddzwon.bootstrap.notice_values import notice_values
from oddzwon.bootstrap.prompt_plan import prompt_plan
from oddzwon.cli import app
from oddzwon.config import ConfigError, Settings, load
from oddzwon.prompts.build import plan_of
from oddzwon.prompts.manifest import Edition, write_manifest
from oddzwon.prompts.texts import Language, PromptKey, placeholders
from oddzwon.web.errors import NoticeError
from oddzwon.web.folder import RECORD, FileState, WrittenFile, write_notice
from oddzwon.web.page import SECTIONS, article_of, style
from oddzwon.web.phrases import Phrases, read_texts

LAB = Path(__file__).resolve().parents[2] / "docker" / "lab.toml.in"
NOW = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
LANGUAGES = [language.value for language in Language]

ARTICLE_13 = {
    *("13(1)(a)", "13(1)(b)", "13(1)(c)", "13(1)(d)", "13(1)(e)", "13(1)(f)"),
    *("13(2)(a)", "13(2)(b)", "13(2)(c)", "13(2)(d)", "13(2)(e)", "13(2)(f)", "21(4)", "14(2)(f)"),
    *("15", "16", "17", "18", "20", "21"),
}


def settings_in(folder: Path, *changes: tuple[str, str]) -> Settings:
    """The lab's settings with each text replaced; one that is not there is the test's own mistake."""
    text = LAB.read_text(encoding="utf-8")
    for old, new in (("@LAB_NET@", "127.0.0"), ("@STATE@", str(folder)), ("@SHORT@", "false"), *changes):
        assert old in text, old
        text = text.replace(old, new)
    path = folder / "oddzwon.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def write(settings: Settings, out: Path, now: datetime = NOW) -> dict[str, WrittenFile]:
    return {one.name: one for one in write_notice(notice_values(settings), out, now)}


VOID = {"meta", "link", "br"}


@dataclass(slots=True)
class Element:
    tag: str
    attributes: dict[str, str]
    parents: tuple[str, ...]
    text: str = ""


@dataclass(slots=True)
class Document(HTMLParser):
    """A page taken apart; a tag that is not closed where it should be is an error, not mended as a browser would."""

    source: str
    elements: list[Element] = field(default_factory=list)
    open: list[Element] = field(default_factory=list)
    doctype: str = ""

    def __post_init__(self) -> None:
        HTMLParser.__init__(self, convert_charrefs=True)
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_decl(self, decl: str) -> None:
        self.doctype = decl

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), names
        element = Element(tag, {name: value or "" for name, value in attrs}, tuple(e.tag for e in self.open))
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data

    def all(self, *tags: str) -> list[Element]:
        return [element for element in self.elements if element.tag in tags]

    def by_id(self, name: str) -> Element:
        (found,) = [element for element in self.elements if element.attributes.get("id") == name]
        return found

    def words(self, name: str) -> str:
        return " ".join(self.by_id(name).text.split())


def document(path: Path) -> Document:
    return Document(path.read_text(encoding="utf-8"))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "www" / "notice"


@pytest.fixture
def written(tmp_path: Path, out: Path) -> Path:
    write(settings_in(tmp_path), out)
    return out


# --- what the law asks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_everything_that_article_13_asks_for(written: Path, language: str) -> None:
    page = document(written / f"{language}.html")
    said = {}
    for element in page.elements:
        for article in element.attributes.get("data-art", "").split():
            said[article] = " ".join(element.text.split())
    assert set(said) == ARTICLE_13 | {"14(1)(d)"}
    assert [article for article, words in said.items() if len(words) < 15] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_operators_own_words_stand_where_they_belong(tmp_path: Path, written: Path, language: str) -> None:
    page, settings = document(written / f"{language}.html"), settings_in(tmp_path)
    (values,) = [page for page in notice_values(settings) if page.language == language]
    for section, words in [
        ("controller", values.controller),
        ("controller", values.contact),
        ("dpo", values.dpo),
        ("recipients", values.recipients),
        ("complaint", values.authority),
        ("rights", values.contact),
        ("objection", values.contact),
    ]:
        assert words.text in page.words(section), section
    assert Phrases(Language(language)).period(values.call_retention) in page.words("retention")
    assert "+48\u00a022\u00a0123\u00a045\u00a067" in page.by_id("content").text


def test_the_right_to_object_stands_apart_and_names_every_way(written: Path) -> None:
    """Art. 21(4) GDPR: explicitly, clearly, and separately from any other information."""
    objection = document(written / "en.html").words("objection")
    for way in ("press 8", "press 7", "(*#3)", "1 Prosta Street"):
        assert way in objection
    assert "Article 20" not in objection


def test_callbacks_are_explained_by_the_rules_that_are_set(tmp_path: Path, out: Path) -> None:
    write(settings_in(tmp_path), out)
    rules = document(out / "en.html").words("callback")
    assert "switched off" not in rules
    for words in ("at most 2 minutes after", "15 minutes after it", "at most 2 times", "waiting in the queue"):
        assert words in rules
    assert "European Economic Area; United Kingdom" in rules
    changed = settings_in(
        tmp_path,
        ('balancing_test = { id = "LAB-CB", date = 2026-01-15 }', 'policy = "strict"\nmax_dials = 1\nlapse_s = 90.0'),
        ('countries = ["EU_EEA", "GB"]', 'countries = ["CH"]'),
    )
    write(changed, out)
    rules = document(out / "en.html").words("callback")
    for words in (
        "switched off at present",
        "only once",
        "being put through, or talking",
        "90 seconds",
        ": Switzerland.",
    ):
        assert words in rules
    assert "waiting in the queue" not in rules
    assert "European" not in rules


def test_each_numbers_recordings_follow_its_jurisdiction(written: Path) -> None:
    """legal.md section F: where the preset is de, recording is asked for; where the law lets it, it is announced."""
    page = document(written / "en.html")
    first, second = [table.text for table in page.all("table")[1:]]
    assert "+48" in first
    assert "+49" in second
    assert "Article 6(1)(f) GDPR: our legitimate interest, which is: quality of service" in first
    assert "Article 6(1)(b) GDPR" in first
    assert "If you press 7" in first
    assert "our shop, or by post" in first
    assert "3 years" in first
    assert second.count("Article 6(1)(a) GDPR: your consent") == 2
    assert "legitimate interest" not in second
    assert "withdraw your consent to a recording at any time" in page.words("consent")


def test_where_nothing_is_recorded_the_page_says_so_and_speaks_of_no_consent(tmp_path: Path, out: Path) -> None:
    write(settings_in(tmp_path, ("[recording]\nenabled = true", "[recording]\nenabled = false")), out)
    page = document(out / "en.html")
    assert page.words("recordings") == "Recordings We do not record calls."
    assert "none to withdraw" in page.words("consent")
    assert "(*#3)" not in page.by_id("content").text
    assert len(page.all("table")) == 1


def test_a_contract_segment_has_its_own_row(tmp_path: Path, out: Path) -> None:
    segment = (
        '\n[recording.contract]\nreference = "ORD"\npurpose = "orders"\nother_channel = "by post"\nbasis = "contract"\n'
    )
    settings = settings_in(tmp_path, ("\n[callbacks]", f"{segment}retention_days = 730\n\n[callbacks]"))
    write(settings, out)
    rows = [" ".join(row.text.split()) for row in document(out / "en.html").all("tr")]
    segments = [row for row in rows if "contract is made, after any choice" in row]
    assert len(segments) == 2
    assert "2 years" in segments[0]
    assert "by post" in segments[0]
    assert "your consent" in segments[1]


def test_a_transfer_to_a_third_country_is_said_once_it_is_set(tmp_path: Path, out: Path) -> None:
    write(
        settings_in(tmp_path, ("call_retention_days", 'transfers = "Our host is in Japan."\ncall_retention_days')), out
    )
    assert document(out / "de.html").words("transfers").endswith("Our host is in Japan.")


# --- the page and the ear ---------------------------------------------------------------------------------------


def test_the_page_shows_the_announcements_that_are_spoken_with_the_versions_of_their_receipts(
    tmp_path: Path, written: Path
) -> None:
    planned = [text for text in plan_of(prompt_plan(settings_in(tmp_path))) if text.key in SHOWN]
    assert {text.key for text in planned} == set(SHOWN) - {PromptKey.CALLBACK}
    for text in planned:
        spoken = document(written / f"{text.language}.html").words("spoken")
        assert text.text in spoken
        assert text.version in spoken
    for language, name in (("pl", "Oddzwoń Lab"), ("en", "Oddzwon Lab")):
        greeting = document(written / f"{language}.html").words("spoken")
        assert str(Phrases(Language(language))("spoken_time")) in greeting
        assert greeting.count(name) >= 4


def edition(text: str, built_at: str, *, current: bool, language: str = "pl") -> Edition:
    sha = hashlib.sha256(text.encode()).hexdigest()
    return Edition(
        key="L1",
        variant=None,
        language=language,
        version=sha[:12],
        text=text,
        text_sha256=sha,
        spoken=text,
        stem=f"{language}/L1-{sha[:12]}",
        sha256=sha,
        wide_sha256=sha,
        frames=8000,
        duration_ms=1000,
        engine="espeak",
        recipe=sha,
        built_at=built_at,
        current=current,
    )


def test_what_callers_heard_before_stays_on_the_page_with_its_time(tmp_path: Path, out: Path) -> None:
    settings = settings_in(tmp_path)
    settings.prompts.directory.mkdir()
    editions = [
        edition("Pierwsza zapowiedź.", "2026-01-05T10:00:00.000Z", current=False),
        edition("Druga zapowiedź.", "2026-03-01T10:00:00.000Z", current=False),
        edition("Druga zapowiedź.", "2026-03-02T10:00:00.000Z", current=False),
        edition("Trzecia zapowiedź.", "2026-06-01T10:00:00.000Z", current=True),
        edition("First announcement.", "2026-01-01T10:00:00.000Z", current=False, language="en"),
    ]
    write_manifest(settings.prompts.directory, editions)
    write(settings, out)
    earlier = document(out / "pl.html").words("earlier")
    assert earlier.count("Druga zapowiedź.") == 1
    assert "Trzecia" not in earlier
    assert "First" not in earlier
    assert f"Wersja {editions[0].version}, od: 5 stycznia 2026, 10:00 UTC, do: 1 marca 2026, 10:00 UTC" in earlier
    assert f"Wersja {editions[1].version}, od: 1 marca 2026, 10:00 UTC, do: 1 czerwca 2026, 10:00 UTC" in earlier
    assert earlier.index("Druga") < earlier.index("Pierwsza")


# --- everybody can read it --------------------------------------------------------------------------------------


def pages(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.rglob("*.html"))


def test_every_page_is_well_formed_and_has_its_landmarks(written: Path) -> None:
    assert len(list(pages(written))) == 9
    for path in pages(written):
        page = document(path)
        assert page.doctype == "DOCTYPE html"
        (html,), (h1,), (title,) = page.all("html"), page.all("h1"), page.all("title")
        assert html.attributes["lang"] in LANGUAGES
        assert h1.text.strip()
        assert title.text.strip()
        assert len(page.all("main")) == 1
        levels = [int(heading.tag[1]) for heading in page.all("h1", "h2", "h3", "h4")]
        assert levels[0] == 1
        assert all(after <= before + 1 for before, after in pairwise(levels)), path
        identities = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
        assert len(set(identities)) == len(identities)
        assert all(nav.attributes["aria-label"].strip() for nav in page.all("nav"))
        for element in page.elements:
            for name in element.attributes.get("aria-labelledby", "").split():
                assert page.by_id(name).text.strip()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_is_in_its_language_and_leads_to_the_others(written: Path, language: str) -> None:
    page = document(written / f"{language}.html")
    (html,) = page.all("html")
    assert html.attributes["lang"] == language
    languages, contents = page.all("nav")
    assert "header" in languages.parents
    links = [a for a in page.all("a") if a.attributes.get("hreflang")]
    assert [a.attributes["href"] for a in links] == [f"{code}.html" for code in LANGUAGES]
    assert all(a.attributes["lang"] == a.attributes["hreflang"] for a in links)
    assert [a.attributes["hreflang"] for a in links if a.attributes.get("aria-current") == "page"] == [language]
    first = page.all("a")[0]
    assert first.attributes == {"class": "skip", "href": "#content"}
    assert page.by_id("content").tag == "main"
    texts = Phrases(Language(language))
    assert contents.text.split("\n")[2].strip() == str(texts("controller_h"))
    for section in SECTIONS:
        assert page.words(section).startswith(str(texts(f"{section}_h")))


def test_tables_tell_what_their_cells_belong_to(written: Path) -> None:
    for path in pages(written):
        page = document(path)
        assert len(page.all("caption")) == len(page.all("table"))
        assert all(caption.text.strip() for caption in page.all("caption"))
        assert {cell.attributes["scope"] for cell in page.all("th")} <= {"col", "row"}


def test_nothing_is_loaded_from_elsewhere_and_every_link_leads_somewhere(written: Path) -> None:
    for path in pages(written):
        page = document(path)
        assert page.all("script", "style", "img", "iframe", "form", "object", "base") == []
        for element in page.elements:
            assert not {"style", "src", "srcset"} & set(element.attributes)
            assert not any(name.startswith("on") for name in element.attributes)
            target = element.attributes.get("href")
            if target is None:
                continue
            file, _, anchor = target.partition("#")
            assert not re.match(r"[a-z]+:|//|/", file)
            assert not file or (path.parent / file).is_file(), f"{path.name}: {target}"
            assert not anchor or page.by_id(anchor)
    assert not re.search(r"url\(|@import|//", (written / "notice.css").read_text(encoding="utf-8"))


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_text_stands_out_in_light_in_dark_and_on_paper() -> None:
    """WCAG 2.2, 1.4.3: 4.5 for text; 1.4.11: 3 for the lines of a table."""
    schemes = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))
        for block in re.findall(r":root \{(.*?)\}", style(), re.DOTALL)
    ]
    assert len(schemes) == 3
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    for scheme in schemes:
        for ground in ("paper", "box"):
            for ink in ("ink", "quiet", "link"):
                assert contrast(scheme[ink], scheme[ground]) >= 4.5, (ink, ground)
            assert contrast(scheme["line"], scheme[ground]) >= 3
    used = set(re.findall(r"(?:color|background|outline|border[a-z-]*): [^;]*var\(--(\w+)\)", style()))
    assert used == set(schemes[0])


def test_the_operators_words_cannot_become_markup(tmp_path: Path, out: Path) -> None:
    evil = """<script>alert(1)</script> & "Co" 'o' {URL} </title>"""
    settings = settings_in(tmp_path)
    said = dict.fromkeys(("name", "url", "contact", "dpo", "recipients", "authority", "transfers"), evil)
    keys = {key: {"pl": evil} for key in ("label", "purpose", "basis", "other_channel")}
    options = tuple(option.model_copy(update=keys) for option in settings.menu.options)
    changed = settings.model_copy(
        update={
            "controller": settings.controller.model_copy(update=said),
            "menu": settings.menu.model_copy(update={"options": options}),
        }
    )
    write(changed, out)
    for path in pages(out):
        source, page = path.read_text(encoding="utf-8"), document(path)
        assert page.all("script") == []
        assert "<script" not in source
        assert evil in page.all("title")[0].text
        assert path.name == "index.html" or page.all("main")[0].text.count(evil) >= 20


def test_words_of_another_language_are_marked(tmp_path: Path, out: Path) -> None:
    """WCAG 2.2, 3.1.2: a screen reader has to pronounce them."""
    given = re.search(r"dpo = \{.*\}", LAB.read_text(encoding="utf-8"))
    assert given
    write(settings_in(tmp_path, (given[0], 'dpo = { pl = "inspektor" }')), out)
    assert [e.text for e in document(out / "de.html").all("span") if e.attributes.get("lang") == "pl"] == ["inspektor"]
    assert document(out / "pl.html").all("span") == []


# --- the history ------------------------------------------------------------------------------------------------


def tree(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns, p.stat().st_ino) for p in files}


def test_a_run_without_a_change_touches_no_file(tmp_path: Path, out: Path) -> None:
    settings = settings_in(tmp_path)
    first = write(settings, out)
    before = tree(out)
    assert {one.state for one in first.values()} == {FileState.NEW}
    second = write(settings, out, NOW + timedelta(days=3))
    assert tree(out) == before
    assert {one.state for one in second.values()} == {FileState.UNCHANGED}
    assert set(before) == {*first, RECORD}


CHANGED = ('pl = "inspektor, telefon w centrali"', 'pl = "inspektor, pokój 7"')


def test_another_wording_is_another_edition_and_the_old_one_stays(tmp_path: Path, out: Path) -> None:
    first = write(settings_in(tmp_path), out)
    kept = f"history/pl-{first['pl.html'].version}.html"
    before = (out / kept).read_bytes()
    later = NOW + timedelta(days=40)
    second = write(settings_in(tmp_path, CHANGED), out, later)
    assert second["pl.html"].version != first["pl.html"].version
    assert second["en.html"] == replace(first["en.html"], state=FileState.UNCHANGED)
    assert (out / kept).read_bytes() == before
    assert "pokój 7" not in before.decode()
    page = document(out / "pl.html")
    assert (
        f"Wersja {second['pl.html'].version}, obowiązuje od: 1 stycznia 2027, 08:30 UTC." in page.by_id("content").text
    )
    earlier = page.words("earlier")
    assert f"Wersja {first['pl.html'].version}: od: 22 listopada 2026, 08:30 UTC, do: 1 stycznia 2027" in earlier
    assert kept in [a.attributes["href"] for a in page.all("a")]
    assert "1 stycznia 2027" not in (out / kept).read_text(encoding="utf-8")


def test_a_wording_that_comes_back_is_in_force_again(tmp_path: Path, out: Path) -> None:
    first = write(settings_in(tmp_path), out)
    write(settings_in(tmp_path, CHANGED), out, NOW + timedelta(days=1))
    third = write(settings_in(tmp_path), out, NOW + timedelta(days=2))
    assert third["pl.html"].version == first["pl.html"].version
    record = json.loads((out / RECORD).read_text(encoding="utf-8"))
    mine = [
        (e["version"], e["since"][:10], e["until"] and e["until"][:10])
        for e in record["editions"]
        if e["language"] == "pl"
    ]
    assert [(since, until) for _, since, until in mine] == [
        ("2026-11-22", "2026-11-23"),
        ("2026-11-23", "2026-11-24"),
        ("2026-11-24", None),
    ]
    assert mine[0][0] == mine[2][0]
    assert len(list((out / "history").glob("pl-*.html"))) == 2


def test_a_language_that_is_served_no_more_leaves_its_history(tmp_path: Path, out: Path) -> None:
    first = write(settings_in(tmp_path), out)
    did = '[[dids]]\nnumber = "+442071234567"\nlanguage = "en"\npreset = "eu"\n'
    second = write(settings_in(tmp_path, (did, "")), out, NOW + timedelta(days=1))
    assert second["en.html"].state is FileState.REMOVED
    assert not (out / "en.html").exists()
    kept = f"history/en-{first['en.html'].version}.html"
    assert (out / kept).is_file()
    assert kept in [a.attributes["href"] for a in document(out / "index.html").all("a")]
    assert "en.html" not in write(settings_in(tmp_path, (did, "")), out, NOW + timedelta(days=2))


def test_the_version_is_of_the_words_alone(tmp_path: Path) -> None:
    values = notice_values(settings_in(tmp_path))
    version = article_of(values[0]).version
    assert re.fullmatch(r"[0-9a-f]{12}", version)
    assert article_of(replace(values[0], earlier=())).version == version
    assert article_of(replace(values[0], url="elsewhere.example")).version != version


def test_an_interrupted_run_is_finished_by_the_next(tmp_path: Path, out: Path) -> None:
    settings = settings_in(tmp_path)
    write(settings, out)
    whole = {name: content for name, (content, _, _) in tree(out).items()}
    for name in whole:
        if name != RECORD:  # it is written first
            (out / name).unlink()
    (out / ".oddzwon-half").write_text("<p>", encoding="utf-8")
    write(settings, out, NOW + timedelta(minutes=5))
    assert {name: content for name, (content, _, _) in tree(out).items()} == whole


# --- the folder -------------------------------------------------------------------------------------------------


def test_a_web_server_may_read_it_whatever_the_umask(tmp_path: Path, out: Path) -> None:
    before = os.umask(0o077)
    try:
        write(settings_in(tmp_path), out)
    finally:
        os.umask(before)
    for path in (out, *out.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644), path


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "www"
    other.mkdir()
    (other / "index.html").write_text("theirs", encoding="utf-8")
    with pytest.raises(NoticeError, match=r"www holds files and no editions\.json.*nothing was written"):
        write(settings_in(tmp_path), other)
    assert [path.name for path in other.iterdir()] == ["index.html"]
    assert (other / "index.html").read_text(encoding="utf-8") == "theirs"
    with pytest.raises(NoticeError, match="is no folder"):
        write(settings_in(tmp_path), other / "index.html")


@pytest.mark.parametrize(
    "damage",
    ["{", "[]", '{"made_by": "oddzwon notice", "format": 2, "editions": []}', '{"made_by": "x", "format": 1}']
    + [
        json.dumps({"made_by": "oddzwon notice", "format": 1, "editions": [bad]})
        for bad in (
            {"language": "pl"},
            {"language": "xx", "version": "a", "since": "2026-01-01T00:00:00+00:00", "until": None},
            {"language": "pl", "version": "../a", "since": "2026-01-01T00:00:00+00:00", "until": None},
            {"language": "pl", "version": "a", "since": "2026-01-01T00:00:00", "until": None},
        )
    ],
)
def test_a_damaged_record_is_told_and_nothing_is_written(tmp_path: Path, written: Path, damage: str) -> None:
    (written / RECORD).write_text(damage, encoding="utf-8")
    before = tree(written)
    with pytest.raises(NoticeError, match=re.escape(str(written / RECORD))):
        write(settings_in(tmp_path, CHANGED), written)
    assert tree(written) == before


def test_two_runs_at_once_do_not_mix(tmp_path: Path, written: Path) -> None:
    other = os.open(written, os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(NoticeError, match="another `oddzwon notice` is at work"):
            write(settings_in(tmp_path, CHANGED), written)
    finally:
        os.close(other)
    assert write(settings_in(tmp_path, CHANGED), written)["pl.html"].state is FileState.CHANGED


def test_files_beside_ours_are_not_touched(tmp_path: Path, written: Path) -> None:
    (written / "logo.svg").write_text("theirs", encoding="utf-8")
    write(settings_in(tmp_path, CHANGED), written)
    assert (written / "logo.svg").read_text(encoding="utf-8") == "theirs"


# --- values that are missing ------------------------------------------------------------------------------------


def test_what_is_missing_is_named_all_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    settings = settings_in(
        tmp_path,
        ('cs = "pověřenec, telefon ústředny"', 'cs = " "'),
        ('url = "lab.example/dane"', 'url = ""'),
        ('pl = "sklep lub poczta"', 'pl = ""'),
        ('de = "Hilfe"', 'de = ""'),
    )
    with pytest.raises(ConfigError) as raised:
        notice_values(settings)
    message = str(raised.value)
    for words in (
        "controller.url",
        "controller.dpo: nothing is set for cs. How to reach the data-protection officer. For example: iod@przyklad.pl",
        "menu.options, key 2.other_channel: nothing is set for pl",
        "menu.options, key 1.label: nothing is set for de",
    ):
        assert words in message
    assert message.count("\n") == 4


def test_a_recording_that_a_law_demands_names_that_law(tmp_path: Path, out: Path) -> None:
    as_law = ('regime = "contract"', 'regime = "legal"')
    with pytest.raises(ConfigError, match=r"menu\.options, key 2\.basis: nothing is set for en"):
        notice_values(settings_in(tmp_path, as_law, ('en = "contract"', 'en = ""')))
    write(settings_in(tmp_path, as_law, ('en = "contract"', 'en = "MiFID II"')), out)
    page = document(out / "en.html")
    assert "Article 6(1)(c) GDPR: a legal obligation of ours: MiFID II" in page.words("recordings")
    assert "not subject to the right to object" in page.words("objection")


def test_the_basis_is_that_of_each_number_and_not_of_the_language(written: Path) -> None:
    """The lab's German words for it are "Einwilligung"; on its Polish number the same key is announced."""
    announced, asked = document(written / "de.html").all("table")[1:]
    assert "+48" in announced.text
    assert "Einwilligung" not in announced.text
    assert asked.text.count("Einwilligung") == 2


# --- the words --------------------------------------------------------------------------------------------------


def open_places(text: Any) -> set[str]:
    forms = [text] if isinstance(text, str) else text.values()
    return {name for form in forms for name in placeholders(form)}


def test_every_language_has_the_same_phrases_with_the_same_values() -> None:
    texts = {language: read_texts(language) for language in Language}
    english = texts[Language.EN]
    for language, phrases in texts.items():
        assert list(phrases) == list(english), language
        for name, text in phrases.items():
            assert open_places(text) == open_places(english[name]), f"{language} {name}"
            if not isinstance(text, str):
                assert set(text) == set(Locale.parse(language.value).plural_form.tags) | {"other"}, f"{language} {name}"


def test_every_phrase_is_used() -> None:
    rooms = [LAB.parents[1] / "src" / "oddzwon" / room for room in ("web", "bootstrap")]
    files = [path for room in rooms for path in room.rglob("*") if path.suffix in {".j2", ".py"}]
    source = "\n".join(path.read_text(encoding="utf-8") for path in files)
    source += " ".join(f"{section}_h" for section in SECTIONS) + " ".join(f"spoken_{key}" for key in SHOWN)
    source += " ".join(
        f"how_{way} basis_{way}" for way in ("consent", "object", "announce", "quality", "contract", "legal")
    )
    source += " ".join(
        f"{word}_{purpose}" for word in ("purpose", "basis") for purpose in ("call", "callback", "proof")
    )
    assert [name for name in read_texts(Language.EN) if name not in source] == []


@pytest.mark.parametrize(
    ("language", "dials", "seconds", "words"),
    [
        ("pl", 1, 120, "2 minuty"),
        ("pl", 2, 900, "15 minut"),
        ("cs", 3, 180, "3 minuty"),
        ("cs", 2, 60, "60 sekund"),
        ("de", 2, 120, "2 Minuten"),
        ("en", 3, 90.5, "90.5 seconds"),
    ],
)
def test_numbers_are_written_as_a_person_would(language: str, dials: int, seconds: float, words: str) -> None:
    phrases = Phrases(Language(language))
    assert phrases.duration(seconds) == words
    assert ("{" in phrases.counted("rule_dials", dials)) is False
    assert (str(dials) in phrases.counted("rule_dials", dials)) is (dials > 1)


def test_a_name_that_ends_in_a_full_stop_brings_no_second_one() -> None:
    assert Phrases(Language.PL)("recipients", RECIPIENTS="Łącze sp. z o.o.") == "Odbiorcy danych: Łącze sp. z o.o."


# --- the command ------------------------------------------------------------------------------------------------


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["--config", str(folder / "oddzwon.toml"), "notice", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_lists_what_it_wrote_and_what_is_not_spoken_yet(tmp_path: Path, out: Path) -> None:
    settings_in(tmp_path)
    status, stdout, _ = run(tmp_path, "--out", str(out), "--json")
    told = json.loads(stdout)
    assert status == 0
    assert {one["file"] for one in told["files"]} >= {
        "index.html",
        "notice.css",
        *(f"{code}.html" for code in LANGUAGES),
    }
    assert {one["state"] for one in told["files"]} == {"new"}
    assert "pl L1" in told["not_spoken"]
    status, stdout, stderr = run(tmp_path, "--out", str(out))
    assert status == 0
    assert "unchanged" in stdout
    assert "run `oddzwon prompts build`" in " ".join(stderr.split())


def test_the_command_refuses_with_a_message(tmp_path: Path) -> None:
    settings_in(tmp_path)
    status, stdout, _ = run(tmp_path, "--out", str(tmp_path), "--json")
    assert status == 1
    assert "name an empty folder" in json.loads(stdout)["error"]
