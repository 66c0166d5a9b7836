"""Between pages and browser: hosts, sessions, CSRF tokens, headers, and error pages during outages."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest
from httpx import ASGITransport, AsyncClient
from pydantic import SecretStr

from services.console import __main__ as program
from services.console.app import application
from services.console.headers import HEADERS
from services.console.pages import live
from shared.settings import SettingsError, load
from tests.unit.console.helpers import NOWHERE, SETTINGS, Seen, console, token

PASSWORD = "correct horse"
PROTECTED = {"QUADRILLE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "QUADRILLE_CONSOLE_PASSWORD": PASSWORD}


@asynccontextmanager
async def browser(*, password: bool = False, scheme: str = "http", client: str = "127.0.0.1") -> AsyncIterator[AsyncClient]:
    """A browser at a console whose databases cannot be reached."""
    here = console(user=None if password else "ada")
    settings = SETTINGS.model_copy(update={"console_password": SecretStr(PASSWORD) if password else None})
    async with asyncpg.create_pool(NOWHERE, min_size=0, max_size=1, timeout=1) as journal:
        transport = ASGITransport(application(replace(here, settings=settings, journal=journal)), client=(client, 1))
        async with AsyncClient(transport=transport, base_url=f"{scheme}://127.0.0.1:8790") as made:
            yield made


async def log_in(at: AsyncClient, **fields: str) -> int:
    """Fill in the form; returns the status of the answer."""
    filled = {"csrf": await token(at, "/login"), "name": "ada", "password": PASSWORD, "next": "/lag", **fields}
    return (await at.post("/login", data=filled)).status_code


async def test_every_response_has_security_headers_and_no_inline_content() -> None:
    async with browser() as at:
        for page in ("/lag", "/login", "/nothing", "/orders", "/static/console.css", "/static/nothing"):
            answer = await at.get(page)
            assert {name: answer.headers[name] for name in HEADERS if name != "Cache-Control"} == {
                name: value for name, value in HEADERS.items() if name != "Cache-Control"
            }, page
            assert "unsafe" not in answer.headers["content-security-policy"]
            if answer.headers["content-type"].startswith("text/html"):
                seen = Seen(answer.text)
                assert not [a for _, a in seen.elements if "style" in a or any(name.startswith("on") for name in a)], page
                assert all(script.get("src") for script in seen.all("script")), page
                assert "no-store" in answer.headers["cache-control"]


async def test_static_files_are_immutable() -> None:
    async with browser() as at:
        sheet = next(
            link["href"] or "" for link in Seen((await at.get("/login")).text).all("link") if link["rel"] == "stylesheet"
        )
        answer = await at.get(sheet)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
        assert "immutable" in answer.headers["cache-control"]


async def test_without_a_login_only_loopback_names_are_served() -> None:
    async with browser() as at:
        assert (await at.get("/lag", headers={"Host": "localhost:8790"})).status_code == 200
        assert (await at.get("/lag", headers={"Host": "evil.example:8790"})).status_code == 400


async def test_with_a_password_every_page_needs_a_login() -> None:
    async with browser(password=True) as at:
        for page in ("/", "/orders", "/orders/Q-1", "/money", "/lag?span=30m", "/alerts", "/dead-letters", "/nothing"):
            answer = await at.get(page)
            assert (answer.status_code, answer.headers["location"].startswith("/login?next=%2F")) == (303, True), page
        assert (await at.get("/live?view=lag")).status_code == 401
        assert (await at.post("/decide/alert/x", data={"action": "ack"})).status_code == 401
        assert await log_in(at, password="wrong password") == 403
        assert (await at.get("/lag")).status_code == 303
        assert await log_in(at, name="no\x00name") == 400
        assert await log_in(at) == 303
        mine = await at.get("/lag")
        assert mine.status_code == 200
        assert "ada" in Seen(mine.text).text
        assert (await at.post("/logout", data={"csrf": await token(at, "/lag")})).headers["location"] == "/login"
        assert (await at.get("/lag")).status_code == 303


@pytest.mark.parametrize("name", ["Grace Hopper", "grace.hopper@example.org", "Ｇｒａｃｅ", "Šárka O'Neill-Đặng"])
async def test_names_in_any_script_can_log_in(name: str) -> None:
    async with browser(password=True) as at:
        assert await log_in(at, name=name) == 303
        assert name in Seen((await at.get("/lag")).text).text


async def test_a_logout_invalidates_every_copy_of_the_cookie() -> None:
    async with browser(password=True) as at:
        assert await log_in(at) == 303
        csrf, copy = await token(at, "/lag"), at.cookies["quadrille_console"]
        assert (await at.post("/logout", data={"csrf": csrf})).status_code == 303
        at.cookies.clear()
        at.cookies.set("quadrille_console", copy)
        assert (await at.get("/lag")).status_code == 303
        assert (await at.get("/live?view=lag")).status_code == 401
        assert (await at.post("/decide/alert/x", data={"action": "ack", "csrf": csrf})).status_code == 401
        at.cookies.clear()
        assert await log_in(at) == 303, "and may come back"
        assert (await at.get("/lag")).status_code == 200


async def test_a_logout_ends_live_updates() -> None:
    here, logged_in = console(user=None), True
    events = live._events(here, live._frame, {}, lambda: logged_in)
    assert (await anext(events)).startswith("retry: ")
    assert (await anext(events)).startswith("data: ")
    logged_in = False
    said = asyncio.ensure_future(anext(events, "nothing"))
    while not said.done():
        here.watcher.last = replace(here.watcher.last)
        async with here.watcher._news:
            here.watcher._news.notify_all()
        await asyncio.sleep(0)
    assert said.result() == "nothing"


async def test_guesses_of_the_password_are_limited() -> None:
    async with browser(password=True) as at:
        assert [await log_in(at, password=f"guess number {n}") for n in range(6)] == [403] * 5 + [429]
        assert await log_in(at) == 429, "the right one is not looked at either"


@asynccontextmanager
async def through_uvicorn(client: str, **settings: str) -> AsyncIterator[AsyncClient]:
    """A browser at the console as it is served, that comes from an address, perhaps a proxy's."""
    here = replace(console(user=None), settings=load({**PROTECTED, **settings}))
    config = program._server(here).config
    config.load()
    transport = ASGITransport(config.loaded_app, client=(client, 1))
    async with AsyncClient(transport=transport, base_url="http://127.0.0.1:8790") as made:
        yield made


