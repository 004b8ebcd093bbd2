"""The fault `hush`: processes whose command lines match a pattern stand still.

Each call gets an instance of its own, which ends with the call: nothing is kept between calls.
"""

import json
import re

from componentize_py_types import Err
from wit_world.exports import chaos
from wit_world.imports import changes, containers
from wit_world.imports.types import Error_Invalid, Error_Unavailable

HUSH = "hush"

# JSON Schema of what a campaign may say under `params`. The host checks it, and fills in the defaults.
PARAMETERS = {
    "type": "object",
    "additionalProperties": False,
    "required": ["pattern"],
    "properties": {
        "pattern": {
            "type": "string",
            "minLength": 1,
            "maxLength": 200,
            "description": "A regular expression of Python's, found anywhere in the command line, e.g. `worker`.",
        },
    },
}


def signal(process: containers.Process, name: str) -> changes.Action:
    return changes.Action_SignalProcess(changes.ProcessSignal(process.pid, process.started, name))


def silence(target: str, process: containers.Process) -> changes.Change:
    """How to apply it and how to revert it. The host itself checks whether a process is stopped."""
    summary = f"stop process {process.pid} ({process.name}) of {target}"
    return changes.Change(target, summary, [signal(process, "SIGSTOP")], [signal(process, "SIGCONT")], None)


def document(text: str) -> dict:
    try:
        return dict(json.loads(text))
    except (TypeError, ValueError) as error:
        raise Err(Error_Invalid(f"{error}: {text}"))


class Chaos:
    """What the component exports; componentize-py finds it by its name."""

    def fault_types(self) -> list[chaos.FaultType]:
        summary = "Stop the processes whose command lines match a pattern; cleanup lets them go on."
        return [chaos.FaultType(HUSH, summary, json.dumps(PARAMETERS), ["helper"], [], chaos.Choice.BY_HOST)]

    def check_parameters(self, fault: str, parameters: str) -> list[chaos.Problem]:
        try:
            re.compile(document(parameters)["pattern"])
        except re.error as error:
            return [chaos.Problem("/pattern", f"is not a regular expression: {error}")]
        return []

    def inject(self, request: chaos.Request) -> str:
        pattern = document(request.parameters).get("pattern")
        if request.fault != HUSH or not isinstance(pattern, str):
            raise Err(Error_Invalid(f"unknown fault `{request.fault}`, or unknown parameters"))
        made: list[str] = []
        for target in request.targets:
            processes = containers.processes(target)
            # The first process of a container takes no signal from within it (pid_namespaces(7)).
            others = (one for one in processes if one.pid != 1)
            found = [one for one in others if re.search(pattern, " ".join(one.command))]
            if not found:
                raise Err(Error_Unavailable(f"no process of {target} but its first matches `{pattern}`"))
            print(f"{len(found)} of {target}'s processes match {pattern!r}")
            # The host reverts what was applied before a failure.
            made.extend(changes.apply(silence(target, process)) for process in found)
        # What `cleanup` needs, which may run in another process.
        return json.dumps({"chaos_type": HUSH, "changes": made})

    def cleanup(self, metadata: str) -> None:
        made = document(metadata).get("changes")
        if not isinstance(made, list):
            raise Err(Error_Invalid("the metadata has no list `changes`"))
        for change in reversed(made):
            changes.revert(str(change))
