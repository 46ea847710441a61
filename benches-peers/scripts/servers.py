"""Measurement servers, one for each language, and going round them."""

import os
import statistics
import subprocess
from dataclasses import dataclass

# One measurement takes about this long, or one operation if that is longer.
SECONDS_PER_MEASUREMENT = 0.04


@dataclass(frozen=True)
class Work:
    """What is measured."""

    operation: str
    suite: str
    message_len: int
    threads: int = 1


class Server:
    """A process that answers the requests that src/main.rs describes."""

    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env={**os.environ, **(environment or {})},
        )

    def ask(self, request):
        """The number that a request is answered by."""
        self.process.stdin.write(request + "\n")
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"no answer to {request!r}: exit code {self.process.wait()}")
        return float(answer)

    def close(self):
        """Lets the process end."""
        self.process.stdin.close()
        self.process.wait()


@dataclass(frozen=True)
class Implementation:
    """A name for tables, the server that measures it, and what the server calls it."""

    name: str
    server: Server
    called: str

    def seconds(self, work, repeats):
        """The time that `work` takes, done `repeats` times by each thread."""
        return self.server.ask(
            f"{self.called} {work.operation} {work.suite} {work.message_len} {work.threads} {repeats}"
        )

    def repeats_for(self, work):
        """How often `work` must be done to take long enough."""
        # The first run of all pays for what is set up once.
        self.seconds(work, 1)
        repeats = 1
        while True:
            seconds = self.seconds(work, repeats)
            if seconds > SECONDS_PER_MEASUREMENT / 4:
                return max(1, round(repeats * SECONDS_PER_MEASUREMENT / seconds))
            repeats *= 4


def interleaved(implementations, work, rounds):
    """Bytes a second, by the implementation's name: one figure for each round, in which all have their turn.

    Each does its work once just before, so that it finds the memory that it had last: on virtual machines, memory that was
    free for seconds is the host's again, and costs more to get back than the work.
    """
    repeats = {each.name: each.repeats_for(work) for each in implementations}
    speeds = {each.name: [] for each in implementations}
    for number in range(rounds):
        start = number % len(implementations)
        for each in implementations[start:] + implementations[:start]:
            count = repeats[each.name]
            each.seconds(work, 1)
            seconds = each.seconds(work, count)
            speeds[each.name].append(work.message_len * count * work.threads / seconds)
    return speeds


def ratio(speeds, name, other):
    """The median of how much faster `name` was than `other` in the same round."""
    return statistics.median(a / b for a, b in zip(speeds[name], speeds[other], strict=True))
