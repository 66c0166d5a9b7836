"""The snippets of README and guides, in their order and as they stand, against a shop that runs."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from cli import system as noted
from cli.processes import Child
from devstack.demo.shop import Shop, card, unique
from shared.contract.order import OrderCreated
from shared.contract.payment import VoidFailed
from shared.contract.rejection import CommandRejected
from shared.settings import PREFIX
from tests.support.alerts import dead_letter_of
from tests.support.cli import quadrille as command
from tests.support.snippets import Snippet, is_for_a_person, parts, snippets
from tests.support.system import System

RUN = ("README.md", "docs/integrate.md", "docs/operate.md")
MAY_BE_WRONG = ("quadrille stuck", "quadrille trace", "quadrille status")
"""What these look at may have something wrong in it, as it is full of what other tests left: exit code 1."""


@pytest.fixture
def folder(quadrille: System, tmp_path: Path) -> Path:
    """A folder in which `up` would have started this system."""
    own = Child.of(os.getpid())
    ports = {name: running.port for name, running in quadrille.services.items()}
    (tmp_path / ".quadrille").mkdir()
    noted.save(tmp_path / ".quadrille", noted.RunningSystem(own, dict(quadrille.environment), ports))
    return tmp_path


async def typed(folder: Path, line: str) -> tuple[int, str]:
    """The exit code and the output of a line, in a shell of a person who has activated the environment."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-c", line),
        cwd=folder,
        env={**inherited, "PATH": path},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await shell.communicate()
    assert shell.returncode is not None
    return shell.returncode, out.decode()


async def stand_ins(shop: Shop, quadrille: System) -> dict[str, str]:
    """What the names in the documents stand for: a void that failed, a dead letter, and a group."""
    cart_id, _ = await shop.check_out(await shop.product(stock=1), payment=card("tok_decline_capture+refuse_void_4"))
    failed = await shop.client.wait_for(cart_id, VoidFailed, timeout=40)
    number = (await shop.client.wait_for(cart_id, OrderCreated)).order_number
    await shop.alert(failed.checkout_id)
    key = unique("poison")
    await shop.client.publish_bytes("cart.commands", key, b"garbage")
    await shop.client.dead_letter(key)
    dead_letter = await dead_letter_of(shop, key)
    return {
        "void:CART.1": f"void:{failed.checkout_id}",
        "Q-0001001": number,
        "trace 1001": f"trace {int(number.removeprefix('Q-'))}",
        "1f2e": dead_letter.dead_letter_id,
        "--group billing": f"--group {quadrille.settings.topic('quadrille.cart')}",
    }


async def run(folder: Path, line: str) -> tuple[int, str]:
    """The exit code and the output of a line; what is no more than one command of ours needs no shell, and starts at once."""
    (first, *arguments), *more = parts(line)
    if more or first != "quadrille":
        return await typed(folder, line)
    ran = await command({}, *arguments)
    return ran.code, f"{ran.out.decode()}{ran.err.decode()}"


async def test_the_commands_do_what_they_say(
    shop: Shop, quadrille: System, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    names = await stand_ins(shop, quadrille)
    lines = [line for snippet in snippets("console") if snippet.file in RUN for line in snippet.commands]
    lines = [line for line in lines if not is_for_a_person(line)]
    assert len(lines) >= 12
    for line in lines:
        as_typed = line
        for name, real in names.items():
            as_typed = as_typed.replace(name, real)
        code, out = await run(folder, as_typed)
        assert code <= line.startswith(MAY_BE_WRONG), f"{as_typed}\n{code}: {out}"
        assert "Traceback" not in out, f"{as_typed}\n{out}"


@pytest.mark.parametrize("snippet", [snippet for snippet in snippets("python") if snippet.is_program], ids=lambda one: one.file)
async def test_the_programs_run(quadrille: System, folder: Path, snippet: Snippet) -> None:
    (folder / "shop.py").write_text(snippet.text)
    code, out = await typed(folder, 'eval "$(quadrille env)" && python shop.py && quadrille status')
    assert ("order_number='Q-" if "confirm(" in snippet.text else "sku='tea'") in out, out
    assert code == 0, out


@pytest.mark.parametrize("snippet", [snippet for snippet in snippets("json") if snippet.file in RUN])
async def test_the_json_is_answered(shop: Shop, snippet: Snippet) -> None:
    said = json.loads(snippet.text)
    key = said["data"]["cart_id"]
    await shop.client.publish_bytes("cart.commands", key, snippet.text.encode())
    await shop.client.wait_for(key, CommandRejected, where=lambda event: event.command_id == said["id"])
