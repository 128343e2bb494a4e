"""A report of an archived campaign is that of the original."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiida import orm
from aiida.storage.sqlite_zip.backend import SqliteZipBackend
from aiida.tools.archive import create_archive

from aiida_mliptransport.report.collect import collect
from aiida_mliptransport.report.html import render

pytestmark = pytest.mark.medium


def test_a_report_of_an_archive_is_that_of_the_profile(transport_alone, tmp_path):
    original = collect(transport_alone)
    path = tmp_path / "study.aiida"
    create_archive([transport_alone], filename=path)
    storage = SqliteZipBackend(SqliteZipBackend.create_profile(path))
    query = orm.QueryBuilder(backend=storage)
    query.append(orm.ProcessNode, filters={"uuid": transport_alone.uuid})
    archived = collect(query.one()[0])
    storage.close()
    assert render(replace(archived, pk=original.pk)) == render(original)
