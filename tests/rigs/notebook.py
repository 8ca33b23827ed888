"""Executes cells in one namespace, as a notebook's kernel does: `notebook.py CELLS RESULTS`.

It runs as a script of the user's side, so it imports nothing of this repository. A line `!command`
goes to the shell and its output into the cell's. Unlike a kernel it keeps the value of every bare
expression, not only of the last one.
"""

import ast
import io
import json
import re
import subprocess
import sys
from contextlib import redirect_stdout

_SHELL = re.compile(r"^!(.+)$", re.MULTILINE)


def shell(command: str) -> None:
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    print(done.stdout, end="")


def execute(code: str, namespace: "dict[str, object]") -> "dict[str, object]":
    tree = ast.parse(_SHELL.sub(lambda m: f"__shell__({m[1]!r})", code))
    out, values = io.StringIO(), []
    with redirect_stdout(out):
        for statement in tree.body:
            if isinstance(statement, ast.Expr):
                expression = compile(ast.Expression(statement.value), "<cell>", "eval")
                value = eval(expression, namespace)
                if value is not None:
                    values.append(repr(value))
            else:
                module = ast.Module([statement], type_ignores=[])
                exec(compile(module, "<cell>", "exec"), namespace)
    return {"out": out.getvalue(), "values": values}


def main(source: str, target: str) -> None:
    with open(source, encoding="utf-8") as file:
        codes = json.load(file)
    namespace: dict[str, object] = {"__name__": "__main__", "__shell__": shell}
    results = []
    for code in codes:
        print(code, file=sys.stderr, flush=True)
        results.append(execute(code, namespace))
    with open(target, "w", encoding="utf-8") as file:
        json.dump(results, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