async def guesses(at: AsyncClient) -> list[int]:
    """What comes of seven wrong passwords, each said to come from another address."""
    csrf, found = await token(at, "/login"), []
    for n in range(7):
        filled = {"csrf": csrf, "name": "ada", "password": f"guess {n}", "next": "/"}
        found.append((await at.post("/login", data=filled, headers={"X-Forwarded-For": f"10.9.8.{n}"})).status_code)
    return found


async def test_forwarded_addresses_are_not_trusted_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    async with through_uvicorn("127.0.0.1") as at:
        assert await guesses(at) == [403] * 5 + [429] * 2
    async with through_uvicorn("192.0.2.1", QUADRILLE_CONSOLE_TRUSTED_PROXIES="10.0.0.0/8") as at:
        assert await guesses(at) == [403] * 5 + [429] * 2


async def test_a_configured_proxy_is_trusted() -> None:
    async with through_uvicorn("10.0.0.7", QUADRILLE_CONSOLE_TRUSTED_PROXIES="10.0.0.7, 2001:db8::/32") as at:
        assert await guesses(at) == [403] * 7


@pytest.mark.parametrize("proxies", ["*", "proxy.example", "10.0.0.1/8", "10.0.0.1;10.0.0.2"])
async def test_a_proxy_that_is_no_address_is_refused(proxies: str) -> None:
    with pytest.raises(SettingsError, match="QUADRILLE_CONSOLE_TRUSTED_PROXIES must list addresses"):
        program.check(load({"QUADRILLE_CONSOLE_TRUSTED_PROXIES": proxies}))


