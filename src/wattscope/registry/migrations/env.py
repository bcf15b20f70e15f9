"""What Alembic runs: the steps on the connection that it is given, in its open transaction."""

from __future__ import annotations

from alembic import context


def run_steps() -> None:
    """Everything that is asked for, without a commit of its own."""
    context.configure(connection=context.config.attributes["connection"])
    context.run_migrations()


# Alembic loads this file under that name; whoever only looks at the module runs nothing.
if __name__ == "env_py":
    run_steps()
