"""Replay what a real kubectl said, as far as the runner uses one, for a cluster of one node that is this host.

``run`` starts the agent as a plain child on its own streams, as an attached one is, and lets the recorded watch events
out at the moments at which a cluster does.
"""

import json
import os
import sys
from pathlib import Path

from support.paths import GOLDEN
from support.stub import Duck
from tare.runners.host.processes import boot_id
from tare.runners.provision.tools import Tool

RECORDED = GOLDEN / "kubernetes"
PROGRAM = """#!{python}
import json, os, subprocess, sys
folder, agent, recorded = {folder!r}, {agent!r}, {recorded!r}
words = sys.argv[1:]
with open(folder + "/log", "a") as log:
    log.write(json.dumps(words) + "\\n")
if words[0] == "--context":
    words = words[2:]
namespaces = folder + "/namespaces"


def option(name):
    return words[words.index(name) + 1]


def tell(first, last):
    fifo = os.open(folder + "/events", os.O_RDWR)
    for event in recorded["events"][first:last]:
        text = json.dumps(event).replace("THE-POD", words[1]).replace("THE-NAMESPACE", option("--namespace"))
        os.write(fifo, text.encode() + b"\\n")
    os.close(fifo)


if words[:2] == ["config", "current-context"]:
    print("tare")
elif words[:2] == ["get", "nodes"]:
    print(json.dumps(recorded["nodes"]))
elif words[:2] == ["get", "--raw"]:
    if os.path.exists(folder + "/broken"):
        sys.exit("Unable to connect to the server: the double is broken")
    print("ok")
elif words[:2] == ["create", "namespace"]:
    os.mkdir(namespaces + "/" + words[2])
elif words[:2] == ["get", "namespace"]:
    print("namespace/" + words[2] if os.path.exists(namespaces + "/" + words[2]) else "", end="")
elif words[:2] == ["delete", "namespace"]:
    os.rmdir(namespaces + "/" + words[2])
elif words[:2] == ["delete", "pod"]:
    pass
elif words[:2] == ["get", "pods"]:
    fifo = os.open(folder + "/events", os.O_RDWR)
    while True:
        os.write(1, os.read(fifo, 65536))
elif words[0] == "run":
    if os.path.exists(folder + "/broken"):
        sys.exit("Error from server (Forbidden): pods is forbidden")
    (container,) = json.loads(option("--overrides"))["spec"]["containers"]
    tell(0, 3)  # it is there, and has a node
    environ = {{each["name"]: each["value"] for each in container["env"]}}
    child = subprocess.Popen(["/tare-agent", *container["command"][1:]], executable=agent, env=environ)
    tell(3, 4)  # it runs
    child.wait()
    tell(4, 7)  # it has ended, and is removed
    sys.exit(child.returncode)
else:
    sys.exit("the double does not know " + repr(words))
"""


class Double(Duck):
    """The double, and a provision that has no other tool."""

    def __init__(self, folder: Path, agent: Path | str, boot: str = "") -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "namespaces").mkdir()
        os.mkfifo(folder / "events")
        nodes = json.loads((RECORDED / "nodes.json").read_text())
        nodes["items"][0]["status"]["nodeInfo"]["bootID"] = boot or boot_id()
        recorded = {"nodes": nodes, "events": json.loads((RECORDED / "events.json").read_text())}
        self.path = folder / "kubectl"
        self.path.write_text(
            PROGRAM.format(python=sys.executable, folder=str(folder), agent=str(agent), recorded=recorded)
        )
        self.path.chmod(0o755)

    @property
    def log(self) -> list[list[str]]:
        """List the command lines so far."""
        return [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]

    @property
    def namespaces(self) -> list[str]:
        """List the namespaces that there are."""
        return sorted(each.name for each in (self.folder / "namespaces").iterdir())

    def break_it(self) -> None:
        """Make everything fail from now on."""
        (self.folder / "broken").touch()

    def tool(self, name: str) -> Tool:
        """Stand for a provision that has this kubectl."""
        assert name == "kubectl"
        return Tool("kubectl", self.path, (), (), {}, "given", 'GitVersion:"v1.20.2"', "", Path("/"))

    here = tool
