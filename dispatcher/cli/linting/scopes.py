"""The names of a scope and what they are bound to."""

from dataclasses import dataclass, field

from dispatcher.cli.linting.values import Local, Value


@dataclass
class NameScope:
    """The names of a module, a class body or a function.

    A name that is bound to something unknown hides the one outside.
    """

    outer: "NameScope | None" = None
    class_name: str = ""
    function: Local | None = None
    names: dict[str, Value | None] = field(default_factory=dict)

    def bind(self, name: str, value: Value | None) -> None:
        self.names[name] = value

    def find(self, name: str) -> Value | None:
        scope: NameScope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        return None

    def of_functions(self) -> "NameScope | None":
        """What a function that is defined here sees outside itself: no class's body."""
        return self.outer if self.class_name and self.function is None else self
