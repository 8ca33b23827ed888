"""The client: the SDK at the desk and inside runs.

It needs the standard library alone and keeps Python 3.8 syntax, because it is copied into images
beside user scripts (PyYAML comes with it under a private name, see `libraries`). The modules that
`run.log` needs import nothing that a bare interpreter has not loaded already (`in_run`). Other
imports are made inside functions where they would slow down a script's start. The layers are, from
top to bottom: `v1`, `in_run`, `api`, `errors`.
"""

from dispatcher.client.in_run.standard_library import protect

protect(__name__.partition(".")[0])
