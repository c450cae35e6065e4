"""One concept = one module = one test file: the mirror between source and tests is complete, both ways."""

from pathlib import Path

from tests.architecture import source

MIRRORS = ("unit", "integration", "e2e", "contract")


def modules() -> list[Path]:
    """Every module with code of its own: packages hold their design page only."""
    return [p for p in source.python_files() if p.parts[0] in source.PACKAGES and p.name != "__init__.py"]


def twins(module: Path) -> list[Path]:
    name = f"test_{module.stem.strip('_')}.py"
    return [Path("tests", mirror, *module.parent.parts, name) for mirror in MIRRORS]


def test_every_module_has_its_test() -> None:
    known = set(source.python_files())
    alone = [str(module) for module in modules() if not known.intersection(twins(module))]
    assert alone == []


def test_every_test_in_the_mirror_has_its_module() -> None:
    names = {(module.parent, module.stem.strip("_")) for module in modules()}
    packages = {p.parent for p in source.python_files() if p.parts[0] in source.PACKAGES}
    strangers = []
    for path in source.python_files():
        if path.parts[:1] != ("tests",) or path.parts[1] not in MIRRORS or not path.name.startswith("test_"):
            continue
        package, subject = Path(*path.parts[2:-1]), path.stem.removeprefix("test_")
        if package in packages and not any(package == p and subject.startswith(name) for p, name in names):
            strangers.append(str(path))
    assert strangers == []


def test_packages_hold_their_design_page() -> None:
    for path in source.python_files():
        if path.name == "__init__.py" and path.parts[0] in source.PACKAGES:
            body = source.text(path).strip()
            assert body.startswith('"""'), f"{path} lacks its design page"
