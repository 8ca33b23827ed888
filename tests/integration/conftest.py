"""Fixtures of more than one module."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from dispatcher.server.app import create_app
from dispatcher.server.settings import Settings
from dispatcher.server.wiring import Application, build
from tests.integration.http_service import MIB, OWNER
from tests.rigs.waiting import until


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("application"))
    application = build(settings, "http://127.0.0.1:1", OWNER)
    application.services.catalog.attach("still", {"kind": "local", "cpus": 1, "memory_mb": 6})
    until(lambda: application.live_targets.capacity("still"), "the target answers", timeout=120)
    yield application
    application.close()


@pytest.fixture(scope="module")
def api(application: Application) -> Iterator[TestClient]:
    app = create_app(application.services, max_body=4 * MIB)
    with TestClient(app, base_url="http://test/api/v1", raise_server_exceptions=False) as client:
        client.headers["Authorization"] = f"Bearer {OWNER}"
        yield client