async def test_the_session_cookie_is_signed_and_http_only() -> None:
    async with browser(password=True) as at:
        answer = await at.get("/login")
        assert "httponly" in answer.headers["set-cookie"]
        assert "samesite=lax" in answer.headers["set-cookie"]
        assert "secure" not in answer.headers["set-cookie"]
        at.cookies.set("quadrille_console", "eyJ3aG8iOiAiYWRhIn0=.bm90IHNpZ25lZA==.x")
        assert (await at.get("/lag")).status_code == 303
    async with browser(password=True, scheme="https") as at:
        assert "secure" in (await at.get("/login")).headers["set-cookie"]


async def test_a_login_does_not_redirect_elsewhere() -> None:
    async with browser(password=True) as at:
        filled = {"csrf": await token(at, "/login"), "name": "ada", "password": PASSWORD, "next": "//evil.example"}
        assert (await at.post("/login", data=filled)).headers["location"] == "/"


async def test_a_form_without_its_csrf_token_is_refused() -> None:
    async with browser() as at:
        await at.get("/login")
        for fields in ({}, {"csrf": ""}, {"csrf": "made up"}):
            answer = await at.post("/decide/alert/void:c1.1", data={**fields, "action": "ack", "why": "x"})
            assert (answer.status_code, "Nothing was done" in answer.text) == (403, True)
        assert (await at.get("/decide/alert/void:c1.1")).status_code == 405


@pytest.mark.parametrize("body", [b"csrf=" + b"x" * 20_000, b"a=1&" * 30, b"why=\xff"])
async def test_a_malformed_form_is_refused(body: bytes) -> None:
    async with browser() as at:
        answer = await at.post("/decide/alert/x", content=body)
        assert answer.status_code in (400, 403)


async def test_unknown_actions_and_missing_reasons_are_refused_without_kafka() -> None:
    async with browser() as at:
        csrf = await token(at, "/login")
        unknown = await at.post("/decide/alert/dead:1", data={"csrf": csrf, "action": "delete", "why": "x"})
        assert unknown.status_code == 400
        silent = await at.post("/decide/alert/dead:1", data={"csrf": csrf, "action": "ack", "why": " ", "back": "/lag"})
        assert (silent.status_code, silent.headers["location"]) == (303, "/lag")
        said = Seen((await at.get("/lag")).text).text
        assert "Nothing was done: why" in said
        assert "Nothing was done" not in Seen((await at.get("/lag")).text).text, "it is said once"


async def test_pages_say_what_cannot_be_reached() -> None:
    async with browser() as at:
        for page in ("/", "/orders", "/orders/Q-1", "/money", "/alerts", "/alerts/x", "/dead-letters", "/dead-letters/x"):
            answer = await at.get(page)
            assert (answer.status_code, "cannot be reached" in answer.text) == (503, True), page
        assert (await at.get("/lag")).status_code == 200


async def test_a_public_console_needs_a_password() -> None:
    with pytest.raises(SettingsError, match="QUADRILLE_CONSOLE_PASSWORD"):
        program.bind(load({"QUADRILLE_CONSOLE_HOST": "0.0.0.0", "QUADRILLE_CONSOLE_PORT": "0"}))
    with pytest.raises(SettingsError, match="CONSOLE_PASSWORD"):
        load({"QUADRILLE_CONSOLE_PASSWORD": "short"})
    for host in ("127.0.0.1", "localhost"):
        program.bind(load({"QUADRILLE_CONSOLE_HOST": host, "QUADRILLE_CONSOLE_PORT": "0"})).close()
    settings = load({"QUADRILLE_CONSOLE_PORT": "0"})
    with program.bind(settings) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1:{port}"):
            program.bind(settings.model_copy(update={"console_port": port}))
