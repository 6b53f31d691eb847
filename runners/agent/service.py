"""Follow a service: a job that an agent runs beside others until it is stopped, such as a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tare.results.said import say
from tare.runners.agent.answer import JobAnswer
from tare.runners.agent.wire import Refused
from tare.runners.host.endings import how_ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from tare.runners.agent.wire import Message
    from tare.runners.model import Job

_SHOWN_CHARACTERS = 300
"""Characters of the last line of output that a failure's reason quotes."""


class Listener(Protocol):
    """The conversation with the agent that runs the service."""

    def listen(self, until: Callable[[], bool], seconds: float) -> bool:
        """Take what the agent says until a condition holds; return whether it does before the time is out."""

    def end(self, service: AgentService) -> None:
        """Kill the service with all of its processes, and wait for its end."""


class AgentService:
    """See :class:`tare.runners.model.Service`. The agent sends the first bytes of each stream, as it does of a job."""

    def __init__(self, listener: Listener, job: Job, sequence: int) -> None:
        self.sequence = sequence
        self._listener = listener
        self._answer = JobAnswer(job, sequence)
        self.refused = ""
        """Why the agent does not run it; empty if it does."""
        self.explain: Callable[[], str] = str
        """Function that says which limit of its place ended it; empty if none did. Set by the place."""

    @property
    def begun(self) -> bool:
        """Tell whether its process was made, or will not be."""
        return self._answer.started is not None or bool(self.refused)

    @property
    def ended(self) -> str:
        """See :class:`tare.runners.model.Service`."""
        done = self._answer.done
        if done is None:
            return ""
        if why := self.explain() or done.error:
            return why
        code = -(done.status & 0x7F) or done.status >> 8 & 0xFF
        lines = self.output.decode("utf-8", "replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        how = how_ended(code)
        if not last:
            return say("service.wordless", "{how}, without a word", how=how)
        return say("service.ended", "{how}: {last}", how=how, last=last[:_SHOWN_CHARACTERS])

    @property
    def output(self) -> bytes:
        """See :class:`tare.runners.model.Service`."""
        return bytes(self._answer.streams[0]) + bytes(self._answer.streams[1])

    def add(self, message: Message) -> str:
        """Take a message of the agent about it; return what is wrong with it, or an empty text."""
        if isinstance(message, Refused):
            self.refused = message.text
            return ""
        return self._answer.add(message)

    def wait_for(self, condition: Callable[[AgentService], bool], seconds: float) -> bool:
        """See :class:`tare.runners.model.Service`."""
        self._listener.listen(lambda: bool(self.ended) or condition(self), seconds)
        return condition(self)

    def look(self) -> str:
        """See :class:`tare.runners.model.Service`."""
        self._listener.listen(lambda: bool(self.ended), 0)
        return self.ended

    def stop(self) -> None:
        """See :class:`tare.runners.model.Service`."""
        self._listener.end(self)
