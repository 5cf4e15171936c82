"""Code that evades a look: it reads its caller, equals everything, or speaks and ends while it is imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from obra.evidence.expectations import commands
from obra.evidence.findings import Work
from obra.evidence.python_check import Function
from obra.evidence.python_source import PythonSource, dotted, functions_of, last_name, literal, module_names

_FRAMES = frozenset(
    {"stack", "_getframe", "currentframe", "getouterframes", "extract_stack", "walk_stack", "f_back"}
)
_LINES = frozenset({"code_context", "getline", "getlines", "getsource", "getsourcelines", "findsource"})
_CALLERS = re.compile(
    r"\b(?:call(?:er|ing|[- ]site)|stack|frame|traceback|source (?:code|line|text))", re.IGNORECASE
)
"""Words of a task whose work may well read the lines that call it."""
_WILDCARD = re.compile(
    r"\b(?:equals? (?:to )?(?:any|every)|wildcard|compares? equal|matches (?:any|every)thing)", re.IGNORECASE
)
_VALUES = frozenset({"int", "float", "str", "bytes", "list", "tuple", "dict", "set", "object", "complex"})
_ABRUPT = frozenset({"os._exit", "os.abort", "os.kill"})
_EXITS = frozenset({"sys.exit", "exit", "quit"})
_LATER = frozenset({"atexit.register", "register"})
_PRINTS = frozenset({"print", "sys.stdout.write", "sys.stderr.write", "os.write"})


def evades(source: PythonSource, work: Work) -> Iterator[str]:
    """Yield how a changed file gets round its checks, unless it did before or the task asks for just that."""
    old = {_without_line(what) for what in _evasions(source.path, source.before, work)}
    yield from (what for what in _evasions(source.path, source.after, work) if _without_line(what) not in old)


def _without_line(what: str) -> str:
    return what.rpartition(" in line ")[0]


def _evasions(path: str, tree: ast.Module | None, work: Work) -> Iterator[str]:
    if tree is None:
        return
    if not _CALLERS.search(work.task_text):
        yield from _reads_callers(tree)
    if not _WILDCARD.search(work.task_text):
        yield from _equals_everything(tree)
        yield from _says_the_same(tree)
    yield from _while_imported(path, tree, work)


def _reads_callers(tree: ast.Module) -> Iterator[str]:
    """Find code that goes up the stack and reads the text there, or reads the interpreter's own command line."""
    nodes = list(ast.walk(tree))
    names = {last_name(node): node for node in nodes if isinstance(node, ast.Attribute | ast.Name)}
    opened = any(
        isinstance(node, ast.Call) and last_name(node) in {"open", "Path"} and _names_a_frame(node)
        for node in nodes
    )
    frames, lines = names.keys() & _FRAMES, names.keys() & _LINES
    if frames and (lines or opened):
        yield f"reads the source of its caller in line {names[min(frames)].lineno}"
    starts = any(name.startswith(("exec", "spawn", "Popen")) for name in names)
    for node in nodes:
        asks = isinstance(node, ast.Attribute) and dotted(node) == "sys.orig_argv" and not starts
        if asks or (isinstance(node, ast.Constant) and node.value == "/proc/self/cmdline"):
            yield f"reads the command line of Python itself in line {getattr(node, 'lineno', 0)}"


def _names_a_frame(call: ast.Call) -> bool:
    return any(
        isinstance(inner, ast.Attribute) and inner.attr in {"co_filename", "filename"}
        for value in call.args
        for inner in ast.walk(value)
    )


