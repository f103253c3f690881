"""Layer 3 as HTML: what Articles 13 and 14 GDPR ask for, from the same values as the announcements.

The words of a page decide its version, not its dates, its markup or its style: who compares two editions compares what
they say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from oddzwon.domain.recording import Regime
from oddzwon.prompts.texts import Language, PromptKey
from oddzwon.web.phrases import Phrases
from oddzwon.web.values import NoticeValues, RecordingRow, Way

STYLE: Final = "notice.css"
INDEX: Final = "index.html"
HISTORY: Final = "history"

SECTIONS: Final = (
    *("controller", "dpo", "objection", "data", "purposes", "callback", "recordings", "retention", "recipients"),
    *("transfers", "rights", "consent", "complaint", "voluntary", "automated", "spoken", "earlier"),
)
"""The sections of a page in their order: their ids, and the names of their headings (``…_h`` in the texts)."""

_HTML: Final = Environment(
    loader=PackageLoader("oddzwon.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


@dataclass(frozen=True, slots=True)
class Edition:
    """A page as it was in force; times in UTC, ``until`` None: still."""

    language: Language
    version: str
    since: datetime
    until: datetime | None = None

    @property
    def file(self) -> str:
        """Where it is kept."""
        return f"{HISTORY}/{self.language}-{self.version}.html"


@dataclass(frozen=True, slots=True)
class Article:
    """What a page says, without its dates, and the version of that: 12 digits of the SHA-256 of its words."""

    values: NoticeValues
    html: Markup
    version: str


def article_of(values: NoticeValues) -> Article:
    """The notice in one language."""
    rows = [row for group in values.recordings for row in group.rows]
    html = Markup(  # noqa: S704 - the template has escaped every value
        _HTML.get_template("article.html.j2").render(
            t=Phrases(values.language),
            values=values,
            consent=any(row.way is Way.CONSENT for row in rows),
            announced=any(row.way is Way.OBJECT for row in rows),
            contract_announced=any(row.regime is Regime.CONTRACT and row.way is Way.ANNOUNCE for row in rows),
            legal_announced=any(row.regime is Regime.LEGAL and row.way is Way.ANNOUNCE for row in rows),
            basis_of=basis_of,
            CALLBACK=PromptKey.CALLBACK,
        )
    )
    words = " ".join(html.striptags().split())
    return Article(values, html, hashlib.sha256(f"{values.language}\n{words}".encode()).hexdigest()[:12])


def basis_of(row: RecordingRow) -> str:
    """The phrase for a recording's legal basis (legal.md section C).

    It follows from regime and way, not from the operator's words for it: these are one for each language, while the
    same key is announced on one number and asked for on another.
    """
    return "basis_consent" if row.way is Way.CONSENT else f"basis_{row.regime}"


def page_of(article: Article, editions: Sequence[Edition], languages: Sequence[Language]) -> str:
    """The whole page; ``editions`` are those of its language, oldest first, the one in force last."""
    return _HTML.get_template("page.html.j2").render(
        t=Phrases(article.values.language),
        article=article,
        sections=SECTIONS,
        current=editions[-1],
        earlier=list(reversed(editions[:-1])),
        links=[(Phrases(language), f"{language}.html") for language in languages],
        root="",
    )


def kept_page(article: Article, edition: Edition, languages: Sequence[Language]) -> str:
    """The page as it is kept for ever: what it said, and since when."""
    return _HTML.get_template("kept.html.j2").render(
        t=Phrases(article.values.language),
        article=article,
        edition=edition,
        links=[(Phrases(language), f"../{language}.html") for language in languages],
        root="../",
    )


def index_page(articles: Sequence[Article], former: Sequence[Edition]) -> str:
    """Where a visitor chooses his language; ``former`` are the editions of languages that are served no more."""
    return _HTML.get_template("index.html.j2").render(
        pages=[(Phrases(article.values.language), article) for article in articles],
        former=[(Phrases(edition.language), edition) for edition in former],
        root="",
    )


def style() -> str:
    """The style sheet of every page."""
    return resources.files("oddzwon.web").joinpath("templates", STYLE).read_text(encoding="utf-8")
