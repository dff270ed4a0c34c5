"""The command line: ``resolver-grpc serve``, ``resolve``, ``keys new``, ``decision-table``."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from resolver_grpc.client.command import resolve
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.index.layout import FOREVER
from resolver_grpc.keys import create_key_file, read_key_file
from resolver_grpc.policy.table import table_markdown
from resolver_grpc.program import one_line_errors
from resolver_grpc.times import parse_time

_EXISTING = click.Path(path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="resolver-grpc")
def main() -> None:
    """Exchanges what a sender knows about its recipients for routing decisions of digital post.

    \b
    Examples:
      resolver-grpc keys new index.key
      resolver-grpc serve --snapshot snapshot --keys index.key --senders senders.toml
      resolver-grpc resolve shipment.csv --sender nordkraft --server 127.0.0.1:50051 --out lists
    """


main.add_command(resolve)


@main.command()
@click.option("--snapshot", "directory", required=True, type=_EXISTING, help="A snapshot's directory, or a store's.")
@click.option("--keys", "key_file", required=True, type=_EXISTING, help="The key file it was built with.")
@click.option("--senders", "senders_file", required=True, type=_EXISTING, help="The onboarded senders, TOML.")
@click.option("--listen", default="127.0.0.1:50051", show_default=True, help="HOST:PORT, loopback only; port 0: any.")
@click.option("--as-of", "as_of", help="Judge everything at this instant: a day, or an instant with Z or offset.")
@one_line_errors()
def serve(directory: Path, key_file: Path, senders_file: Path, listen: str, as_of: str | None) -> None:
    """Serves a snapshot, or a store's live generation, over gRPC until SIGTERM or Ctrl-C.

    A store is followed: a new live generation is taken up within seconds, between two batches. One that can't be
    served is refused, which log, server info and health tell, and the former one goes on.

    Every caller counts as delivery and is told numbers, so that the server listens on the loopback only.

    \b
    Examples:
      resolver-grpc serve --snapshot snapshot --keys index.key --senders senders.toml
      resolver-grpc serve --snapshot /srv/resolver/store --keys index.key --senders senders.toml \\
          --listen 127.0.0.1:50052 --as-of 2026-11-01T12:00:00Z
    """
    from resolver_grpc.server.app import check_listen_address, run  # noqa: PLC0415 - gRPC is slow to load
    from resolver_grpc.server.reload import Store  # noqa: PLC0415
    from resolver_grpc.server.senders import read_senders  # noqa: PLC0415
    from resolver_grpc.server.served import open_served  # noqa: PLC0415
    from resolver_grpc.snapshot.generations import GENERATIONS_FOLDER  # noqa: PLC0415

    address = check_listen_address(listen)
    senders, instant = read_senders(senders_file), _parse_as_of(as_of)
    key = read_key_file(key_file)
    store = None
    if (directory / GENERATIONS_FOLDER).is_dir():
        # The server's messages name the store wherever it was started.
        store = Store(directory.absolute(), lambda path, sighting: open_served(path, key, senders, instant, sighting))
    served = store.open_live() if store else open_served(directory, key, senders, instant)
    asyncio.run(run(served, address, store))


def _parse_as_of(text: str | None) -> int | None:
    try:
        instant = None if text is None else parse_time(text)
    except ValueError as error:
        raise ConfigurationError(f"--as-of is {error}") from None
    if instant is not None and instant >= FOREVER:
        raise ConfigurationError("--as-of lies after 2106, which no snapshot can be judged at; replay an earlier day")
    return instant


@main.group()
def keys() -> None:
    """Makes key files."""


@keys.command()
@click.argument("file", type=_EXISTING)
@one_line_errors()
def new(file: Path) -> None:
    """Writes a new random key to FILE, which only its owner may read.

    Keep it as safe as the register: with it, and a snapshot, numbers can be read. Without it a snapshot is of
    no use; builder and server need the same one.

    \b
    Example:
      resolver-grpc keys new index.key
    """
    key = create_key_file(file)
    click.echo(f"{file}: new key {key.key_id}")


@main.command("decision-table")
def decision_table() -> None:
    """Prints the decision table as Markdown, from the rules that the server decides by."""
    click.echo(table_markdown(), nl=False)