def _equals_everything(tree: ast.Module) -> Iterator[str]:
    """Find an ``__eq__`` that says yes without a look at what it is compared with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == "__eq__":
            answers = [one.value for one in ast.walk(node) if isinstance(one, ast.Return)]
            own = {item.name for item in ast.walk(tree) if isinstance(item, ast.ClassDef) and node in item.body}
        elif isinstance(node, ast.Assign) and last_name(node.targets[0]) == "__eq__":
            answers, own = [node.value.body] if isinstance(node.value, ast.Lambda) else [], set()
        else:
            continue
        if answers and all(answer is not None and _is_yes(answer, own) for answer in answers):
            yield f"defines objects that are equal to everything in line {node.lineno}"


def _says_the_same(tree: ast.Module) -> Iterator[str]:
    """Find a kind of number or text that prints as one constant, whatever its value is."""
    for item in ast.walk(tree):
        if not isinstance(item, ast.ClassDef) or _VALUES.isdisjoint(map(last_name, item.bases)):
            continue
        for node in item.body:
            if isinstance(node, ast.FunctionDef) and node.name in {"__str__", "__repr__", "__format__"}:
                returned = [one.value for one in ast.walk(node) if isinstance(one, ast.Return)]
                if returned and all(isinstance(one, ast.Constant) for one in returned):
                    yield f"defines values that print the same whatever they are in line {node.lineno}"


def _is_yes(answer: ast.expr, own: AbstractSet[str]) -> bool:
    """Tell whether an expression is true whatever the values are: it compares none, and is not plainly false.

    That the other thing is of some class is no comparison; that it is of the class itself (*own*) may be one.
    """
    if isinstance(answer, ast.Call) and last_name(answer) == "isinstance" and len(answer.args) > 1:
        return isinstance(answer.args[1], ast.Name) and answer.args[1].id in _VALUES - own
    if any(isinstance(inner, ast.Name) for inner in ast.walk(answer)):
        return False
    return not (isinstance(answer, ast.Constant) and not answer.value)


# --- modules that a check's own program imports


def _while_imported(path: str, tree: ast.Module, work: Work) -> Iterator[str]:
    """Find a module that ends the check's program, or prints its answer, as soon as it is imported."""
    lines = [check.command for check in commands(work) if _imports(check.command.run, path)]
    if not lines:
        return
    wanted = [spec.output for spec in lines if spec.output is not None and "print(" in spec.run]
    functions = {name: item for name, item in functions_of(tree).items() if "." not in name}
    own = {name.partition(".")[0] for name in functions_of(tree)}
    yield from _never_returns(functions, [spec.run for spec in lines])
    for statement, is_sure in [
        *_run_on_import(tree.body, is_sure=True),
        *_called_on_import(tree, functions),
    ]:
        call = statement.value if isinstance(statement, ast.Expr) else None
        name = dotted(call.func) if isinstance(call, ast.Call) else ""
        exits = name in _EXITS or _raises_exit(statement)
        if name in _ABRUPT or (exits and is_sure):
            yield f"ends the program that imports it in line {statement.lineno}"
        elif isinstance(call, ast.Call) and name in _PRINTS and any(_says(call, own, one) for one in wanted):
            yield f"prints what a check expects while it is imported in line {statement.lineno}"


def _never_returns(functions: Mapping[str, Function], runs: Sequence[str]) -> Iterator[str]:
    """Find a function whose result a command prints, and that ends the program instead of returning one."""
    for name, item in functions.items():
        printed = any(re.search(rf"print\(.*\b{re.escape(name)}\(", run, re.DOTALL) for run in runs)
        returns = any(isinstance(one, ast.Return) and one.value is not None for one in ast.walk(item))
        if printed and not returns:
            ends = [one for one, is_sure in _run_on_import(item.body, is_sure=True) if is_sure and _is_end(one)]
            yield from (f"ends the program that calls {name} in line {one.lineno}" for one in ends)


def _is_end(statement: ast.stmt) -> bool:
    call = statement.value if isinstance(statement, ast.Expr) else None
    name = dotted(call.func) if isinstance(call, ast.Call) else ""
    return name in _ABRUPT or name in _EXITS or _raises_exit(statement)


def _called_on_import(tree: ast.Module, functions: Mapping[str, Function]) -> Iterator[tuple[ast.stmt, bool]]:
    """Yield the statements of functions that run while the module is imported, or when its program ends."""
    names = {"__getattr__"} & functions.keys()
    for statement, _ in _run_on_import(tree.body, is_sure=True):
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                names |= {node.func.id} & functions.keys()
            if isinstance(node, ast.Call) and dotted(node.func) in _LATER:
                names |= {last_name(one) for one in node.args} & functions.keys()
    for name, item in functions.items():
        if name in names or any(dotted(one) in _LATER for one in item.decorator_list):
            yield from ((one, True) for one, _ in _run_on_import(item.body, is_sure=True))


def _imports(run: str, path: str) -> bool:
    names = "|".join(map(re.escape, sorted(module_names(path))))
    return bool(names) and re.search(rf"\b(?:import|from)\s+(?:[\w.]+\s*,\s*)*(?:{names})\b", run) is not None


def _run_on_import(body: list[ast.stmt], *, is_sure: bool) -> Iterator[tuple[ast.stmt, bool]]:
    """Yield the simple statements that run on import, and whether they always do; a main program does not."""
    for statement in body:
        match statement:
            case ast.If(test=test) if "__name__" in ast.unparse(test):
                continue
            case ast.If() | ast.For() | ast.While() | ast.Match():
                inner = False
            case _:
                inner = is_sure
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        parts = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
        if not any(parts):
            yield statement, is_sure
        for part in parts:
            yield from _run_on_import(part, is_sure=inner)


def _raises_exit(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Raise)
        and statement.exc is not None
        and last_name(statement.exc) in {"SystemExit", "KeyboardInterrupt"}
    )


def _says(call: ast.Call, own: set[str], wanted: str) -> bool:
    """Tell whether a call prints *wanted*, or words that nothing of this module works out."""
    try:
        return any(wanted in str(literal(value)) for value in call.args)
    except ValueError:
        used = {inner.id for inner in ast.walk(call) if isinstance(inner, ast.Name)}
        return used.isdisjoint(own)
