"""Runs one semantics case through the whole service and compares all that can be seen of it."""

import re

from tests.integration.semantics_cases import Case
from tests.rigs.desk import Desk


def check_case(desk: Desk, case: Case, target: str, method: str) -> None:
    """The log, text for text, and the exit code, as `semantics_cases` says."""
    folder = re.sub(r"\W", "-", f"case-{case.name}-{target}-{method}")
    source = desk.root / "sources" / folder
    for name, content in case.snapshot().items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    run = desk.submit(
        str(source),
        *case.arguments,
        target=target,
        start_method=method,
        environment_variables=dict(case.env),
    )
    run.wait_for_completion(raise_on_error=False, timeout=60)
    [attempt] = desk.attempts(run.id)
    evidence = attempt["evidence"]
    log = "".join(run.get_details_with_logs()["logFiles"].values())
    assert (evidence["exit_code"], evidence["signal"]) == (case.exit_code, case.signal), log
    if case.contains is not None:
        assert case.contains in log
    if case.out is not None:
        assert re.fullmatch(_pattern(case.out), log), log


def _pattern(out: str) -> str:
    """The text, with one and the same folder wherever it says `{dir}`."""
    first, *rest = (re.escape(part) for part in out.split("{dir}"))
    return first + "".join(("(?P=dir)" if k else "(?P<dir>/.*?)") + p for k, p in enumerate(rest))
