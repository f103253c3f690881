"""The settings: their defaults, and for each kind of mistake the file, the key, what is wrong, and an example."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from oddzwon.bootstrap.choices import choices_from
from oddzwon.bootstrap.prompt_plan import prompt_plan
from oddzwon.config import ConfigError, config_path, in_language, load
from oddzwon.config_template import template


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "oddzwon.toml"
    path.write_text(template(), encoding="utf-8")
    return path


def change(path: Path, *changes: tuple[str, str]) -> Path:
    """The file with each text replaced once; a text that is not there is the test's own mistake."""
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text, encoding="utf-8")
    return path


def wrong(path: Path) -> str:
    with pytest.raises(ConfigError) as raised:
        load(path)
    return str(raised.value)


def test_defaults(path: Path) -> None:
    settings = load(path)
    assert (settings.ami.host, settings.ami.port, settings.ami.username) == ("127.0.0.1", 5038, "oddzwon")
    assert (settings.fastagi.host, settings.fastagi.port, settings.fastagi.max_sessions) == ("127.0.0.1", 4573, 500)
    callbacks = settings.callbacks
    assert (callbacks.grace_s, callbacks.first_dial_s, callbacks.lapse_s) == (3.0, 120.0, 900.0)
    assert (
        callbacks.max_dials,
        callbacks.gap_s,
        callbacks.ring_limit_s,
        callbacks.countries,
    ) == (2, 30.0, 25.0, ("EU_EEA",))
    assert settings.languages() == ("pl",)


def test_nothing_is_recorded_and_nobody_called_back_by_default(path: Path) -> None:
    """Data protection by default (Art. 25 GDPR)."""
    choices = choices_from(load(path))
    assert None is choices.recordings
    assert None is choices.policy.balancing_test
    assert not choices.agents_consented


