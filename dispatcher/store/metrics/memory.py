"""Metric values and stream offsets, in memory."""

from collections.abc import Collection, Mapping, Sequence

from dispatcher.store.memory_state import MemoryState
from dispatcher.store.metrics.contract import Latest, Number, Point, Sample
from dispatcher.store.metrics.numbers import newest, number


class MemoryMetrics:
    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def offsets(
        self,
        streams: Collection[tuple[str, int, str]],
        *,
        lock: bool = False,  # noqa: ARG002
    ) -> dict[tuple[str, int, str], int]:
        return {stream: self._state.offsets.get(stream, 0) for stream in streams}

    def advance(self, offsets: Mapping[tuple[str, int, str], int]) -> None:
        self._state.offsets.update(offsets)

    def add_points(self, points: Sequence[Point]) -> None:
        self._state.points.extend(points)

    def add_numbers(self, run_id: str, attempt: int, numbers: Sequence[Number]) -> None:
        self.add_points(
            [Point(run_id, attempt, name, "scalar", v, t, step) for name, v, t, step in numbers]
        )

    def points(
        self,
        ids: Collection[str],
        name: str | None = None,
        attempts: Mapping[str, int] | None = None,
    ) -> dict[str, list[Point]]:
        found: dict[str, list[Point]] = {}
        for point in self._state.points:
            attempt = (attempts or {}).get(point.run_id, point.attempt)
            if point.run_id in ids and name in (None, point.name) and attempt == point.attempt:
                found.setdefault(point.run_id, []).append(point)
        return found

    def latest(self, attempts: Mapping[str, int]) -> dict[str, dict[str, Latest]]:
        mine = (p for p in self._state.points if attempts.get(p.run_id) == p.attempt)
        found: dict[str, dict[str, Latest]] = {}
        for (run_id, name), (_attempt, last) in sorted(newest(mine).items()):
            found.setdefault(run_id, {})[name] = last
        return found

    def history(
        self, run_id: str, name: str, attempt: int, *, after: int = 0, limit: int | None = None
    ) -> list[Sample]:
        key = (run_id, name, attempt)
        found = [
            (place, value, point.t, point.step or 0)
            for place, point in enumerate(self._state.points, 1)
            if (point.run_id, point.name, point.attempt) == key and place > after
            and (value := number(point)) is not None
        ]  # fmt: skip
        return found[:limit]

    def streams(self, run_id: str) -> list[tuple[int, str, int]]:
        offsets = self._state.offsets.items()
        return sorted((key[1], key[2], size) for key, size in offsets if key[0] == run_id)
