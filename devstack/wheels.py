"""``python -m devstack.wheels [FOLDER]``: builds the wheels ``quadrille`` and ``quadrille-client``, in ``dist`` by default.

The client's wheel holds what :class:`shared.client.CheckoutClient` imports and nothing else, under a name that no other
package has: ``from quadrille_client import CheckoutClient``, ``from quadrille_client.contract.cart import OpenCart``.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
NAME: Final = "quadrille_client"
NEEDS: Final = ("aiokafka", "cramjam", "orjson", "prometheus-client", "pydantic", "python-dotenv")
"""The libraries that the client imports; their versions are those of the product."""
_OURS: Final = "import shared.client; import sys; print(*(name for name in sys.modules if name.split('.')[0] == 'shared'))"
_IMPORTS: Final = re.compile(r"^(\s*)(from|import) shared\b", re.MULTILINE)


def build(folder: Path) -> list[Path]:
    """Build both wheels in this folder; returns them. Raises ``CalledProcessError``."""
    with tempfile.TemporaryDirectory() as made:
        for name, write in (("product", write_product), ("client", write_client)):
            write(source := Path(made, name))
            wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
            subprocess.run([*wheel, "--wheel-dir", str(folder), str(source)], check=True)
    return sorted(folder.glob("*.whl"))


def write_product(folder: Path) -> None:
    """Copy the source of ``quadrille``: setuptools takes in what an earlier build left beside it."""
    for name in ("cli", "services", "shared"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)


def write_client(folder: Path) -> None:
    """Write the source of ``quadrille-client``: the modules, renamed, and its ``pyproject.toml``."""
    listed = subprocess.run([sys.executable, "-c", _OURS], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for module in listed.split():
        path = ROOT.joinpath(*module.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        copy = folder / NAME / file.relative_to(ROOT / "shared")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(_IMPORTS.sub(rf"\1\2 {NAME}", file.read_text()))
    (folder / NAME / "__init__.py").write_text(
        '"""A client for the checkout Quadrille: publish commands, await events."""\n\n'
        f"from {NAME}.client import CheckoutClient, OutcomeTimeoutError\n"
        f"from {NAME}.settings import Settings, load\n\n"
        '__all__ = ["CheckoutClient", "OutcomeTimeoutError", "Settings", "load"]\n'
    )
    (folder / NAME / "py.typed").touch()
    product = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [one for one in product["dependencies"] if re.split(r"[\[<>=~;]", one)[0] in NEEDS]
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n\n'
        f'[project]\nname = "quadrille-client"\nversion = "{product["version"]}"\n'
        'description = "A client for the checkout Quadrille: publish commands to Kafka, await events."\n'
        f'requires-python = "{product["requires-python"]}"\nlicense = "{product["license"]}"\ndependencies = {needed}\n\n'
        f'[tool.setuptools.packages.find]\ninclude = ["{NAME}*"]\n\n[tool.setuptools.package-data]\n{NAME} = ["py.typed"]\n'
    )


if __name__ == "__main__":
    for built in build(Path(sys.argv[1] if len(sys.argv) > 1 else "dist")):
        sys.stdout.write(f"{built}\n")
