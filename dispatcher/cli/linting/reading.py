"""Walks one file, follows what its names stand for, and judges each place that meets `azureml`.

It follows imports, assignments, `with`, `for`, annotations, attributes of `self`, and functions of
the file; what it cannot follow it says nothing of. The file is walked twice: what is found out of
its functions the first time is known everywhere the second time.
"""

import ast
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dispatcher.cli.linting import remarks, surface, values
from dispatcher.cli.linting.findings import Finding, SupportLevel
from dispatcher.cli.linting.scopes import NameScope
from dispatcher.cli.linting.sources import Source, Unreadable
from dispatcher.cli.linting.values import Class, Function, Local, Module, Nothing, Object, Value

ROOT = "azureml"
_SAME = ("list", "tuple", "sorted", "reversed", "iter", "set")
_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def read(units: Sequence[Source]) -> list[Finding]:
    """Judge the code of one file: its only text, or the cells of a notebook in their order."""
    trees: list[tuple[Source, ast.Module]] = []
    found: list[Finding] = []
    for unit in units:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about the user's code; it is not run here
                trees.append((unit, ast.parse(unit.text)))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            found.append(unreadable(_broken(unit, error)))
    if not any(ROOT in unit.text for unit, _ in trees):
        return found
    reader = _Reader()
    try:
        for pass_number in (1, 2):
            reader.begin()
            for unit, tree in trees:
                reader.unit = unit
                reader.visit(tree)
            reader.finish(judge=pass_number == 2)
    except RecursionError:
        found.append(unreadable(Unreadable(units[0].file, "its code is nested too deeply")))
    return found + reader.findings


def unreadable(what: Unreadable) -> Finding:
    """The finding about a file that cannot be read."""
    return Finding(
        what.file,
        what.cell,
        what.line,
        "",
        SupportLevel.UNREADABLE,
        f"{what.reason}. It was left out.",
    )


def _broken(unit: Source, error: BaseException) -> Unreadable:
    line = getattr(error, "lineno", None) or 1
    reason = getattr(error, "msg", None) or str(error) or "its code is nested too deeply"
    return Unreadable(unit.file, f"it is no Python 3: {reason}", unit.cell, line)


