"""What a run says reaches itself and those above it, and nobody else.

No token reaches upwards: a run says it in its own spool, and the service records it, if that run is
above the sender. What is for anyone else is dropped, and the rest of the spool goes on. Points
count for the attempt that the one above is at; both points and labels are taken after its end, as
from anyone who may touch it.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from dispatcher.core.runs.lifecycle import Run
from dispatcher.services.spool_lines import Label
from dispatcher.store.contract import Transaction
from dispatcher.store.metrics.contract import Point

Said = tuple[str, Point | Label]  # sender, what it says
Refused = dict[str, tuple[int, str]]  # by sender: how many lines, and why the first


def deliver(tx: Transaction, said: Sequence[Said]) -> tuple[set[str], Refused]:
    """RunDocument what is for the sender or a run above it.

    Returns:
        The runs that have new points; how many of the others there are, and why.
    """
    above = _above(tx, {sender for sender, each in said if each.run_id != sender})
    points: list[Point] = []
    labels: list[tuple[str, Label]] = []
    refused: Refused = {}
    for sender, each in said:
        to = above.get(sender, {}).get(each.run_id)
        if each.run_id != sender and to is None:
            _refuse(refused, sender, f"no run {each.run_id[:256]!r} is above it")
        elif isinstance(each, Label):
            labels.append((sender, each))
        else:
            points.append(each if to is None else replace(each, attempt=to.attempt))
    tx.metrics.add_points(points)
    for sender, why in _keep_labels(tx, labels):
        _refuse(refused, sender, why)
    return {point.run_id for point in points}, refused


def _refuse(refused: Refused, sender: str, why: str) -> None:
    count, first = refused.get(sender, (0, why))
    refused[sender] = (count + 1, first)


def _keep_labels(tx: Transaction, labels: Sequence[tuple[str, Label]]) -> list[tuple[str, str]]:
    """Of a tag the last word counts, of a property the first; answers the conflicts."""
    if not labels:
        return []
    ids = {label.run_id for _, label in labels}
    tx.runs.get(ids, lock=True)  # several of its children may say something at once
    have = tx.labels.properties(ids)
    tags: dict[str, dict[str, tuple[str | None] | None]] = {}
    fresh: dict[str, dict[str, str | None]] = {}
    conflicts = []
    for sender, label in labels:
        run_id, key, value = label.run_id, label.key, label.value
        if label.kind != "property":
            tags.setdefault(run_id, {})[key] = (value,) if label.kind == "tag" else None
            continue
        known = have.setdefault(run_id, {})
        if known.setdefault(key, value) != value:
            conflicts.append((sender, f"property {key!r} of run {run_id} has another value"))
        else:
            fresh.setdefault(run_id, {})[key] = value
    for run_id, changes in tags.items():
        tx.labels.remove_tags(run_id, [key for key, held in changes.items() if held is None])
        tx.labels.set_tags(run_id, {key: held[0] for key, held in changes.items() if held})
    for run_id, properties in fresh.items():
        tx.labels.add_properties(run_id, properties)
    return conflicts


def _above(tx: Transaction, senders: Collection[str]) -> dict[str, dict[str, Run]]:
    """By sender, the runs above it."""
    if not senders:
        return {}
    lineages = {run.id: run.lineage for run in tx.runs.get(senders).values()}
    found = tx.runs.get({run_id for lineage in lineages.values() for run_id in lineage})
    return {
        sender: {run_id: found[run_id] for run_id in lineage if run_id in found}
        for sender, lineage in lineages.items()
    }
