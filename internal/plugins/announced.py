"""What a plugin in Python announces, read from its source on stdin without running it, as JSON on stdout.
What is not written out as a literal is null. Error: {"error": a sentence}."""

import ast
import json
import sys

LISTS = {"job": "jobs", "watch": "watchers", "config": "config"}


def said(node, constants):
    """A literal, or a name that stands for one; None for what only a run would tell."""
    if isinstance(node, ast.Name) and node.id in constants:
        node = constants[node.id]
    try:
        value = ast.literal_eval(node)
        json.dumps(value)
        return list(value) if isinstance(value, (tuple, set)) else value
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None


def arguments(call, names, constants):
    """The arguments of a call by their names."""
    positional = dict(zip(names, call.args))
    given = {**positional, **{word.arg: word.value for word in call.keywords if word.arg}}
    return {name: said(node, constants) for name, node in given.items()}


def name_of(call):
    """`plugin.job(…)` is called job, `Plugin(…)` Plugin."""
    return getattr(call.func, "attr", None) or getattr(call.func, "id", "")


def read(tree):
    constants = {target.id: node.value for node in tree.body if isinstance(node, ast.Assign)
                 for target in node.targets if isinstance(target, ast.Name)}
    found = {"maker": "", "jobs": [], "schedules": [], "endpoints": [], "watchers": [], "config": []}

    def schedule(call, names):
        found["schedules"].append(arguments(call, names, constants))

    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any("ScheduledPlugin" in ast.unparse(base) for base in node.bases):
            fields = {target.id: said(entry.value, constants) for entry in node.body if isinstance(entry, ast.Assign)
                      for target in entry.targets if isinstance(target, ast.Name) and target.id != "schedules"}
            found.update({key: value for key, value in fields.items() if key in
                          ("name", "version", "description", "capabilities")}, maker="ScheduledPlugin")
        if isinstance(node, ast.Attribute) and node.attr == "websocket":
            found["endpoints"].append("WebSocket")
        if not isinstance(node, ast.Call):
            continue
        word = name_of(node)
        if word == "Plugin":
            found.update(arguments(node, ["name", "version"], constants), maker="Plugin")
        elif word == "Schedule":
            schedule(node, ["id", "when"])
        elif word == "schedule" and isinstance(node.func, ast.Attribute):
            schedule(node, ["id", "handler", "when"])
        elif word == "http" and isinstance(node.func, ast.Attribute):
            route = arguments(node, ["method", "path"], constants)
            method, path = route.get("method"), route.get("path")
            found["endpoints"].append(f"{method.upper()} {path}" if method and path else None)
        elif word in LISTS and isinstance(node.func, ast.Attribute):
            found[LISTS[word]].append(arguments(node, ["name"], constants).get("name"))
    return found


try:
    print(json.dumps(read(ast.parse(sys.stdin.buffer.read()))))
except SyntaxError as error:
    print(json.dumps({"error": f"line {error.lineno}: {error.msg}"}))
except (ValueError, RecursionError, MemoryError) as error:
    print(json.dumps({"error": str(error)}))
