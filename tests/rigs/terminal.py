"""The command line as its users meet it: commands in this process, scripts in a real bash."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

SHIM = f'eval "$({sys.executable} -m dispatcher.cli.main shim env)"\n'


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.code == 0, self
        return json.loads(self.out)


def command(app: typer.Typer, *words: object) -> Answer:
    """One command; an exception that it lets through is the test's."""
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    return Answer(result.exit_code, result.stdout, result.stderr)


def bash(
    script: str, folder: Path, environment: Mapping[str, str] | None = None, shim: bool = True
) -> Answer:
    """A script in bash, with `az` and `azureml` from `dispatcher shim env`."""
    done = subprocess.run(
        ["bash", "-c", (SHIM if shim else "") + script],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Answer(done.returncode, done.stdout, done.stderr)
