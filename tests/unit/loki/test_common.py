"""Go flags and the real servers' configuration files."""

from pathlib import Path

import pytest

from pytake.embedded.common.config import ConfigError, expand_env, load_yaml, parse_duration, parse_size
from pytake.embedded.common.goflags import Flag, FlagError, parse, parse_or_exit

FLAGS = {"config.file": Flag("", "File."), "expand": Flag(False, "Switch."), "port": Flag(3100, "Port.")}


def test_all_forms_of_go_flags() -> None:
    words = ["-config.file=a.yml", "--port", "12", "-expand"]
    assert parse(words, FLAGS) == {"config.file": "a.yml", "expand": True, "port": 12}
    assert parse(["-expand=false", "-config.file", "b"], FLAGS)["expand"] is False


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-nope"], "flag provided but not defined: -nope"),
        (["-port=x"], 'invalid value "x" for flag -port'),
        (["-port"], "flag needs an argument: -port"),
        (["word"], "unexpected argument: word"),
        (["-expand=maybe"], 'invalid value "maybe" for flag -expand'),
    ],
)
def test_wrong_flags_are_named(words: list[str], message: str) -> None:
    with pytest.raises(FlagError, match=message):
        parse(words, FLAGS)


def test_help_and_mistakes_exit_like_go(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse_or_exit("prog", "About.", FLAGS, ["-help"])
    assert stop.value.code == 0
    assert "-config.file" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        parse_or_exit("prog", "About.", FLAGS, ["-nope"])
    assert stop.value.code == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a ${X}", "a x"),
        ("${Y:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${Y}", ""),
        ("$${X}", "${X}"),
        (r"a\\b", r"a\b"),
        ("$1 costs $X", "$1 costs $X"),
    ],
)
def test_variables_expand(text: str, expected: str) -> None:
    assert expand_env(text, {"X": "x", "EMPTY": ""}) == expected


def test_a_required_variable_says_what_is_missing() -> None:
    with pytest.raises(ConfigError, match="Y: give it"):
        expand_env("${Y:?give it}", {})


def test_configuration_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "c.yml"
    path.write_text("- a")
    with pytest.raises(ConfigError, match="expected a mapping"):
        load_yaml(path, expand=False)
    path.write_text("a: [")
    with pytest.raises(ConfigError, match=r"c\.yml"):
        load_yaml(path, expand=False)
    path.write_text("")
    assert load_yaml(path, expand=True) == {}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h30m", 5400), ("7d", 604800), ("100ms", 0.1), ("0", 0), ("-5m", -300), (3, 3), ("1.5s", 1.5)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "size"), [("4MB", 4 << 20), ("512KiB", 512 << 10), ("10", 10), (7, 7), ("1.5GB", 3 << 29)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "5", "1x", "1h 2m"])
def test_bad_durations(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_duration(text)


def test_bad_size() -> None:
    with pytest.raises(ConfigError):
        parse_size("many")