MISTAKES: dict[str, tuple[tuple[tuple[str, str], ...], str, str]] = {
    # name: changes, key, what the message says
    "wrong type": ((("# port = 5038", 'port = "many"'),), "ami.port", r"integer.*'many'.*for example port = 5038"),
    "out of range": ((("# max_dials = 2", "max_dials = 9"),), "callbacks.max_dials", r"3.*9.*max_dials = 2"),
    "unknown key": ((("[fastagi]", "[fastagi]\nprot = 1"),), "fastagi.prot", r"not permitted"),
    "unknown section": ((("[fastagi]", "[agi]"),), "agi", r"not permitted"),
    "missing key": (
        (('trunk = "PJSIP/{number}@carrier"', ""),),
        "callbacks.trunk",
        r'required.*trunk = "PJSIP/{number}@carrier"',
    ),
    "not E.164": (
        (('number = "+48221234567"', 'number = "0221234567"'),),
        "dids.0.number",
        r'0221234567.*number = "\+48221234567"',
    ),
    "not E.164, a line end": (
        (('number = "+48221234567"', 'number = "+48221234567\\n"'),),
        "dids.0.number",
        r'number = "\+48221234567"',
    ),
    "a language that nobody speaks": ((('\nlanguage = "pl"', '\nlanguage = "xx"'),), "dids.0.language", r"'xx'"),
    "trunk without number": (
        (("PJSIP/{number}@carrier", "PJSIP/carrier"),),
        "callbacks.trunk",
        r"\{number\} once.*PJSIP/carrier",
    ),
    "trunk with the number twice": (
        (("PJSIP/{number}@carrier", "PJSIP/{number}@{number}"),),
        "callbacks.trunk",
        r"\{number\} once",
    ),
    "trunk that dials two": (
        (("PJSIP/{number}@carrier", "PJSIP/{number}@a&PJSIP/b"),),
        "callbacks.trunk",
        r"otherwise only",
    ),
    "the same DID twice": (
        (("[menu]", '[[dids]]\nnumber = "+48221234567"\nlanguage = "cs"\npreset = "cz"\n[menu]'),),
        "(whole file)",
        r"dids: the same number stands twice",
    ),
    "no secret": ((("secret_file =", "# secret_file ="),), "ami", r"either secret or secret_file"),
    "two secrets": ((('# secret = ""', 'secret = "hush-hush"'),), "ami", r"either secret or secret_file"),
    "a menu without its default": (
        (("# default_key", "default_key"), ('default_key = "1"', 'default_key = "2"')),
        "menu",
        r"default_key 2 is no option's key",
    ),
    "a reserved key": ((('\nkey = "1"', '\nkey = "9"'),), "menu.options.0.key", r"'9'"),
    "a key twice": (
        (("[recording]", '[[menu.options]]\nkey = "1"\nqueue = "x"\nlabel = "x"\n[recording]'),),
        "menu",
        r"two options share a key",
    ),
    "a language's key that the menu has": (
        (("# order =", "order ="), ("# keys = { 6", "keys = { 1")),
        "(whole file)",
        r"language\.keys: key 1 is the menu's already",
    ),
    "a language's key that every menu has": (
        (("# order =", "order ="), ("# keys = { 6", "keys = { 8")),
        "language.keys.8.[key]",
        r"'8'",
    ),
    "keys that are offered nowhere": (
        (("# keys = { 6", "keys = { 6"),),
        "language",
        r"keys: they are offered only where order holds key",
    ),
    "an order that asks for a key without one": ((("# order =", "order ="),), "language", r"key needs language\.keys"),
    "two keys for one language": (
        (("# order =", "order ="), ('# keys = { 6 = "en"', 'keys = { 6 = "en", 7 = "en"')),
        "language",
        r"two keys stand for the same language",
    ),
    "a country that is never asked": (
        (('# order = ["country", "did", "key"]', 'order = ["did", "country"]'),),
        "language",
        r"country after did is never asked",
    ),
    "an order with the same twice": (
        (('# order = ["country", "did", "key"]', 'order = ["did", "did"]'),),
        "language",
        r"at most once",
    ),
    "a country's language that nobody speaks": (
        (("# countries = { PL", 'countries = { FR = "fr", PL'),),
        "language.countries.FR",
        r"'fr'",
    ),
    "no country at all": (
        (("# countries = { PL", "countries = { Poland"),),
        "language.countries.Poland.[key]",
        r"'Poland'",
    ),
    "recorded without a purpose": (
        (('# regime = "none"', 'regime = "quality"'),),
        "menu.options.0",
        r"regime quality needs a purpose",
    ),
    "recording without a folder": (
        (("# enabled = false", "enabled = true"),),
        "recording",
        r"enabled = true needs a directory",
    ),
    "a comma in the recordings' folder": (
        (('# directory = "/var/lib/oddzwon/recordings"', 'directory = "/srv/calls, kept"'),),
        "recording.directory",
        r"the path holds ' ', ',', which Asterisk's dialplan.*given: '/srv/calls, kept'.*for example directory = ",
    ),
    "a bracket and a quote in the prompts' folder": (
        (('directory = "/var/lib/oddzwon/prompts"', "directory = '/srv/(old) \"prompts\"'"),),
        "prompts.directory",
        r"""the path holds ' ', '"', '\(', '\)', which""",
    ),
    "a folder named in letters that Asterisk's configuration may not keep": (
        (('directory = "/var/lib/oddzwon/prompts"', 'directory = "/srv/zapowiedź"'),),
        "prompts.directory",
        r"the path holds 'ź'",
    ),
    "a test without its date": (
        (("# [callbacks.balancing_test]", "[callbacks.balancing_test]\nid = 'LIA'"),),
        "callbacks.balancing_test.date",
        r"required",
    ),
    "a day that never was": (
        (("# [callbacks.balancing_test]", "[callbacks.balancing_test]\nid = 'LIA'\ndate = '2026-02-30'"),),
        "callbacks.balancing_test.date",
        r"2026-02-30.*date = ",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_names_file_key_what_is_wrong_and_an_example(path: Path, name: str) -> None:
    changes, key, says = MISTAKES[name]
    message = wrong(change(path, *changes))
    line = next((line for line in message.splitlines() if line.startswith(f"{path}: {key}: ")), None)
    assert line is not None, message
    assert re.search(says, line), line
    assert "Traceback" not in message
    assert "pydantic" not in message


def test_a_missing_section(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.index("[log]")] + text[text.index("[prompts]") :], encoding="utf-8")
    assert wrong(path).startswith(f"{path}: log: Field required")


def test_every_mistake_is_told_at_once(path: Path) -> None:
    change(path, ("# port = 5038", "port = 0"), ("# rounds = 2", "rounds = 0"), ("[fastagi]", "[fastagi]\nx = 1"))
    assert named(path) == ["ami.port", "fastagi.x", "menu.rounds"]


def named(path: Path) -> list[str]:
    """The keys that the message names, line by line."""
    return [line.removeprefix(f"{path}: ").partition(":")[0] for line in wrong(path).splitlines()]


@pytest.mark.parametrize(
    ("mistake", "key"),
    [
        (('preset = "pl"', 'preset = "fr"'), "dids.0.preset"),
        (('\nkey = "1"', '\nkey = "9"'), "menu.options.0.key"),
    ],
)
def test_one_mistake_is_one_line(path: Path, mistake: tuple[str, str], key: str) -> None:
    assert [key] == named(change(path, mistake))


def test_no_file(tmp_path: Path) -> None:
    message = wrong(tmp_path / "none.toml")
    assert f"{tmp_path}/none.toml: no such file; `oddzwon init` writes a commented one" == message


@pytest.mark.parametrize("content", [b"a = ", b"[x", b"a = 1\na = 2", b"\x00", b"= 1"])
def test_no_toml(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert re.match(rf"{re.escape(str(path))}: not valid TOML: .*line 1|{re.escape(str(path))}: ", wrong(path))


def test_no_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in wrong(path)
    assert "cannot be read" in wrong(path.parent)


def test_an_empty_file_names_every_section_that_is_needed(path: Path) -> None:
    path.write_text("", encoding="utf-8")
    assert named(path) == ["controller", "ami", "log", "prompts", "dids", "menu", "callbacks"]


@pytest.mark.parametrize(
    "line",
    ['secret = "hush-hush"', "secret = 4711471147", 'secret = ["hush-hush"]', "secret = { hush = 1 }"],
)
def test_no_message_tells_the_secret(path: Path, line: str) -> None:
    message = wrong(change(path, ('# secret = ""', line), ("# port = 5038", "port = 0")))
    assert "hush" not in message
    assert "4711" not in message
    assert "ami" in message


@pytest.mark.parametrize("key", ["secrt", "password", "Secrets"])
def test_nor_does_that_of_a_mistyped_key(path: Path, key: str) -> None:
    assert "hush" not in wrong(change(path, ('# secret = ""', f'{key} = "hush-hush"')))


def test_settings_do_not_show_the_secret_either(path: Path) -> None:
    settings = load(change(path, ("secret_file =", "# secret_file ="), ('# secret = ""', 'secret = "hush-hush"')))
    assert "hush" not in repr(settings)
    assert settings.ami_secret() == "hush-hush"


def test_the_secret_in_a_file_of_its_own(path: Path) -> None:
    change(path, ("/etc/oddzwon/ami.secret", "ami.secret"))
    (path.parent / "ami.secret").write_text("hush-hush\n", encoding="utf-8")
    settings = load(path)
    assert settings.ami_secret() == "hush-hush"
    (path.parent / "ami.secret").unlink()
    with pytest.raises(ConfigError, match=r"ami\.secret_file: .*ami\.secret: .*let the service's user read it"):
        settings.ami_secret()


def test_a_secret_that_is_no_text(path: Path) -> None:
    change(path, ("/etc/oddzwon/ami.secret", "ami.secret"))
    (path.parent / "ami.secret").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError):
        load(path).ami_secret()


def test_relative_paths_count_from_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change(
        path,
        ("/var/lib/oddzwon/oddzwon.db", "state/oddzwon.db"),
        ("/run/oddzwon/oddzwon.sock", "oddzwon.sock"),
        ("/var/lib/oddzwon/number.key", "../number.key"),
        ('# directory = "/var/lib/oddzwon/recordings"', 'directory = "recordings"'),
    )
    monkeypatch.chdir("/")
    settings = load(path)
    folder = path.parent
    assert folder / "state/oddzwon.db" == settings.log.path
    assert folder / "oddzwon.sock" == settings.log.socket
    assert folder / "../number.key" == settings.log.key_file
    assert folder / "recordings" == settings.recording.directory
    assert Path("/var/lib/oddzwon/prompts") == settings.prompts.directory
    monkeypatch.chdir(folder)
    assert settings == load(Path(path.name))


@pytest.mark.parametrize(("name", "value"), [("PBX", "evil"), ("TRUNK_ENDPOINT", "evil"), ("RECORDING", "{}")])
def test_nothing_comes_from_the_environment(path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """One TOML file; a variable that somebody else has set must neither change the settings nor stop the service."""
    expected = load(path)
    monkeypatch.setenv("DIDS", "evil")
    monkeypatch.setenv(name, value)
    assert expected == load(path)


def test_where_the_settings_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ODDZWON_CONFIG", raising=False)
    assert Path("/etc/oddzwon/oddzwon.toml") == config_path(None)
    monkeypatch.setenv("ODDZWON_CONFIG", "/x.toml")
    assert Path("/x.toml") == config_path(None)
    assert Path("/y.toml") == config_path(Path("/y.toml"))


def test_in_language() -> None:
    assert in_language("one", "de") == "one"
    assert in_language({"en": "two", "de": "zwei"}, "de") == "zwei"
    assert in_language({"en": "two"}, "de") == "two"
    assert in_language({}, "de") == ""


@pytest.mark.parametrize("countries", ['["pl"]', '["POL"]', '["ŁÓ"]', '[""]'])
def test_a_country_that_is_none(path: Path, countries: str) -> None:
    settings = load(change(path, ('# countries = ["EU_EEA", "GB"]', f"countries = {countries}")))
    with pytest.raises(ConfigError, match=r'callbacks\.countries: .*for example \["EU_EEA", "GB"\]'):
        choices_from(settings)


@pytest.mark.parametrize("country", ["EU", "UK", "XX"])
def test_two_letters_that_are_no_country(path: Path, country: str) -> None:
    settings = load(change(path, ('# countries = ["EU_EEA", "GB"]', f'countries = ["{country}"]')))
    with pytest.raises(ConfigError):
        choices_from(settings)


def test_a_language_for_no_country(path: Path) -> None:
    settings = load(change(path, ("# countries = { PL", 'countries = { UK = "en", PL')))
    with pytest.raises(ConfigError, match=r"language\.countries: 'UK' is no country's code .* for example CZ"):
        choices_from(settings)


@pytest.mark.parametrize(
    ("order", "keys", "languages"),
    [
        ('["did"]', "{}", ("pl",)),
        ('["did", "key"]', '{ 6 = "en", 7 = "cs" }', ("pl", "en", "cs")),
        ('["country"]', "{}", ("pl", "de", "cs")),
        ('["country", "key"]', '{ 6 = "en" }', ("pl", "de", "cs", "en")),
    ],
)
def test_every_language_that_a_caller_can_get_to(path: Path, order: str, keys: str, languages: tuple[str]) -> None:
    section = f'[language]\norder = {order}\nkeys = {keys}\ncountries = {{ DE = "de", CZ = "cs" }}'
    settings = load(change(path, ("[language]", section)))
    assert settings.languages() == languages
    assert {plan.language.value for plan in prompt_plan(settings).languages} == {*languages}
    assert {*choices_from(settings).greeting_values} == {*languages}


def test_a_line_in_the_language_of_its_call(path: Path) -> None:
    """The jurisdiction stays the DID's; a language that is not spoken any more is the DID's again."""
    settings = load(change(path, ("[language]", '[language]\norder = ["did", "key"]\nkeys = { 6 = "en" }')))
    choices = choices_from(settings)
    own = choices.line_for("+48221234567")
    assert (own.language, own.preset) == ("pl", "pl")
    english = choices.line_for("+48221234567", "en")
    assert (english.language, english.preset, english.rules) == ("en", "pl", own.rules)
    assert choices.line_for("+48221234567", "de") == choices.line_for("+48221234567", None) == own


def test_a_did_of_no_country(path: Path) -> None:
    settings = load(change(path, ('\nnumber = "+48221234567"', '\nnumber = "+999123456789"')))
    with pytest.raises(ConfigError, match=r"dids: \+999123456789 is no number of a country's plan; for example \+48"):
        choices_from(settings)
