"""The tasks that AiiDA's built-in broker holds, read from its files."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from aiida import orm
from aiida.brokers.zeromq.broker import ZeromqBroker

#: Seconds between two looks at the queue: a process is stored before its task is sent.
SETTLE_SECONDS = 2.0


def queue_folder(broker: Any) -> Path | None:
    """Return where the built-in broker keeps its tasks, None for another broker."""
    if not isinstance(broker, ZeromqBroker):
        return None
    folder: Path = broker._storage_path / "tasks"
    return folder


def queued_processes(folder: Path) -> set[int]:
    """Return the PKs of the processes whose task waits or is at work.

    Opening the queue as aiida-core does would move the tasks of a living broker.
    """
    found = set()
    for path in [*folder.glob("pending/*.json"), *folder.glob("processing/*.json")]:
        try:
            body = json.loads(path.read_text(encoding="utf-8"))["body"]
        except (FileNotFoundError, json.JSONDecodeError, KeyError):
            continue
        found.add(body.get("args", {}).get("pid"))
    return found


def has_no_task(node: orm.ProcessNode, broker: Any) -> bool:
    """Whether a process could go on but no worker will ever hear of it.

    That is so when a worker was killed after it stored the process and before it sent its task.
    RabbitMQ does not show the tasks that workers hold, so there the answer is always no.
    """
    folder = queue_folder(broker)
    if folder is None or node.is_terminated or node.pk in queued_processes(folder):
        return False
    time.sleep(SETTLE_SECONDS)
    return not node.is_terminated and node.pk not in queued_processes(folder)
