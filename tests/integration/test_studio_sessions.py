"""Sessions of the studio: opened once by a link, bound to this machine and to the studio's page."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from dispatcher.access.principals import OWNER_NAME, Kind, Principal, Role
from dispatcher.access.sessions import LINK_SECONDS, MOST_LINKS, SESSION_SECONDS, SessionService
from dispatcher.core.errors import NotAllowed
from dispatcher.server.app import create_app
from dispatcher.server.browser import PROOF_HEADER
from dispatcher.server.wiring import Application
from dispatcher.store.memory import MemoryStore
from tests.integration.http_service import MIB, OWNER, spec

HERE = "http://127.0.0.1:8000"
TOKEN = {"Authorization": f"Bearer {OWNER}"}
ADA = Principal(Kind.USER, "ada", Role.READER)


def browser(
    application: Application, address: str = HERE, peer: str = "127.0.0.1"
) -> Iterator[TestClient]:
    app = create_app(application.services, max_body=MIB)
    with TestClient(
        app, base_url=address, client=(peer, 5000), raise_server_exceptions=False
    ) as client:
        yield client


@pytest.fixture
def page(application: Application) -> Iterator[TestClient]:
    """A browser on this machine."""
    yield from browser(application)


def code_of(client: TestClient) -> str:
    answer = client.post("/api/v1/studio/links", headers=TOKEN)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["fragment"]).removeprefix("sign-in=")


def signed_in(page: TestClient) -> dict[str, str]:
    """Open a session; what the page sends with each call, beside its cookie."""
    answer = page.post("/api/v1/studio/session", json={"code": code_of(page)})
    assert answer.status_code == 201, answer.text
    return {PROOF_HEADER: answer.json()["proof"]}


def read(page: TestClient, headers: dict[str, str]) -> Response:
    return page.get("/api/v1/runs", headers=headers)


def test_a_link_opens_one_session_whose_calls_are_those_of_its_principal(page: TestClient) -> None:
    code = code_of(page)
    opened = page.post("/api/v1/studio/session", json={"code": code})
    assert opened.status_code == 201
    headers = {PROOF_HEADER: opened.json()["proof"]}
    assert page.get("/api/v1/studio/session", headers=headers).json()["role"] == "owner"
    made = page.post("/api/v1/runs", headers=headers, json={"runs": [spec("by-session")]})
    assert made.status_code == 201
    assert made.json()["runs"][0]["submitted_by"] == opened.json()["name"]

    again = page.post("/api/v1/studio/session", json={"code": code})
    assert again.status_code == 403
    assert "dispatcher studio" in again.json()["detail"]


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(page: TestClient) -> None:
    answer = page.post("/api/v1/studio/session", json={"code": code_of(page)})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert answer.json()["proof"] not in cookie
    assert answer.headers["cache-control"] == "no-store"


def test_neither_the_cookie_nor_the_header_alone_is_a_session(
    application: Application, page: TestClient
) -> None:
    headers = signed_in(page)
    assert read(page, headers).status_code == 200
    assert read(page, {}).status_code == 401
    assert read(page, {PROOF_HEADER: "0" * 64}).status_code == 401
    for other in browser(application):
        assert read(other, headers).status_code == 401


def test_a_token_of_a_session_is_not_taken_as_a_bearer_token(page: TestClient) -> None:
    signed_in(page)
    (token,) = page.cookies.values()
    assert read(page, {"Authorization": f"Bearer {token}"}).status_code == 401


@pytest.mark.parametrize(
    "foreign",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example:8000"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "["},
    ],
    ids=str,
)
def test_another_site_changes_and_reads_nothing(page: TestClient, foreign: dict[str, str]) -> None:
    headers = {**signed_in(page), **foreign}
    assert read(page, headers).status_code == 403
    made = page.post("/api/v1/runs", headers=headers, json={"runs": [spec("foreign")]})
    assert made.status_code == 403
    assert page.get("/api/v1/runs/foreign", headers=TOKEN).status_code == 404
    refused = page.post("/api/v1/studio/session", headers=foreign, json={"code": code_of(page)})
    assert refused.status_code == 403


def test_a_session_is_refused_from_another_machine(
    application: Application, page: TestClient
) -> None:
    headers, cookies = signed_in(page), dict(page.cookies)
    for far in browser(application, peer="192.0.2.7"):
        far.cookies.update(cookies)
        assert read(far, headers).status_code == 403
        assert far.get("/").status_code == 403
        code = {"code": code_of(far)}
        assert far.post("/api/v1/studio/session", json=code).status_code == 403


def test_signing_out_ends_the_session_and_an_earlier_one_goes_on(
    application: Application, page: TestClient
) -> None:
    first = signed_in(page)
    for other in browser(application):
        second = signed_in(other)
        cookies = dict(other.cookies)
        assert other.delete("/api/v1/studio/session", headers=second).status_code == 204
        other.cookies.update(cookies)  # a copy of the cookie that was kept
        assert read(other, second).status_code == 401
    assert read(page, first).status_code == 200


def test_a_session_is_listed_among_the_tokens_and_can_be_revoked(page: TestClient) -> None:
    headers = signed_in(page)
    listed = page.get("/api/v1/tokens", headers=TOKEN).json()["tokens"]
    session = [each for each in listed if each["id"].startswith("session-")][-1]
    assert page.delete(f"/api/v1/tokens/{session['id']}", headers=TOKEN).status_code == 204
    assert read(page, headers).status_code == 401


def test_runs_and_agents_open_no_session(application: Application, page: TestClient) -> None:
    page.post("/api/v1/runs", headers=TOKEN, json={"runs": [spec("asks")]})
    access = application.services.access
    for token in (access.run_token("asks", 1), access.agent_token("still")):
        headers = {"Authorization": f"Bearer {token}"}
        assert page.post("/api/v1/studio/links", headers=headers).status_code == 403


def test_the_secrets_of_a_session_are_in_no_file_of_the_service(
    application: Application, page: TestClient
) -> None:
    code = code_of(page)
    answer = page.post(
        "/api/v1/studio/session", json={"code": code}, headers={"Idempotency-Key": "once"}
    )
    secrets = [code, answer.json()["proof"], *page.cookies.values()]
    folder = Path(application.services.folder.path)
    kept = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert [secret for secret in secrets if secret.encode() in kept] == []


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_links_and_sessions_expire() -> None:
    clock = Clock()
    sessions = SessionService(MemoryStore(), b"k" * 32, clock)
    late, used = sessions.issue_link(ADA), sessions.issue_link(ADA)
    session = sessions.open(used)
    assert sessions.identify(session.token, session.proof) == ADA
    clock.now += LINK_SECONDS
    with pytest.raises(NotAllowed, match="expired"):
        sessions.open(late)
    clock.now += SESSION_SECONDS
    with pytest.raises(NotAllowed, match="expired"):
        sessions.identify(session.token, session.proof)


def test_of_too_many_links_the_oldest_are_withdrawn() -> None:
    sessions = SessionService(MemoryStore(), b"k" * 32, Clock())
    codes = [sessions.issue_link(ADA) for _ in range(MOST_LINKS + 1)]
    with pytest.raises(NotAllowed):
        sessions.open(codes[0])
    assert sessions.open(codes[-1]).principal.name != OWNER_NAME


def test_sessions_outlive_a_restart_of_the_service() -> None:
    store = MemoryStore()
    before = SessionService(store, b"k" * 32, Clock())
    session = before.open(before.issue_link(ADA))
    after = SessionService(store, b"k" * 32, Clock())
    assert after.identify(session.token, session.proof) == ADA
