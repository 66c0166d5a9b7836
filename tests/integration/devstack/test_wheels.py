"""The wheels hold what they should: the product alone, and a client that knows nothing of the rest."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from devstack import wheels

USE = """
import sys
sys.path.insert(0, sys.argv[1])
from quadrille_client import CheckoutClient, load
from quadrille_client.contract.cart import OpenCart
print(OpenCart(cart_id="c1", currency="EUR", customer_id="k1").key)
print(*sorted({name.split(".")[0] for name in sys.modules} & {"shared", "services", "sqlalchemy", "asyncpg", "faust"}))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Both wheels."""
    return wheels.build(tmp_path_factory.mktemp("dist"))


def packages(wheel: Path) -> set[str]:
    """The folders of a wheel beside its metadata."""
    return {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist() if ".dist-info" not in name}


def test_each_wheel_holds_its_own_packages_alone(built: list[Path]) -> None:
    assert [packages(wheel) for wheel in built] == [{"cli", "services", "shared"}, {wheels.NAME}]


def test_the_product_holds_its_data(built: list[Path]) -> None:
    files = set(zipfile.ZipFile(built[0]).namelist())
    wanted = ("services/order/rules.toml", "services/console/choreography.json", "services/console/templates/base.html")
    assert files >= {*wanted, "services/cart/migrations/script.py.mako", "shared/py.typed"}


def test_the_client_works_without_the_product(built: list[Path]) -> None:
    done = subprocess.run([sys.executable, "-I", "-c", USE, str(built[1])], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["c1", "", ""]
