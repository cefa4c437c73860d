"""What the reference shows of the compiled module: signatures from its stubs, texts from the module itself.

Griffe reads the package's sources and `_core.pyi`, which has no docstrings: these are in the compiled
module. This extension of Griffe's joins the two, and does the same for attributes whose text is made at run
time. What the compiled classes take is in `__new__`, where Python's own classes have `__init__`; it is shown
in the same way. A section "Example:" is one of examples.
"""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import griffe

_MISSING = object()
_MAKING = ("__init__", "__new__")
"""What the class itself explains."""


class Docstrings(griffe.Extension):
    """Fills in what is known only at run time, and names the sections as Griffe knows them."""

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **_: Any) -> None:
        """Change the package once it is loaded as a whole."""
        for module in (pkg["_core"], pkg["_standard"]):
            _fill(module, importlib.import_module(module.path))
        _name_examples(pkg)


def _fill(documented: griffe.Object, compiled: object) -> None:
    for name, overloads in documented.overloads.items():
        if name not in documented.members:  # stubs have nothing beside the overloads
            function = griffe.Function(name, parameters=overloads[-1].parameters, parent=documented)
            function.returns = overloads[-1].returns
            function.overloads = overloads
            documented.members[name] = function
    for name, member in documented.members.items():
        if member.is_alias:
            continue
        # As it stands in the class: a computed attribute would be asked for its value otherwise.
        value = inspect.getattr_static(compiled, name, _MISSING)
        text = None if value is _MISSING else inspect.getdoc(value)
        if text and not member.docstring and name not in _MAKING:
            member.docstring = griffe.Docstring(text, parent=member, parser="google")
        if member.is_class and value is not _MISSING:
            _fill(member, value)
    if documented.is_class and "__new__" in documented.members and "__init__" not in documented.members:
        made = documented.members["__new__"].parameters
        documented.members["__init__"] = griffe.Function("__init__", parameters=made, parent=documented)


def _name_examples(documented: griffe.Object) -> None:
    if documented.docstring:
        documented.docstring.value = re.sub(r"(?m)^( *)Example:$", r"\1Examples:", documented.docstring.value)
    for member in documented.members.values():
        if not member.is_alias:
            _name_examples(member)
