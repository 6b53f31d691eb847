"""Say why an agent costs its place: each sentence becomes the reason of a failed trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.results.said import say

if TYPE_CHECKING:
    from tare.runners.agent.wire import Message

DIED = say("agent.channel_closed", "The agent's channel closed: the agent died or was killed.")
DEAF = say("agent.stopped", "The agent stopped reading its channel.")
NO_SERVICE = say("agent.no_service", "The agent does not start a service.")
SERVICE_STAYS = say("agent.service_alive", "A service does not end.")
SILENT_AT_PINGS = say("agent.no_pong", "The agent does not answer pings.")
SILENT_AT_WAKING = say("agent.no_waking_pong", "The agent does not answer the ping that woke it.")
READY_TOO_EARLY = say("agent.ready_first", "it was ready before its first instruction")
WOKE_TOO_EARLY = say("agent.woke_early", "it woke up before it was saved")
LOOK_AT_CLOCK = say("remedy.clock_source", "Look at the place's clock source; see the log for its messages.")


def no_hello(seconds: float) -> str:
    """Say that no hello came in time."""
    return say("agent.no_hello", "The agent did not say hello within {seconds} s.", seconds=f"{seconds:g}")


def not_awake(seconds: float) -> str:
    """Say that a restored agent did not wake up in time."""
    return say("agent.not_awake", "The agent did not wake up within {seconds} s.", seconds=f"{seconds:g}")


def no_end(progress: str) -> str:
    """Say that a job's answer was not completed."""
    return say("agent.no_end", "The agent stopped answering: {progress}.", progress=progress)


def early(message: Message) -> str:
    """Say that another message came before the hello."""
    kind = type(message).__name__.lower()
    return say("agent.before_hello", "The agent sent {kind} before its hello.", kind=kind)


def odd_pong(sequence: int, pong: Message) -> str:
    """Say that a ping was answered by something else than its pong."""
    return say("agent.ping", "The agent answered ping {ping} with {pong}.", ping=sequence, pong=pong)


def odd_waking(pong: Message) -> str:
    """Say that the ping that woke the agent was answered by something else."""
    return say("agent.wake", "The agent answered the ping that woke it with {pong}.", pong=pong)


def no_setup(told: str) -> str:
    """Say that the agent could not set up its place."""
    return say("agent.no_setup", "The agent could not set up its place: {told}.", told=told)


def refused_service(told: str) -> str:
    """Say that the agent refused a service."""
    return say("agent.service_refused", "The agent refused a service: {told}.", told=told)


def refused_job(told: str) -> str:
    """Say that the agent refused a job."""
    return say("agent.job_refused", "The agent refused the job: {told}.", told=told)


def contradiction(complaint: str) -> str:
    """Say that the agent's messages contradict each other."""
    return say("agent.contradiction", "The agent contradicts itself: {complaint}.", complaint=complaint)


def clock_contradiction(what: str) -> str:
    """Say that the agent's clock contradicts itself."""
    return say("agent.clock_contradiction", "The agent's clock contradicts itself: {what}.", what=what)


def started_before_sent(nanoseconds: int) -> str:
    """Say that a job started before it was sent."""
    return say("agent.started_before_sent", "the job started {ns} ns before it was sent", ns=nanoseconds)


def ended_after_told(nanoseconds: int) -> str:
    """Say that a job ended after the agent told so."""
    return say("agent.ended_after_told", "the job ended {ns} ns after its end was told", ns=nanoseconds)


def started_before_ready(nanoseconds: int) -> str:
    """Say that a job started before its agent was ready."""
    return say(
        "agent.started_before_ready", "the job started {ns} ns before the agent was ready", ns=nanoseconds
    )


def ended_before_start(nanoseconds: int) -> str:
    """Say that a job ended before it started."""
    return say("agent.ended_before_start", "the job ended {ns} ns before it started", ns=nanoseconds)


def broke(error: object) -> str:
    """Say that the channel to the agent broke."""
    return say("agent.channel_broke", "The agent's channel broke: {error}.", error=error)


def nonsense(error: object) -> str:
    """Say that what came is no message."""
    return say("agent.nonsense", "The agent sent nonsense: {error}.", error=error)


def with_waiting(reason: str, waiting: list[str]) -> str:
    """Add the kinds of messages that came and were not taken; unchanged if there are none."""
    if not waiting:
        return reason
    return say(
        "agent.still_said",
        "{reason} It had still said: {waiting}.",
        reason=reason,
        waiting=", ".join(waiting),
    )
