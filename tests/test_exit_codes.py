"""Every exit code that the source uses is declared in the spec of the class that gives it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from aiida.engine import CalcJob, Process
from aiida.parsers import Parser
from aiida_vasp.calcs.vasp import VaspCalculation

import aiida_mliptransport

NAME = "aiida_mliptransport"
ROOT = Path(aiida_mliptransport.__file__).parent
FOLDERS = ("calculations", "parsers", "workflows")

#: How an exit code is called, wherever it is written.
CODE = re.compile(r"(?:ERROR|WARNING)_[A-Z0-9_]+")


@dataclass(frozen=True)
class Use:
    """One place in the source that speaks of an exit code."""

    name: str
    #: Class around it; None at the level of the module.
    owner: str | None = None
    #: Classes of which the process is known to be one there: ``if issubclass(task, Job):``.
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Ending:
    """A process: the names of its class and bases, and the codes in its spec."""

    names: frozenset[str]
    codes: frozenset[str]


def used_codes(node: ast.AST, use: Use | None = None) -> Iterator[Use]:
    """Yield each use of an exit code.

    A use is an attribute of that name (``self.exit_codes.ERROR_X``), also of an alias
    (``codes.ERROR_X``), and a string that is such a name, unless it declares it.
    """
    use = use or Use("")
    if isinstance(node, ast.ClassDef):
        use = replace(use, owner=node.name)
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "exit_code":
        return  # a declaration: spec.exit_code(310, "ERROR_X", …)
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "value", None)
    if isinstance(name, str) and CODE.fullmatch(name):
        yield replace(use, name=name)
    if isinstance(node, ast.If):
        inside = replace(use, kinds=use.kinds | classes_asked_for(node.test))
        for child in node.body:
            yield from used_codes(child, inside)
        rest: list[ast.AST] = [node.test, *node.orelse]
    else:
        rest = list(ast.iter_child_nodes(node))
    for child in rest:
        yield from used_codes(child, use)


def classes_asked_for(test: ast.expr) -> frozenset[str]:
    """Return the classes X of ``issubclass(task, X)`` that must hold for ``test`` to hold."""
    parts = test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]
    return frozenset(
        part.args[1].id
        for part in parts
        if isinstance(part, ast.Call)
        and getattr(part.func, "id", "") == "issubclass"
        and isinstance(part.args[1], ast.Name)
    )


def undeclared(source: str, endings: Mapping[str | None, Sequence[Ending]]) -> list[str]:
    """Return each use of a code that not all processes declare which may end with it.

    ``endings`` maps a class of the source to those processes; None stands for the module.
    """
    found = []
    for use in used_codes(ast.parse(source)):
        ended = [e for e in endings.get(use.owner, ()) if use.kinds <= e.names]
        if not ended or any(use.name not in ending.codes for ending in ended):
            found.append(f"{use.owner or 'module'}: {use.name}")
    return found


def modules() -> list[str]:
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    names = [".".join((NAME, *path.relative_to(ROOT).with_suffix("").parts)) for path in paths]
    # A runner travels with a job and knows nothing of AiiDA.
    return [name.removesuffix(".__init__") for name in names if ".runners" not in name]


#: Processes of other packages whose codes our tables name.
OTHERS = (VaspCalculation,)


def processes() -> list[type[Process]]:
    """Return the classes behind our entry points."""
    groups = ("aiida.calculations", "aiida.workflows")
    return [
        entry.load()
        for group in groups
        for entry in entry_points(group=group)
        if entry.name.startswith("mliptransport.")
    ]


def ending(process: type[Process]) -> Ending:
    return Ending(
        frozenset(cls.__name__ for cls in process.__mro__), frozenset(process.spec().exit_codes)
    )


def parsed_by(parser: type[Parser]) -> list[type[Process]]:
    """Return the CalcJobs whose default parser is ``parser`` or derived from it."""
    names = {
        entry.name
        for entry in entry_points(group="aiida.parsers")
        if entry.name.startswith("mliptransport.") and issubclass(entry.load(), parser)
    }
    return [
        process
        for process in processes()
        if issubclass(process, CalcJob)
        and process.spec().inputs["metadata"]["options"]["parser_name"].default in names
    ]


def endings_in(module_name: str) -> dict[str | None, list[Ending]]:
    """Return the processes that each class of a module gives exit codes to."""
    found: dict[str | None, list[Ending]] = {}
    for name, value in vars(import_module(module_name)).items():
        if not isinstance(value, type) or value.__module__ != module_name:
            continue
        if issubclass(value, Parser):
            found[name] = [ending(process) for process in parsed_by(value)]
        elif issubclass(value, Process):
            found[name] = [ending(p) for p in processes() if issubclass(p, value)]
    if ".parsers." in module_name:
        # A helper of parsers may end any job.
        found[None] = [ending(process) for process in parsed_by(Parser)]
    else:
        # A table may hold codes of a child; some process has them.
        known = frozenset().union(*(ending(process).codes for process in [*processes(), *OTHERS]))
        found[None] = [Ending(frozenset(), known)]
    return found


@pytest.mark.parametrize("module", modules())
def test_every_exit_code_in_use_is_declared(module):
    source = Path(import_module(module).__file__).read_text(encoding="utf-8")
    assert undeclared(source, endings_in(module)) == []


def test_no_parser_is_without_the_calculation_that_it_ends():
    for entry in entry_points(group="aiida.parsers"):
        if entry.name.startswith("mliptransport."):
            assert parsed_by(entry.load()), entry.name


def _codes_of_other_packages(process):
    """Names of the codes that a parent class outside of this package and of aiida-core has."""
    packages = (NAME, "aiida", "plumpy", "builtins")
    parents = [c for c in process.__mro__[1:] if c.__module__.partition(".")[0] not in packages]
    return {name for c in parents if issubclass(c, Process) for name in c.spec().exit_codes}


def test_codes_of_one_process_have_numbers_of_their_own_and_a_message():
    for process in processes():
        codes = process.spec().exit_codes
        theirs = _codes_of_other_packages(process)
        own = {name: c for name, c in codes.items() if c.status >= 200 and name not in theirs}
        assert all(code.message for code in own.values())
        numbers = [code.status for code in own.values()]
        doubled = {name for name, code in own.items() if numbers.count(code.status) > 1}
        assert not doubled, f"{process.__name__}: {sorted(doubled)}"


SOURCE = """
class Job(Parser):
    def parse(self):
        codes = self.exit_codes
        if self.bad:
            return codes.ERROR_{0}.format(reason="x")
        return self.exit_codes["ERROR_{0}"]

