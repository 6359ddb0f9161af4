"""Evaluates a boolean flag with flagd's Python core.

Argument: the folder with the packages. Standard input: {"flag", "default", "files": [text…], "users": [context…]}.
Standard output: {"answers": [text…]}, one character a user: 1 on, 0 off; null where the file is refused.
"""

import json
import logging
import sys

sys.path.insert(0, sys.argv[1])

from openfeature.contrib.tools.flagd.core import FlagdCore  # noqa: E402
from openfeature.evaluation_context import EvaluationContext  # noqa: E402
from openfeature.exception import OpenFeatureError  # noqa: E402

logging.disable(logging.CRITICAL)


def is_on(core, flag, default, context):
    attributes = {name: value for name, value in context.items() if name != "targetingKey"}
    try:
        return core.resolve_boolean_value(flag, default, EvaluationContext(context.get("targetingKey"), attributes)).value
    except OpenFeatureError:
        # what the SDK does with an error: the caller's default
        return default


def answer(file, asked):
    core = FlagdCore()
    try:
        core.set_flags(file)
    except Exception:  # whatever it is, the provider keeps the old flags
        return None
    users = asked["users"]
    return "".join("1" if is_on(core, asked["flag"], asked["default"], user) is True else "0" for user in users)


asked = json.load(sys.stdin)
json.dump({"answers": [answer(file, asked) for file in asked["files"]]}, sys.stdout)
