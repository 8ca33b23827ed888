"""The studio's types are those of the API."""

import json
import subprocess
from pathlib import Path

from scripts.describe_api import description

ROOT = Path(__file__).resolve().parents[2]
STUDIO = ROOT / "dispatcher" / "studio"


def test_the_generated_types_are_those_of_the_description_of_the_api(tmp_path: Path) -> None:
    described, generated = tmp_path / "openapi.json", tmp_path / "schema.ts"
    described.write_text(json.dumps(description(), sort_keys=True))
    subprocess.run(
        [
            str(ROOT / ".venv/bin/node"),
            str(STUDIO / "node_modules/openapi-typescript/bin/cli.js"),
            str(described),
            "-o",
            str(generated),
        ],
        cwd=STUDIO,
        check=True,
        capture_output=True,
    )
    committed = (STUDIO / "src/api/schema.ts").read_text()
    assert generated.read_text() == committed, "run `make studio-types`, and commit the result"
