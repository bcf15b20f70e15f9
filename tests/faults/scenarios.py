"""What a child of ``worker.py`` can be told to do."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from pathlib import Path

from tests.faults.sender import FAULTS, make_wide_plan, opened
from tests.faults.workload import drop_early, make_plan, run_plan


def write_plan(root: Path, seed: int, n_steps: int) -> None:
    """Append the steps of a plan with the real storage."""
    run_plan(root, seed, n_steps)


def write_plan_and_drop_early(root: Path, seed: int, n_steps: int) -> None:
    """The mutation: the log forgets records that the store has not written yet."""
    run_plan(root, seed, n_steps, drop_early)


def go_on_after_a_fault(root: Path, seed: int, n_steps: int) -> None:
    """Some call fails (a rule says which); afterwards the same process has everything."""
    with contextlib.ExitStack() as stack:
        try:
            sender = stack.enter_context(opened(root))
        except FAULTS as refusal:
            # Nothing was promised yet; whoever starts it tries again.
            say(f"did not start: {refusal}")
            sender = stack.enter_context(opened(root))
        for step in make_plan(seed, n_steps):
            sender.send(step)
        sender.send_refused()
        sender.settle()
        sender.verify()
        try:
            stack.close()
        except FAULTS as fault:
            say(f"did not close: {fault}")
    say(f"refused {sender.n_refused}, failed {sender.n_failed}")
    with opened(root) as again:
        again.verify(sender)


def refuse_while_log_cannot_sync(root: Path) -> None:
    """The fifth fsync of a record fails: not acknowledged, and the log goes on in a new file."""
    steps = make_plan(5, 12)
    with opened(root) as sender:
        for step in steps[:4]:
            assert sender.send(step)
        before = sorted((root / "data" / "log").iterdir())
        assert not sender.send(steps[4])
        sender.verify()
        for step in steps[4:]:
            assert sender.send(step)
        assert len(sorted((root / "data" / "log").iterdir())) > len(before)
        sender.verify()
    with opened(root) as again:
        again.verify(sender)


def refuse_while_files_may_not_grow(root: Path) -> None:
    """RLIMIT_FSIZE is set and lifted again; SIGXFSZ is ignored by Python itself."""
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    with opened(root) as sender:
        for step in make_wide_plan(3, 6):
            assert sender.send(step)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, unlimited[1]))
        for step in make_wide_plan(4, 4):
            assert not sender.send(step)
        sender.verify()
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        sender.send_refused()
        sender.settle()
        sender.verify()
        say(f"refused {sender.n_refused}, failed {sender.n_failed}")
    with opened(root) as again:
        again.verify(sender)


def die_on_full_disk(root: Path, acked: str, is_careless: bool) -> None:  # noqa: FBT001  # from JSON
    """Send until the disk is full, write down how many were acknowledged, and die."""
    write = os.write

    def write_carelessly(fd: int, content: bytes) -> int:
        try:
            return write(fd, content)
        except OSError:
            return len(content)

    if is_careless:
        os.write = write_carelessly  # type: ignore[assignment]  # the mutation
    with opened(root, is_room_watched=False) as sender:
        for step in make_wide_plan(1, 1000, 100):
            if not sender.send(step) or sender.n_failed > 3:
                break
        Path(acked).write_text(str(len(sender.acked)), encoding="ascii")
        os.kill(os.getpid(), signal.SIGKILL)


def say(words: str) -> None:
    """Tell the test."""
    print(words)  # noqa: T201  # a child has no other way
