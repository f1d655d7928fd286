"""Built files: caching, compression, 404s, the content policy."""

import gzip
import hashlib
from base64 import b64encode

import cramjam
import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from pytake.embedded.grafana.pages import IMMUTABLE, SHORT, Pages, policy

SCRIPT = "window.ready = true; // é"
INDEX = f"<!doctype html><html><head><script>{SCRIPT}</script></head><body><script src='/x.js'></script></body></html>"
CODE = "export const x = 1;\n" * 200


@pytest.fixture
async def client(tmp_path):
    folder = tmp_path / "static"
    for name, text in {
        "index.html": INDEX,
        "assets/index-DgzWOLfq.js": CODE,
        "img/icons/bell.svg": "<svg></svg>",
        "public/fonts/inter/Inter-Regular.woff2": "font",
        ".built-from": "abc",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "secret.js").write_text("outside")
    app = Starlette(routes=[Route("/{path:path}", Pages(None, folder).__call__)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://grafana") as made:
        made.headers["accept-encoding"] = "identity"
        yield made


async def test_hashed_assets_are_kept_for_ever_and_others_for_an_hour(client):
    asset = await client.get("/public/build/assets/index-DgzWOLfq.js")
    assert (asset.status_code, asset.headers["cache-control"]) == (200, IMMUTABLE)
    assert asset.headers["content-type"].startswith(("text/javascript", "application/javascript"))
    icon = await client.get("/public/build/img/icons/bell.svg")
    assert (icon.status_code, icon.headers["cache-control"]) == (200, SHORT)
    assert (await client.get("/public/fonts/inter/Inter-Regular.woff2")).text == "font"


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [("gzip, deflate, br", "br"), ("gzip", "gzip"), ("gzip;q=1.0, br;q=0", "gzip"), ("identity", None), ("", None)],
)
async def test_files_are_sent_as_the_browser_takes_them(client, accept, encoding):
    async with client.stream(
        "GET", "/public/build/assets/index-DgzWOLfq.js", headers={"accept-encoding": accept}
    ) as got:
        raw = b"".join([part async for part in got.aiter_raw()])
        assert got.headers.get("content-encoding") == encoding
        assert got.headers["vary"] == "accept-encoding"
        assert int(got.headers["content-length"]) == len(raw)
    unpack = {"br": lambda data: bytes(cramjam.brotli.decompress(data)), "gzip": gzip.decompress, None: bytes}[encoding]
    assert unpack(raw).decode() == CODE
    assert encoding is None or len(raw) < len(CODE) / 10


async def test_a_file_that_changed_is_compressed_again(client, tmp_path):
    name, headers = "assets/index-DgzWOLfq.js", {"accept-encoding": "gzip"}
    first = await client.get(f"/public/build/{name}", headers=headers)
    known = {**headers, "if-none-match": first.headers["etag"]}
    assert (await client.get(f"/public/build/{name}", headers=known)).status_code == 304
    (tmp_path / "static" / name).write_text(CODE + "// new")
    again = await client.get(f"/public/build/{name}", headers=known)
    assert (again.status_code, again.text.endswith("// new")) == (200, True)


@pytest.mark.parametrize(
    "path",
    ["/public/build/assets/gone-AAAAAAAA.js", "/public/nothing", "/img/icons/none.svg", "/favicon.ico", "/assets",
     "/public/build/%2e%2e/secret.js", "/public/build/..%2fsecret.js", "/.built-from.js", "/public/build/.built-from"],
)  # fmt: skip
async def test_a_missing_file_is_a_404_and_not_the_page(client, path):
    got = await client.get(path)
    assert got.status_code == (404 if path != "/assets" else 200)
    assert "outside" not in got.text
    assert "abc" not in got.text


@pytest.mark.parametrize("path", ["/", "/d/slo/slos", "/explore", "/login", "/dashboards/f/x", "/index.html"])
async def test_every_other_address_is_the_applications_page(client, path):
    got = await client.get(path)
    assert (got.status_code, got.text, got.headers["cache-control"]) == (200, INDEX, "no-store")


async def test_only_the_pages_own_inline_script_may_run(client):
    rules = (await client.get("/")).headers["content-security-policy"]
    scripts = next(rule for rule in rules.split("; ") if rule.startswith("script-src"))
    digest = b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    assert scripts == f"script-src 'self' 'sha256-{digest}'"
    assert "unsafe-eval" not in rules
    assert "script-src 'self';" in policy()
