"""Read what a program printed, also where it is no text."""

from __future__ import annotations

from aiida import orm


def read_text(retrieved: orm.FolderData, name: str) -> str:
    """Return a retrieved file, empty where it is missing; bytes that are no UTF-8 are replaced.

    A program that breaks may leave anything in its log, and its job is to end with an exit code.
    """
    repository = retrieved.base.repository
    if name not in repository.list_object_names():
        return ""
    content: bytes = repository.get_object_content(name, mode="rb")
    return content.decode(errors="replace")
