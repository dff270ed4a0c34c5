"""The command line: ``resolver-grpc serve``, ``resolve``, ``keys new``, ``changes new``, ``decision-table``."""

from __future__ import annotations

from pathlib import Path

import click

from resolver_grpc.errors import ConfigurationError
from resolver_grpc.index.layout import FOREVER
from resolver_grpc.key_commands import keys
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.policy.table import table_markdown
from resolver_grpc.program import one_line_errors
from resolver_grpc.server.listening import check_listen_address, check_loopback_address
from resolver_grpc.server.log import silence_grpc
from resolver_grpc.server.plan import Plan, check_production, choose_tls
from resolver_grpc.server.supervising import supervise
from resolver_grpc.times import parse_time

_EXISTING = click.Path(path_type=Path)


class _Commands(click.Group):
    """The commands; ``resolve`` is loaded when it is asked for, with gRPC, which a supervisor is not to touch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), "resolve"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name != "resolve":
            return super().get_command(ctx, cmd_name)
        from resolver_grpc.client.command import resolve  # noqa: PLC0415

        return resolve


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="resolver-grpc")
def main() -> None:
    """Exchanges what a sender knows about its recipients for routing decisions of digital post.

    \b
    Examples:
      resolver-grpc keys new index.key
      resolver-grpc serve --snapshot snapshot --keys index.key --senders senders.toml --insecure
      resolver-grpc resolve shipment.csv --sender nordkraft --server 127.0.0.1:50051 --out lists
    """


@main.command()
@click.option("--snapshot", "directory", required=True, type=_EXISTING, help="A snapshot's directory, or a store's.")
@click.option("--keys", "key_file", required=True, type=_EXISTING, help="The key file it was built with.")
@click.option("--senders", "senders_file", required=True, type=_EXISTING, help="The onboarded senders, TOML.")
@click.option("--listen", default="127.0.0.1:50051", show_default=True, help="HOST:PORT; port 0: any that is free.")
@click.option("--tls-cert", "certificate", type=_EXISTING, help="The server's certificate chain, PEM.")
@click.option("--tls-key", "tls_key", type=_EXISTING, help="Its private key, PEM, mode 600.")
@click.option("--client-ca", type=_EXISTING, help="Ask every client for a certificate that one of these CAs signed.")
@click.option("--access", "access_file", type=_EXISTING, help="The callers: roles, senders, how they are known, TOML.")
@click.option("--insecure", is_flag=True, help="In the clear, on the loopback only; without --access all are delivery.")
@click.option("--as-of", "as_of", help="Judge everything at this instant: a day, or an instant with Z or offset.")
@click.option("--audit", type=_EXISTING, help="The folder of the audit, which must be there.")
@click.option("--budgets", type=_EXISTING, help="The file of what senders have used up; made where there is none.")
@click.option("--changes", type=_EXISTING, help="The log of changes, which `resolver-grpc changes new` made.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(min=1), help="How many processes serve.")
@click.option("--metrics", help="HOST:PORT on the loopback, for Prometheus; port 0: any.")
@one_line_errors()
def serve(
    directory: Path,
    key_file: Path,
    senders_file: Path,
    listen: str,
    certificate: Path | None,
    tls_key: Path | None,
    client_ca: Path | None,
    access_file: Path | None,
    as_of: str | None,
    audit: Path | None,
    budgets: Path | None,
    changes: Path | None,
    workers: int,
    metrics: str | None,
    *,
    insecure: bool,
) -> None:
    """Serves a snapshot, or a store's live generation, over gRPC until SIGTERM or Ctrl-C.

    A store is followed: a new live generation is taken up within seconds, between two batches. One that can't be
    served is refused, which log, server info and health tell, and the former one goes on.

    With several workers each is a process that shares the port. One that dies is started again; SIGHUP replaces them
    one after the other, without a call failing, and so takes up new callers. The senders' file is taken up whenever it
    changes.

    Callers are known by a certificate or a token, and do what their role may; nobody else is answered, but for health.
    Certificates are taken up anew whenever their files change. In the clear the server listens on the loopback only.

    With an audit each batch is recorded before its answer leaves; with budgets a sender is held to what its profile
    allows. While either can't be written nothing is resolved. With TLS both must be named.

    With a log of changes, registrars may tell what happens between two snapshots, and every batch takes account of all
    that was acknowledged before it began. While the log can't be read nothing is resolved.

    \b
    Examples:
      resolver-grpc serve --snapshot snapshot --keys index.key --senders senders.toml --insecure
      resolver-grpc serve --snapshot /srv/resolver/store --keys index.key --senders senders.toml --workers 4 \\
          --listen 0.0.0.0:50051 --tls-cert server.pem --tls-key server.key --client-ca clients.pem \\
          --access access.toml --audit /srv/resolver/audit --budgets /srv/resolver/budgets
      resolver-grpc serve --snapshot /srv/resolver/store --keys index.key --senders senders.toml --insecure \\
          --listen 127.0.0.1:50052 --as-of 2026-11-01T12:00:00Z
    """
    tls = choose_tls(
        insecure=insecure, certificate=certificate, key=tls_key, client_ca=client_ca, access_file=access_file
    )
    check_production(tls, audit=audit, budgets=budgets)
    check_listen_address(listen, loopback_only=tls is None)
    if metrics:
        check_loopback_address(metrics, "--metrics")
    plan = Plan(
        directory,
        key_file,
        senders_file,
        listen,
        _parse_as_of(as_of),
        audit,
        metrics=metrics,
        access_file=access_file,
        tls=tls,
        budgets=budgets,
        changes=changes,
    )
    if workers > 1:
        supervise(plan, workers)
        return
    silence_grpc()
    from resolver_grpc.server.app import run  # noqa: PLC0415 - gRPC is slow to load, and no supervisor's

    run(plan)


def _parse_as_of(text: str | None) -> int | None:
    try:
        instant = None if text is None else parse_time(text)
    except ValueError as error:
        raise ConfigurationError(f"--as-of is {error}") from None
    if instant is not None and instant >= FOREVER:
        raise ConfigurationError("--as-of lies after 2106, which no snapshot can be judged at; replay an earlier day")
    return instant


main.add_command(keys)


@main.group()
def changes() -> None:
    """Makes the log of changes.

    \b
    Example:
      resolver-grpc changes new /srv/resolver/changes --keys index.key
    """


@changes.command("new")
@click.argument("path", type=_EXISTING)
@click.option("--keys", "key_file", required=True, type=_EXISTING, help="The key file of the server.")
@one_line_errors()
def new_changes(path: Path, key_file: Path) -> None:
    """Makes an empty log of changes at PATH, in a folder that exists, for its owner alone.

    \b
    Example:
      resolver-grpc changes new /srv/resolver/changes --keys index.key
    """
    if path.exists():
        raise ConfigurationError(f"{path}: is there already; a log is begun once, and another one at another path")
    from resolver_grpc.changes.log import ChangeLog  # noqa: PLC0415 - LMDB is no supervisor's

    ChangeLog(path, read_key_ring(key_file)).close()
    click.echo(f"{path}: an empty log of changes, which snapshots of change sequence 0 begin with")


@main.command("decision-table")
def decision_table() -> None:
    """Prints the decision table as Markdown, from the rules that the server decides by."""
    click.echo(table_markdown(), nl=False)
