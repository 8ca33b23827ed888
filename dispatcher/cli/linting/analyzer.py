"""The analyzer: walks one program, resolves its names, and checks each use of `azureml`.

It follows imports, assignments, `with`, `for`, annotations, attributes of `self`, and the program's
own functions. It reports nothing about values that it cannot resolve. It walks the program twice:
the second walk uses the functions' arguments and results that the first one has collected.
"""

import ast
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dispatcher.cli.linting import remarks, surface, values
from dispatcher.cli.linting.findings import Finding, SupportLevel
from dispatcher.cli.linting.scopes import NameScope
from dispatcher.cli.linting.sources import Source, UnreadableFile
from dispatcher.cli.linting.values import (
    Class,
    Function,
    Module,
    Object,
    Unsupported,
    UserFunction,
    Value,
)

ROOT = "azureml"
_SAME_ELEMENTS = ("list", "tuple", "sorted", "reversed", "iter", "set")
_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def analyze(units: Sequence[Source]) -> list[Finding]:
    """Check one program: a file, or the cells of a notebook in order."""
    trees: list[tuple[Source, ast.Module]] = []
    unreadable: list[Finding] = []
    for unit in units:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # warnings about the checked code
                trees.append((unit, ast.parse(unit.text)))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            unreadable.append(unreadable_finding(_syntax_error(unit, error)))
    if not any(ROOT in unit.text for unit, _ in trees):
        return unreadable
    analyzer = _Analyzer()
    try:
        for pass_number in (1, 2):
            analyzer.begin()
            for unit, tree in trees:
                analyzer.unit = unit
                analyzer.visit(tree)
            analyzer.finish(report=pass_number == 2)
    except RecursionError:
        file = UnreadableFile(units[0].file, "its code is nested too deeply")
        unreadable.append(unreadable_finding(file))
    return unreadable + analyzer.findings


def unreadable_finding(file: UnreadableFile) -> Finding:
    """The finding about a file that cannot be read."""
    return Finding(
        file.file,
        file.cell,
        file.line,
        "",
        SupportLevel.UNREADABLE,
        f"{file.reason}. The file was skipped.",
    )


def _syntax_error(unit: Source, error: BaseException) -> UnreadableFile:
    line = getattr(error, "lineno", None) or 1
    reason = getattr(error, "msg", None) or str(error) or "its code is nested too deeply"
    return UnreadableFile(unit.file, f"it is not Python 3: {reason}", unit.cell, line)


