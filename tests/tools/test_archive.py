"""A study is exported whole, closed, and without licensed text."""

from __future__ import annotations

import io

import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import calcfunction

from aiida_mliptransport.tools.archive import ArchiveError, export_study

pytestmark = pytest.mark.medium


@calcfunction
def double(number):
    return orm.Int(2 * number.value)


@calcfunction
def read(folder):
    return orm.Int(len(folder.base.repository.list_object_names()))


def test_an_existing_file_is_not_overwritten_unasked(tmp_path):
    result = double(orm.Int(2))
    path = export_study(result, tmp_path / "study.aiida")
    assert path.stat().st_size > 0
    with pytest.raises(ArchiveError, match="exists; give another name"):
        export_study(result, path)
    export_study(result, path, overwrite=True)


def test_a_folder_with_a_potcar_is_refused(tmp_path):
    folder = orm.FolderData()
    folder.base.repository.put_object_from_filelike(io.BytesIO(b"licensed"), "run/POTCAR")
    result = read(folder.store())
    with pytest.raises(ArchiveError, match=f"{folder.pk}.*licensed POTCAR"):
        export_study(result, tmp_path / "study.aiida")
    assert not (tmp_path / "study.aiida").exists()


def test_a_running_process_is_named(tmp_path):
    node = orm.WorkChainNode()
    node.set_process_state("running")
    node.set_checkpoint("anything")
    node.store()
    with pytest.raises(ArchiveError, match=rf"\[{node.pk}\] of this study have not ended"):
        export_study(node, tmp_path / "study.aiida")
    node.set_process_state("killed")
    node.delete_checkpoint()
    node.seal()


def test_a_child_left_by_a_killed_worker_does_not_block_the_archive(tmp_path):
    parent = orm.WorkChainNode().store()
    child = orm.CalcFunctionNode()
    child.base.links.add_incoming(parent, LinkType.CALL_CALC, "step")
    child.store()
    parent.set_process_state("finished")
    parent.set_exit_status(0)
    parent.seal()
    export_study(parent, tmp_path / "study.aiida")
    assert child.is_sealed
    assert child.is_excepted
    assert "killed worker" in child.exception
