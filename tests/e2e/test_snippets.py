"""The snippets of the README, in their order and as they stand, against a shop that runs."""

import asyncio
import json
import os
import sys
from pathlib import Path

import psutil
import pytest

from cli import system as noted
from cli.demo.shop import Shop, card, unique
from shared.alerts import views
from shared.alerts.model import DeadLetter
from shared.alerts.views import Filter
from shared.contract.order import OrderCreated
from shared.contract.payment import VoidFailed
from shared.contract.rejection import CommandRejected
from shared.settings import PREFIX
from stack.processes import Child
from tests.support.snippets import Snippet, is_for_a_person, snippets
from tests.support.system import System

README = "README.md"
MAY_BE_WRONG = ("quadrille stuck", "quadrille trace", "quadrille status")
"""What these look at may have something wrong in it, as it is full of what other tests left: exit code 1."""


@pytest.fixture
def folder(quadrille: System, tmp_path: Path) -> Path:
    """A folder in which `up` would have started this system."""
    own = Child(os.getpid(), psutil.Process().create_time())
    ports = {name: running.port for name, running in quadrille.services.items()}
    (tmp_path / ".quadrille").mkdir()
    noted.note(tmp_path / ".quadrille", noted.Up(own, dict(quadrille.environment), ports))
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
    """What the README's names stand for: a void that failed, a dead letter, and a group."""
    cart_id, _ = await shop.check_out(await shop.product(stock=1), payment=card("tok_decline_capture+refuse_void_4"))
    failed = await shop.client.wait_for(cart_id, VoidFailed, timeout=40)
    number = (await shop.client.wait_for(cart_id, OrderCreated)).order_number
    await shop.alert(failed.checkout_id)
    key = unique("poison")
    await shop.client.publish_bytes("cart.commands", key, b"garbage")
    await shop.client.dead_letter(key)
    letter = await newest(shop, key)
    return {
        "void:CART.1": f"void:{failed.checkout_id}",
        "Q-0001001": number,
        "trace 1005": f"trace {int(number.removeprefix('Q-'))}",
        "1f2e": letter.letter_id,
        "--group billing": f"--group {quadrille.settings.topic('quadrille.cart')}",
    }


async def newest(shop: Shop, key: str) -> DeadLetter:
    """The dead letter of the record with this key."""
    async with asyncio.timeout(20):
        while True:
            for letter in await views.letters(shop.engine, Filter(), 10**6):
                if (await views.record(shop.engine, letter.letter_id)).key == key.encode():
                    return letter
            await asyncio.sleep(0.05)


async def run(folder: Path, commands: list[str], names: dict[str, str]) -> list[str]:
    """Type commands one after the other; returns those that went wrong, with what they said."""
    wrong = []
    for command in commands:
        line = command
        for name, real in names.items():
            line = line.replace(name, real)
        code, out = await typed(folder, line)
        if code > command.startswith(MAY_BE_WRONG) or "Traceback" in out:
            wrong.append(f"{line}\n{code}: {out}")
    return wrong


async def test_the_readme_s_commands_do_what_they_say(shop: Shop, quadrille: System, folder: Path) -> None:
    names = await stand_ins(shop, quadrille)
    blocks = [
        [c for c in snippet.commands if not is_for_a_person(c)] for snippet in snippets("console") if snippet.file == README
    ]
    assert sum(map(len, blocks)) >= 12
    wrong = await asyncio.gather(*(run(folder, commands, names) for commands in blocks))
    assert [said for some in wrong for said in some] == []


async def test_the_readme_s_program_buys_something(quadrille: System, folder: Path) -> None:
    (snippet,) = [snippet for snippet in snippets("python") if snippet.file == README]
    (folder / "shop.py").write_text(snippet.text)
    code, out = await typed(folder, 'eval "$(quadrille env)" && python shop.py && quadrille status')
    assert "order_number='Q-" in out, out
    assert code == 0, out


@pytest.mark.parametrize("snippet", [snippet for snippet in snippets("json") if snippet.file == README])
async def test_the_readme_s_json_is_answered(shop: Shop, snippet: Snippet) -> None:
    said = json.loads(snippet.text)
    key = said["data"]["cart_id"]
    await shop.client.publish_bytes("cart.commands", key, snippet.text.encode())
    await shop.client.wait_for(key, CommandRejected, where=lambda event: event.command_id == said["id"])