@dataclass
class _Reader(ast.NodeVisitor):
    findings: list[Finding] = field(default_factory=list)
    unit: Source = field(default_factory=lambda: Source("", ""))
    scope: NameScope = field(default_factory=NameScope)
    waiting: list[tuple[Source, NameScope, _FunctionNode, Local]] = field(default_factory=list)
    functions: dict[tuple[str, int | None, int], Local] = field(default_factory=dict)
    attributes: dict[tuple[str, str], Value] = field(default_factory=dict)

    def begin(self) -> None:
        self.findings.clear()
        self.scope = NameScope()

    def finish(self, judge: bool) -> None:
        """Walk the bodies of functions: by now all of the file's names are known."""
        while self.waiting:
            self.unit, self.scope, node, local = self.waiting.pop(0)
            self.scope.function = local
            for statement in node.body:
                self.visit(statement)
        if not judge:
            self.findings.clear()

    # Where names come from.

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name.split(".")[0] != ROOT:
                self.scope.bind(alias.asname or alias.name.split(".")[0], None)
                continue
            found = values.module(alias.name)
            self._judge_name(node, found)
            self.scope.bind(alias.asname or ROOT, found if alias.asname else Module(ROOT))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        name = node.module or ""
        if node.level or name.split(".")[0] != ROOT:
            for alias in node.names:
                self.scope.bind(alias.asname or alias.name, None)
            return
        home = values.module(name)
        for alias in node.names:
            if alias.name == "*":
                self._star(node, home)
                continue
            found = values.attribute(home, alias.name) if isinstance(home, Module) else None
            if isinstance(home, Nothing):
                found = Nothing(f"{name}.{alias.name}", remarks.of_name(f"{name}.{alias.name}"))
            self._judge_name(node, found)
            self.scope.bind(alias.asname or alias.name, found)

    def _star(self, node: ast.ImportFrom, home: Value) -> None:
        self._judge_name(node, home)
        if isinstance(home, Module):
            for name in getattr(surface.packages()[home.name], "__all__", ()):
                self.scope.bind(name, values.attribute(home, name))

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        found = self.value(node.value)
        for target in node.targets:
            self._bind(target, found)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        found = self._annotated(node.annotation)
        if node.value is not None:
            self.visit(node.value)
            found = self.value(node.value) or found
        self._bind(node.target, found)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self._bind(node.target, self.value(node.value))

    def visit_withitem(self, node: ast.withitem) -> None:
        self.visit(node.context_expr)
        if node.optional_vars is not None:
            self._bind(node.optional_vars, self.value(node.context_expr))

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self._bind_each(node.target, node.iter)
        for statement in [*node.body, *node.orelse]:
            self.visit(statement)

    visit_AsyncFor = visit_For  # noqa: N815  (ast's names)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> None:
        self._generators(node.generators)
        self.visit(node.elt)

    visit_ListComp = visit_SetComp = visit_GeneratorExp = _comprehension  # noqa: N815

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._generators(node.generators)
        self.visit(node.key)
        self.visit(node.value)

    def _generators(self, generators: list[ast.comprehension]) -> None:
        for each in generators:
            self.visit(each.iter)
            self._bind_each(each.target, each.iter)
            for condition in each.ifs:
                self.visit(condition)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for base in [*node.bases, *node.decorator_list]:
            self.visit(base)
        outside = self.scope
        self.scope = NameScope(outside, class_name=node.name)
        for statement in node.body:
            self.visit(statement)
        self.scope = outside

    def visit_FunctionDef(self, node: _FunctionNode) -> None:
        for each in [*node.decorator_list, *node.args.defaults]:
            self.visit(each)
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        key = (self.unit.file, self.unit.cell, node.lineno)
        local = self.functions.setdefault(key, Local([each.arg for each in arguments]))
        inside = NameScope(self.scope.of_functions(), class_name=self.scope.class_name)
        for argument in arguments:
            inside.bind(argument.arg, self._parameter(argument, local))
        if not self.scope.class_name:
            self.scope.bind(node.name, local)
        self.waiting.append((self.unit, inside, node, local))

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None:
            self.visit(node.value)
            found = self.value(node.value)
            if self.scope.function is not None and found is not None:
                self.scope.function.result = found

    # What is judged.

    def visit_Call(self, node: ast.Call) -> None:
        found = self.value(node.func)
        if isinstance(node.func, ast.Attribute):
            self.visit(node.func.value)
        elif not isinstance(node.func, ast.Name):
            self.visit(node.func)
        for each in [*node.args, *(keyword.value for keyword in node.keywords)]:
            self.visit(each)
        if isinstance(found, Local):
            self._called(found, node)
        elif isinstance(found, Nothing):
            self._add(node, found.name, SupportLevel.UNSUPPORTED, found.fix)
        elif isinstance(found, Function | Class):
            self._add(node, found.name, *self._verdict(found, node))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.visit(node.value)
        found = self.value(node)
        if isinstance(found, Nothing):
            self._add(node, found.name, SupportLevel.UNSUPPORTED, found.fix)

    def _verdict(self, found: Function | Class, node: ast.Call) -> tuple[SupportLevel, str]:
        called = (found.cls,) if isinstance(found, Class) else (found.function, *found.overrides)
        parameters = [each for one in called for each in surface.parameters(one)]
        names = list(dict.fromkeys(each.name for each in parameters))
        takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters)
        for keyword in node.keywords:
            if keyword.arg is not None and keyword.arg not in names and not takes_any:
                shown = ", ".join(name for name in names if name != "self" and name[0] != "_")
                return (
                    SupportLevel.UNSUPPORTED,
                    f"It has no parameter {keyword.arg!r}; it has: {shown}.",
                )
        known = found.cls.__name__ if isinstance(found, Class) else found.name
        text = remarks.DIFFERENT.get(known)
        return (SupportLevel.APPROXIMATED, text) if text else (SupportLevel.SUPPORTED, "")

    def _judge_name(self, node: ast.AST, found: Value | None) -> None:
        if isinstance(found, Nothing):
            self._add(node, found.name, SupportLevel.UNSUPPORTED, found.fix)

    def _add(self, node: ast.AST, call: str, verdict: SupportLevel, fix: str) -> None:
        line = getattr(node, "lineno", 1)
        said = fix[:1].upper() + fix[1:]
        self.findings.append(Finding(self.unit.file, self.unit.cell, line, call, verdict, said))

    # What expressions stand for.

    def value(self, node: ast.expr) -> Value | None:
        match node:
            case ast.Name():
                return self.scope.find(node.id)
            case ast.Attribute(value=ast.Name(id="self")) if self.scope.class_name:
                return self.attributes.get((self.scope.class_name, node.attr))
            case ast.Attribute():
                base = self.value(node.value)
                return values.attribute(base, node.attr) if base is not None else None
            case ast.Call():
                return self._result(node)
            case ast.Subscript():
                base = self.value(node.value)
                within = isinstance(base, Object) and base.shape in ("many", "map")
                return base.one() if isinstance(base, Object) and within else None
            case ast.ListComp() | ast.GeneratorExp():
                element = self.value(node.elt)
                return Object(element.cls, "many") if isinstance(element, Object) else None
            case ast.Await() | ast.NamedExpr():
                return self.value(node.value)
            case ast.IfExp():
                return self.value(node.body) or self.value(node.orelse)
            case ast.BoolOp():
                known = (self.value(each) for each in node.values)
                return next((each for each in known if each is not None), None)
        return None

    def _result(self, node: ast.Call) -> Value | None:
        found = self.value(node.func)
        if found is not None:
            return values.call(found)
        if isinstance(node.func, ast.Name) and node.args:
            given = self.value(node.args[0])
            if isinstance(given, Object) and node.func.id in _SAME:
                return given
            if isinstance(given, Object) and node.func.id == "next":
                return given.one()
            if isinstance(given, Object) and node.func.id == "enumerate":
                return Object(given.cls, "pairs")
        return None

    def _bind(self, target: ast.expr, found: Value | None) -> None:
        match target:
            case ast.Name():
                self.scope.bind(target.id, found)
            case ast.Attribute(value=ast.Name(id="self")) if self.scope.class_name:
                if found is not None:
                    self.attributes[self.scope.class_name, target.attr] = found
            case ast.Attribute():
                self._set(target)
            case ast.Tuple() | ast.List():
                for each in target.elts:
                    self._bind(each, None)
            case _:
                self.visit(target)

    def _set(self, target: ast.Attribute) -> None:
        """An attribute is set: of a configuration it must be one that it has."""
        self.visit(target.value)
        base = self.value(target.value)
        if isinstance(base, Object) and base.shape == "one" and surface.is_closed(base.cls):
            found = values.attribute(base, target.attr)
            if isinstance(found, Nothing):
                self._add(target, found.name, SupportLevel.UNSUPPORTED, found.fix)

    def _bind_each(self, target: ast.expr, iterated: ast.expr) -> None:
        found = self.value(iterated)
        shape = found.shape if isinstance(found, Object) else ""
        if isinstance(found, Object) and shape == "many":
            self._bind(target, found.one())
        elif isinstance(found, Object) and shape == "pairs" and isinstance(target, ast.Tuple):
            for each, bound in zip(target.elts, (None, found.one()), strict=False):
                self._bind(each, bound)
        else:
            self._bind(target, None)

    def _called(self, local: Local, node: ast.Call) -> None:
        for name, value in _arguments(local, node):
            found = self.value(value)
            if found is not None:
                local.bound.setdefault(name, found)

    def _parameter(self, argument: ast.arg, local: Local) -> Value | None:
        if argument.annotation is not None:
            found = self._annotated(argument.annotation)
            if found is not None:
                return found
        usual = surface.conventional(argument.arg)
        guess = Object(usual, sure=False) if usual is not None else None
        return local.bound.get(argument.arg) or guess

    def _annotated(self, annotation: ast.expr) -> Value | None:
        for node in ast.walk(annotation):
            if isinstance(node, ast.Name | ast.Attribute):
                found = self.value(node)
                if isinstance(found, Class):
                    return Object(found.cls)
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named = self.scope.find(node.value)
                if isinstance(named, Class):
                    return Object(named.cls)
        return None


def _arguments(local: Local, node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    yield from zip(local.parameters, node.args, strict=False)
    yield from ((each.arg, each.value) for each in node.keywords if each.arg is not None)
