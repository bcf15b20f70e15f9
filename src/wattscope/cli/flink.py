"""The command that writes the Flink job: ``flink-sql``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wattscope.compute.flink import QUERIES_FILE, TABLES_FILE, write_job
from wattscope.compute.flink.job import Delivery, FlinkJob, Start
from wattscope.core.errors import SettingsError, StorageError

DEFAULT_OUT = "flink"
_DEFAULTS = FlinkJob()


def add_commands(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command("flink-sql")(flink_sql)


def flink_sql(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write to.")] = Path(
        DEFAULT_OUT
    ),
    bootstrap: Annotated[
        str, typer.Option(help="Kafka's host:port as Flink reaches it.")
    ] = _DEFAULTS.bootstrap,
    prefix: Annotated[str, typer.Option(help="What stands before the names of all topics.")] = "",
    group: Annotated[
        str, typer.Option(help="Name of the consumer group and of the job.")
    ] = _DEFAULTS.group,
    lateness: Annotated[
        float, typer.Option(help="Seconds that a bucket waits for readings out of order.")
    ] = _DEFAULTS.lateness_s,
    idle: Annotated[
        float, typer.Option(help="Seconds after which a silent partition is not waited for.")
    ] = _DEFAULTS.idle_s,
    checkpoint: Annotated[
        float, typer.Option(help="Seconds between checkpoints.")
    ] = _DEFAULTS.checkpoint_s,
    checkpoints: Annotated[
        str | None, typer.Option(metavar="URL", help="Where; left out, as the cluster is set.")
    ] = None,
    delivery: Annotated[Delivery, typer.Option(help="See docs/flink.md.")] = _DEFAULTS.delivery,
    start: Annotated[
        Start, typer.Option(help="Where to begin without a checkpoint.")
    ] = _DEFAULTS.start,
    kafka_option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=TEXT", help="An option of Kafka's clients.")
    ] = None,
) -> None:
    """Write the Flink job that rolls readings up from Kafka to Kafka; see docs/flink.md."""
    job = FlinkJob(
        bootstrap=bootstrap,
        topic_prefix=prefix,
        group=group,
        lateness_s=lateness,
        idle_s=idle,
        checkpoint_s=checkpoint,
        checkpoints=checkpoints,
        delivery=delivery,
        start=start,
        kafka_options=tuple(map(_split_option, kafka_option or ())),
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in write_job(job).items():
            (out / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"cannot write to {out}: {error.strerror}; name another folder with --out"
        ) from error
    typer.echo(f"wrote {out / TABLES_FILE} and {out / QUERIES_FILE}; submit them with")
    typer.echo(f"  sql-client.sh -i {out / TABLES_FILE} -f {out / QUERIES_FILE}")


def _split_option(text: str) -> tuple[str, str]:
    name, parted, value = text.partition("=")
    if not parted:
        raise SettingsError(f"Kafka option {text!r} is not understood; write NAME=TEXT")
    return name, value
