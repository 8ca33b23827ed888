"""The service's traffic goes to no proxy of the environment."""

import pytest
from requests.utils import get_environ_proxies

from dispatcher.agent.process_environment import environments
from dispatcher.wire.proxy_exceptions import except_service

PROXY = "http://proxy.example:3128"
URLS = ["http://127.0.0.1:4711", "http://[::1]:4711", "http://node7.example:8080"]


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
@pytest.mark.parametrize("url", URLS)
def test_a_script_reaches_the_service_without_the_proxy_and_others_by_it(
    variable: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = {"name": "r-1", "env": {"AZUREML_SERVICE_ENDPOINT": url, "no_proxy": "intern.example"}}

    (environment,) = environments(job, {variable: PROXY}, "/job", None)

    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        if name in environment:
            monkeypatch.setenv(name, environment[name])
    assert get_environ_proxies(f"{url}/api/2.0/mlflow/runs/get", None) == {}
    assert get_environ_proxies("http://intern.example/x", None) == {}
    assert PROXY in get_environ_proxies("http://pypi.example/simple", None).values()


def test_without_a_proxy_nothing_changes() -> None:
    environment = {"PATH": "/bin"}
    except_service(environment, URLS[0])
    assert environment == {"PATH": "/bin"}
