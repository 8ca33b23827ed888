"""The names of a scope and what they are bound to."""

from dataclasses import dataclass, field

from dispatcher.cli.linting.values import UserFunction, Value


@dataclass
class NameScope:
    """The names of a module, a class body or a function.

    A name with an unknown value hides the same name of an outer scope.
    """

    outer: "NameScope | None" = None
    class_name: str = ""
    function: UserFunction | None = None
    names: dict[str, Value | None] = field(default_factory=dict)

    def bind(self, name: str, value: Value | None) -> None:
        self.names[name] = value

    def lookup(self, name: str) -> Value | None:
        """The value of a name; None if it is unknown."""
        scope: NameScope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        return None

    def enclosing_of_functions(self) -> "NameScope | None":
        """The outer scope of a function that is defined here; class bodies are skipped."""
        return self.outer if self.class_name and self.function is None else self
