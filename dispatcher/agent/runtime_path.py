"""The line that puts a run's runtime on the import path of all interpreters of an environment.

A script may replace PYTHONPATH, or start an interpreter that ignores it. So `azureml` is found in
another way as well: an installation of this product, and each environment that is built for runs,
has this line as a `.pth` file. Outside of runs it has no effect.
"""

from __future__ import annotations

import os

FILE = "compute_target_dispatcher.pth"
LINE = (
    'import os, sys; _r = os.environ.get("DISPATCHER_RUNTIME"); '
    "_r and _r not in sys.path and sys.path.insert(0, _r)\n"
)


def install(site_packages: str) -> None:
    """Write the file into a folder of packages, which need not exist yet. Raises OSError."""
    os.makedirs(site_packages, exist_ok=True)
    with open(os.path.join(site_packages, FILE), "w", encoding="utf-8") as file:
        file.write(LINE)
