"""What every test shares: our own code may not block the event loop, and a busy machine fails no test."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
import structlog
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, settings

# how long one example takes says more about the machine's other work than about ours
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# `make check` is to be quick; `make test` looks for more
settings.register_profile("quick", settings.get_profile("house"), max_examples=25)
settings.load_profile("house")

MAY_BLOCK = ("test_prompts_", "test_log_", "test_checks.", "test_cli.")
"""What the command line does: building prompts, reading the log, `check`, on a loop that serves no call. What the
service itself does there is watched in those files by tests of their own."""


@pytest.fixture(autouse=True)
def logging_does_not_outlive_a_test() -> Iterator[None]:
    """A command that ran in this process logs to the stderr that it was given, which is closed by now."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def no_blocking_call_on_the_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """A blocking call from our own code fails an async test; what the test itself reads or writes may block.

    Not on the real Asterisk, where the service runs in a process of its own. tests/protocol is stricter still.
    """
    function = getattr(request.node, "function", None)
    watched = inspect.iscoroutinefunction(function) and not request.path.name.startswith(MAY_BLOCK)
    if not watched or request.node.get_closest_marker("asterisk"):
        yield
        return
    with blockbuster_ctx(scanned_modules="oddzwon") as blocks:
        # one stat each when the log and the control socket are opened, before any call is taken
        blocks.functions["os.stat"].can_block_in("oddzwon/log/writer.py", "_identity")
        blocks.functions["os.stat"].can_block_in("asyncio/unix_events.py", "create_unix_server")
        yield
