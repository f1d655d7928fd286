"""Runbooks as pages: the links of alerts lead somewhere, and nowhere else."""

import pytest


async def test_a_runbook_is_a_page(api):
    answer = await api.client.get("/runbooks/ApiDown.md")
    assert answer.status_code == 200
    assert "<h2>Meaning</h2>" in answer.text
    assert (await api.client.get("/runbooks/ApiDown")).text == answer.text
    assert "ApiDown" in (await api.client.get("/runbooks")).text


@pytest.mark.parametrize("name", ["Nothing.md", "..%2f..%2fREADME.md", "%2e%2e", "a/b", "ApiDown.md.md", "<script>"])
async def test_what_is_no_runbook_is_not_found(api, name):
    answer = await api.client.get(f"/runbooks/{name}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
