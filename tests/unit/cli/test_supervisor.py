"""The supervisor logs every line of its programs."""

import asyncio

from devstack.supervisor import MAX_LINE, REFUSED, Program, Supervisor


async def test_an_endless_line_does_not_block_its_program() -> None:
    said: list[str] = []
    script = f"import os; print('x' * {3 * MAX_LINE}); print('after', flush=True); os._exit({REFUSED})"
    supervisor = Supervisor([Program("talker", ["timeit", "-n1", "-r1", script], {})], lambda name, line: said.append(line))
    async with asyncio.timeout(60):
        await supervisor.run()
    assert "after" in said
    assert max(map(len, said)) <= MAX_LINE
