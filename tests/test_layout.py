"""Imports point one way: a package knows only those below it, and no two modules each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import aiida_mliptransport

NAME = "aiida_mliptransport"
ROOT = Path(aiida_mliptransport.__file__).parent

#: The arrow of docs/architecture.md, from its tip; what shares a line may import each other.
LAYERS = (
    {"science"},
    {"backends"},
    {"data"},
    {"calculations", "parsers"},
    {"workflows"},
    {"campaign"},
    {"report", "tools"},
    {"cli"},
)
RANK = {package: rank for rank, layer in enumerate(LAYERS) for package in layer}

#: What runs where no AiiDA is: in a notebook, or beside a job.
WITHOUT_AIIDA = ("science", "backends", "calculations.runners")


def modules() -> dict[str, str]:
    """Return the source of every module by its dotted name."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = (NAME, *path.relative_to(ROOT).with_suffix("").parts)
        found[".".join(parts).removesuffix(".__init__")] = path.read_text(encoding="utf-8")
    return found


SOURCES = modules()
PACKAGES = {".".join((NAME, *path.parent.relative_to(ROOT).parts)) for path in ROOT.rglob("*.py")}


def imports(module: str, source: str, top_level_only: bool = False) -> Iterator[str]:
    """Yield the absolute names of the modules that ``module`` imports."""
    tree = ast.parse(source)
    package = module.split(".") if module in PACKAGES else module.split(".")[:-1]
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            target = ".".join([*base, *((node.module or "").split(".") if node.module else [])])
            for alias in node.names:
                submodule = f"{target}.{alias.name}"
                yield submodule if submodule in SOURCES else target


def package_of(module: str) -> str | None:
    """Return the package of one of our modules: ``science``, ``data``, …; None for the root."""
    parts = module.split(".")
    return parts[1] if parts[0] == NAME and len(parts) > 1 else None


def against_the_arrow(module: str, source: str) -> list[str]:
    """Return the imports of ``module`` that point up."""
    own = package_of(module)
    if own is None:
        return []
    return [
        target
        for target in imports(module, source)
        if (package := package_of(target)) is not None and RANK[package] > RANK[own]
    ]


def test_every_package_has_its_place():
    folders = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    assert folders == set(RANK)


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_no_module_imports_against_the_arrow(module):
    assert against_the_arrow(module, SOURCES[module]) == []


def test_an_import_against_the_arrow_is_found():
    source = "def late():\n    from ..workflows.train import TrainWorkChain\n"
    assert against_the_arrow(f"{NAME}.data.frames", source) == [f"{NAME}.workflows.train"]
    assert against_the_arrow(f"{NAME}.cli.main", source) == []
    absolute = f"import {NAME}.cli.main"
    assert against_the_arrow(f"{NAME}.campaign.schema", absolute) == [f"{NAME}.cli.main"]


@pytest.mark.parametrize(
    "module", [m for m in sorted(SOURCES) if m.removeprefix(f"{NAME}.").startswith(WITHOUT_AIIDA)]
)
def test_what_runs_without_aiida_never_imports_it(module):
    assert not [name for name in imports(module, SOURCES[module]) if name.split(".")[0] == "aiida"]


def test_no_two_modules_need_each_other_to_be_imported():
    graph = {
        module: {
            target for target in imports(module, source, top_level_only=True) if target in SOURCES
        }
        - {module}
        for module, source in SOURCES.items()
    }
    while graph:
        leaves = {module for module, targets in graph.items() if not targets & set(graph)}
        assert leaves, f"these import each other: {sorted(graph)}"
        graph = {m: targets for m, targets in graph.items() if m not in leaves}


@pytest.mark.parametrize(
    "module",
    # The groups of cli.data are loaded by verdi, which has imported AiiDA before.
    [m for m in sorted(SOURCES) if package_of(m) == "cli" and m != f"{NAME}.cli.data"],
)
def test_commands_import_aiida_only_when_they_run(module):
    """Help and completion stay fast."""
    names = imports(module, SOURCES[module], top_level_only=True)
    assert not [name for name in names if name.split(".")[0] == "aiida"]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "calculations" / "runners").glob("*.py")), ids=lambda path: path.name
)
def test_runners_travel_alone(path):
    """A runner is copied beside a job, where this package is not installed."""
    module = f"{NAME}.calculations.runners.{path.stem}".removesuffix(".__init__")
    names = imports(module, path.read_text(encoding="utf-8"))
    assert not [name for name in names if name.split(".")[0] == NAME]
