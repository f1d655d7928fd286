"""``--jaeger-url http://host:16686`` tests another server; its other ports are taken to be Jaeger's usual ones."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import yaml

from tests.conformance.jaeger.server import CONFIG, OwnServer, Target, unique_service


def pytest_addoption(parser: pytest.Parser) -> None:
    """Only when this folder is named on the command line: that is when it is needed."""
    parser.addoption("--jaeger-url", default=None, help="query URL of a running Jaeger (default: start ours)")


@pytest.fixture(scope="session")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    """Our server, Zipkin switched on."""
    directory = tmp_path_factory.mktemp("jaeger")
    tree = yaml.safe_load(CONFIG.read_text())
    tree["service"]["pipelines"]["traces"]["receivers"].append("zipkin")
    tree["extensions"]["jaeger_storage"]["backends"] = f"${{file:{CONFIG.parent}/storage/badger.yaml}}"
    tree["extensions"]["remote_sampling"]["file"]["path"] = str(CONFIG.parent / "sampling-strategies.json")
    config = directory / "config.yaml"
    config.write_text(yaml.safe_dump(tree))
    server = OwnServer(directory, config)
    server.start()
    yield server
    assert server.process.stop() == 0, server.process.tail()


@pytest.fixture(scope="session")
def jaeger(request: pytest.FixtureRequest) -> Target:
    """The server under test."""
    url = request.config.getoption("--jaeger-url", default=None)
    if not url:
        own: OwnServer = request.getfixturevalue("own_server")
        return own.target
    host = urlsplit(url).hostname
    return Target(
        url.rstrip("/"), f"http://{host}:4318", f"{host}:4317", f"http://{host}:14268", f"http://{host}:5778",
        f"http://{host}:9411",
    )  # fmt: skip


@pytest.fixture
def ours(jaeger: Target) -> Target:
    """The server under test, when it is ours."""
    if not jaeger.ours:
        pytest.skip("about our own server")
    return jaeger


@pytest.fixture
def service() -> str:
    """A service of this test only."""
    return unique_service()
