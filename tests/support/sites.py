"""Places as a workload sees them when it makes its jobs."""

from support.stub import Duck
from tare.bench.workloads.base import Site


class RecordingImage(Duck):
    """Shows in a job's words what was asked of the image."""

    def argv(self, root: str, program: str, *args: str) -> tuple[str, ...]:
        return (f"{root.rstrip('/')}/bin/{program}", *args)

    def directory(self, root: str, program: str, scratch: str) -> str:
        return scratch

    def environ(self, root: str, program: str = "") -> dict[str, str]:
        return {"ROOT": root}


def make_site(root: str = "/", cpus: int = 2, first_cpu: int = 0) -> Site:
    """Give the folders and CPUs of a place whose image records."""
    return Site(RecordingImage(), root, "/scratch", cpus, first_cpu)