def define(spec):
    spec.exit_code(310, "ERROR_NEW", message="not a use")
"""


def declares(*codes: str, names: Sequence[str] = ()) -> Ending:
    return Ending(frozenset(names), frozenset(codes))


@pytest.mark.parametrize(("name", "count"), [("KNOWN", 0), ("KNWON", 2)])
def test_a_misspelled_code_is_found(name, count):
    endings = {"Job": [declares("ERROR_KNOWN"), declares("ERROR_KNOWN", "ERROR_MORE")]}
    assert len(undeclared(SOURCE.format(name), endings)) == count


def test_a_code_that_only_one_of_two_calculations_declares_is_found():
    endings = {"Job": [declares("ERROR_MORE"), declares("ERROR_LESS")]}
    assert undeclared(SOURCE.format("MORE"), endings) == ["Job: ERROR_MORE"] * 2


def test_a_code_given_to_one_kind_of_process_only_must_be_declared_there():
    source = "class Job:\n if issubclass(task, MD) and x:\n  self.exit_codes.ERROR_STOPPED\n"
    endings = {"Job": [declares("ERROR_STOPPED", names=["MD"]), declares("ERROR_X")]}
    assert undeclared(source, endings) == []
    assert undeclared(source.replace("STOPPED", "STOPED"), endings) == ["Job: ERROR_STOPED"]
    assert undeclared(source.replace("and", "or"), endings) == ["Job: ERROR_STOPPED"]


def test_a_table_of_codes_is_checked_too():
    source = 'UNLUCKY = ("ERROR_DIVREGED",)\n'
    assert undeclared(source, {None: [declares("ERROR_DIVERGED")]}) == ["module: ERROR_DIVREGED"]