@dataclass
class _Analyzer(ast.NodeVisitor):
    findings: list[Finding] = field(default_factory=list)
    unit: Source = field(default_factory=lambda: Source("", ""))
    scope: NameScope = field(default_factory=NameScope)
    pending: list[tuple[Source, NameScope, _FunctionNode, UserFunction]] = field(
        default_factory=list
    )
    functions: dict[tuple[str, int | None, int], UserFunction] = field(default_factory=dict)
    attributes: dict[tuple[str, str], Value] = field(default_factory=dict)

    def begin(self) -> None:
        self.findings.clear()
        self.scope = NameScope()

    def finish(self, report: bool) -> None:
        """Walk the bodies of functions, after all names of the program are bound."""
        while self.pending:
            self.unit, self.scope, node, local = self.pending.pop(0)
            self.scope.function = local
            for statement in node.body:
                self.visit(statement)
        if not report:
            self.findings.clear()

    # Bindings of names.

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name.split(".")[0] != ROOT:
                self.scope.bind(alias.asname or alias.name.split(".")[0], None)
                continue
            value = values.module(alias.name)
            self._check(node, value)
            self.scope.bind(alias.asname or ROOT, value if alias.asname else Module(ROOT))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        name = node.module or ""
        if node.level or name.split(".")[0] != ROOT:
            for alias in node.names:
                self.scope.bind(alias.asname or alias.name, None)
            return
        module = values.module(name)
        for alias in node.names:
            if alias.name == "*":
                self._bind_all(node, module)
                continue
            value = values.attribute(module, alias.name) if isinstance(module, Module) else None
            if isinstance(module, Unsupported):
                value = Unsupported(
                    f"{name}.{alias.name}", remarks.alternative_to(f"{name}.{alias.name}")
                )
            self._check(node, value)
            self.scope.bind(alias.asname or alias.name, value)

    def _bind_all(self, node: ast.ImportFrom, module: Value) -> None:
        self._check(node, module)
        if isinstance(module, Module):
            for name in getattr(surface.packages()[module.name], "__all__", ()):
                self.scope.bind(name, values.attribute(module, name))

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        value = self.value(node.value)
        for target in node.targets:
            self._bind(target, value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        value = self._annotation_value(node.annotation)
        if node.value is not None:
            self.visit(node.value)
            value = self.value(node.value) or value
        self._bind(node.target, value)

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
        outer = self.scope
        self.scope = NameScope(outer, class_name=node.name)
        for statement in node.body:
            self.visit(statement)
        self.scope = outer

    def visit_FunctionDef(self, node: _FunctionNode) -> None:
        for each in [*node.decorator_list, *node.args.defaults]:
            self.visit(each)
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        key = (self.unit.file, self.unit.cell, node.lineno)
        local = self.functions.setdefault(key, UserFunction([each.arg for each in arguments]))
        inner = NameScope(self.scope.enclosing_of_functions(), class_name=self.scope.class_name)
        for argument in arguments:
            inner.bind(argument.arg, self._parameter_value(argument, local))
        if not self.scope.class_name:
            self.scope.bind(node.name, local)
        self.pending.append((self.unit, inner, node, local))

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None:
            self.visit(node.value)
            value = self.value(node.value)
            if self.scope.function is not None and value is not None:
                self.scope.function.result = value

    # Checked uses.

    def visit_Call(self, node: ast.Call) -> None:
        value = self.value(node.func)
        if isinstance(node.func, ast.Attribute):
            self.visit(node.func.value)
        elif not isinstance(node.func, ast.Name):
            self.visit(node.func)
        for each in [*node.args, *(keyword.value for keyword in node.keywords)]:
            self.visit(each)
        if isinstance(value, UserFunction):
            self._record_arguments(value, node)
        elif isinstance(value, Unsupported):
            self._add(node, value.name, SupportLevel.UNSUPPORTED, value.fix)
        elif isinstance(value, Function | Class):
            self._add(node, value.name, *self._verdict(value, node))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.visit(node.value)
        value = self.value(node)
        if isinstance(value, Unsupported):
            self._add(node, value.name, SupportLevel.UNSUPPORTED, value.fix)

    def _verdict(self, value: Function | Class, node: ast.Call) -> tuple[SupportLevel, str]:
        callables = (value.cls,) if isinstance(value, Class) else (value.function, *value.overrides)
        parameters = [each for one in callables for each in surface.parameters(one)]
        names = list(dict.fromkeys(each.name for each in parameters))
        takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters)
        for keyword in node.keywords:
            if keyword.arg is not None and keyword.arg not in names and not takes_any:
                public = ", ".join(name for name in names if name != "self" and name[0] != "_")
                return (
                    SupportLevel.UNSUPPORTED,
                    f"It has no parameter {keyword.arg!r}; it has: {public}.",
                )
        name = value.cls.__name__ if isinstance(value, Class) else value.name
        difference = remarks.DIFFERENCES.get(name)
        return (
            (SupportLevel.APPROXIMATED, difference) if difference else (SupportLevel.SUPPORTED, "")
        )

    def _check(self, node: ast.AST, value: Value | None) -> None:
        if isinstance(value, Unsupported):
            self._add(node, value.name, SupportLevel.UNSUPPORTED, value.fix)

    def _add(self, node: ast.AST, call: str, verdict: SupportLevel, fix: str) -> None:
        line = getattr(node, "lineno", 1)
        sentence = fix[:1].upper() + fix[1:]
        self.findings.append(Finding(self.unit.file, self.unit.cell, line, call, verdict, sentence))

    # Values of expressions.

    def value(self, node: ast.expr) -> Value | None:
        match node:
            case ast.Name():
                return self.scope.lookup(node.id)
            case ast.Attribute(value=ast.Name(id="self")) if self.scope.class_name:
                return self.attributes.get((self.scope.class_name, node.attr))
            case ast.Attribute():
                base = self.value(node.value)
                return values.attribute(base, node.attr) if base is not None else None
            case ast.Call():
                return self._call_value(node)
            case ast.Subscript():
                base = self.value(node.value)
                is_container = isinstance(base, Object) and base.shape in ("many", "map")
                return base.one() if isinstance(base, Object) and is_container else None
            case ast.ListComp() | ast.GeneratorExp():
                element = self.value(node.elt)
                return Object(element.cls, "many") if isinstance(element, Object) else None
            case ast.Await() | ast.NamedExpr():
                return self.value(node.value)
            case ast.IfExp():
                return self.value(node.body) or self.value(node.orelse)
            case ast.BoolOp():
                operands = (self.value(each) for each in node.values)
                return next((each for each in operands if each is not None), None)
        return None

    def _call_value(self, node: ast.Call) -> Value | None:
        value = self.value(node.func)
        if value is not None:
            return values.call(value)
        if isinstance(node.func, ast.Name) and node.args:
            argument = self.value(node.args[0])
            if isinstance(argument, Object) and node.func.id in _SAME_ELEMENTS:
                return argument
            if isinstance(argument, Object) and node.func.id == "next":
                return argument.one()
            if isinstance(argument, Object) and node.func.id == "enumerate":
                return Object(argument.cls, "pairs")
        return None

    def _bind(self, target: ast.expr, value: Value | None) -> None:
        match target:
            case ast.Name():
                self.scope.bind(target.id, value)
            case ast.Attribute(value=ast.Name(id="self")) if self.scope.class_name:
                if value is not None:
                    self.attributes[self.scope.class_name, target.attr] = value
            case ast.Attribute():
                self._check_assignment(target)
            case ast.Tuple() | ast.List():
                for each in target.elts:
                    self._bind(each, None)
            case _:
                self.visit(target)

    def _check_assignment(self, target: ast.Attribute) -> None:
        """Check that an attribute that is set exists, for classes that refuse unknown ones."""
        self.visit(target.value)
        base = self.value(target.value)
        if isinstance(base, Object) and base.shape == "one" and surface.is_closed(base.cls):
            value = values.attribute(base, target.attr)
            if isinstance(value, Unsupported):
                self._add(target, value.name, SupportLevel.UNSUPPORTED, value.fix)

    def _bind_each(self, target: ast.expr, iterated: ast.expr) -> None:
        value = self.value(iterated)
        shape = value.shape if isinstance(value, Object) else ""
        if isinstance(value, Object) and shape == "many":
            self._bind(target, value.one())
        elif isinstance(value, Object) and shape == "pairs" and isinstance(target, ast.Tuple):
            for each, bound in zip(target.elts, (None, value.one()), strict=False):
                self._bind(each, bound)
        else:
            self._bind(target, None)

    def _record_arguments(self, local: UserFunction, node: ast.Call) -> None:
        for name, argument in _arguments(local, node):
            value = self.value(argument)
            if value is not None:
                local.bound.setdefault(name, value)

    def _parameter_value(self, argument: ast.arg, local: UserFunction) -> Value | None:
        if argument.annotation is not None:
            value = self._annotation_value(argument.annotation)
            if value is not None:
                return value
        cls = surface.class_by_convention(argument.arg)
        guess = Object(cls, is_certain=False) if cls is not None else None
        return local.bound.get(argument.arg) or guess

    def _annotation_value(self, annotation: ast.expr) -> Value | None:
        for node in ast.walk(annotation):
            if isinstance(node, ast.Name | ast.Attribute):
                value = self.value(node)
                if isinstance(value, Class):
                    return Object(value.cls)
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named = self.scope.lookup(node.value)
                if isinstance(named, Class):
                    return Object(named.cls)
        return None


def _arguments(local: UserFunction, node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    yield from zip(local.parameters, node.args, strict=False)
    yield from ((each.arg, each.value) for each in node.keywords if each.arg is not None)
