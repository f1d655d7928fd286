"""Edits of dashboards as patches: what differs, what a patch does, that builders and patches agree."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytake.stack.dashboards import build, edits, home

BOARD = build.built(home.BOARD)


def edited():
    return copy.deepcopy(BOARD)


def panel(model, title):
    return next(one for one in model["panels"] if one["title"] == title)


def change(model):
    return edits.patch(edits.normal(BOARD), edits.normal(model))


def test_what_grafana_adds_by_itself_is_no_difference():
    model = edited()
    model |= {
        "id": 7,
        "version": 12,
        "uid": "copy",
        "title": "PyTake copy",
        "iteration": 1,
        "__inputs": [],
        "links": model["links"],
    }
    for number, one in enumerate(model["panels"]):
        one |= {
            "id": 100 + number,
            "pluginVersion": "13.2.3",
            "transformations": one.get("transformations", []),
            "repeat": None,
        }
    for variable in model["templating"]["list"]:
        variable["current"] = {"text": "Other", "value": "other"}
    model["annotations"]["list"].insert(0, {"builtIn": 1, "name": "Annotations & Alerts", "enable": True})
    assert list(edits.differences(edits.normal(BOARD), edits.normal(dict(reversed(model.items()))))) == []


def test_an_edit_touches_one_panel_and_says_where():
    model = edited()
    panel(model, "Response time")["fieldConfig"]["defaults"]["unit"] = "ms"
    found = list(edits.differences(edits.normal(BOARD), edits.normal(model)))
    assert found == [edits.Difference("panels / Response time / fieldConfig / defaults / unit", "s", "ms")]
    assert change(model) == {"panels": {"Response time": {"fieldConfig": {"defaults": {"unit": "ms"}}}}}


def test_a_new_panel_gets_a_number_and_a_removed_one_goes():
    model = edited()
    model["panels"] = [one for one in model["panels"] if one["title"] != "Warnings"]
    model["panels"].append({"type": "text", "title": "Ours", "id": 3, "gridPos": {"x": 0, "y": 99, "w": 24, "h": 3}})
    made = edits.apply(copy.deepcopy(BOARD), change(model))
    assert "Warnings" not in [one["title"] for one in made["panels"]]
    assert made["panels"][-1]["title"] == "Ours"
    numbers = [one["id"] for one in made["panels"] if one["type"] != "row"]
    assert len(numbers) == len(set(numbers))


def test_the_builder_and_a_patch_make_what_was_pulled(tmp_path):
    model = edited()
    panel(model, "Services")["title"] = "All services"
    edits.save("home", change(model), tmp_path)
    made = json.loads(build.render(home.BOARD, tmp_path))
    assert edits.normal(made) == edits.normal(model)
    edits.save("home", {}, tmp_path)
    assert json.loads(build.render(home.BOARD, tmp_path)) == BOARD
    assert not list(tmp_path.iterdir())


VALUES = st.recursive(
    st.integers(0, 3) | st.sampled_from(["x", "y"]),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=3),
    max_leaves=8,
)
MODELS = st.dictionaries(st.sampled_from("abc"), VALUES, min_size=1, max_size=3)


@given(MODELS, MODELS, MODELS)
def test_two_patches_are_one(first, second, third):
    one, two = edits.patch(first, second), edits.patch(second, third)
    assert edits._apply(copy.deepcopy(first), one) == second
    assert edits._apply(copy.deepcopy(first), edits.compose(one, two)) == third


@pytest.mark.parametrize("model", build.BOARDS, ids=lambda board: board.uid)
def test_titles_tell_panels_apart(model):
    made = build.built(model)
    assert len(edits.normal(made)["panels"]) == len(made["panels"])
