"""The rooms import each other in the directions that docs/architecture.md gives."""

from importlinter import cli


def test_rooms_import_in_the_agreed_directions(capsys):
    assert cli.lint_imports(no_cache=True, verbose=False) == cli.EXIT_STATUS_SUCCESS, capsys.readouterr().out
