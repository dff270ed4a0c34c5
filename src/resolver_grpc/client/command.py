"""``resolver-grpc resolve``: a shipment file in, three lists out.

What belongs here: the program's options and what it tells the person who runs it. Nothing of a row is ever
shown: the lists hold what there is to say about it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from rich.console import Console
from rich.table import Table

from resolver_grpc.client.client import ResolverClient
from resolver_grpc.client.credentials import TokenFile, read_channel_credentials
from resolver_grpc.client.lists import DECISIONS, ERROR_LIST, RECEIPT, ShipmentLists, reason_name, route_name
from resolver_grpc.client.shipment import Shipment, open_shipment
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.program import one_line_errors, progress
from resolver_grpc.v1 import decision_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from resolver_grpc.v1.resolver_service_pb2 import GetServerInfoResponse

# A server that is not there at the start is more likely misnamed than restarting.
_PATIENCE_AT_THE_START = 10.0
_ROWS_PER_STEP = 500
_FILE = click.Path(path_type=Path)

_EPILOG = """\b
Examples:
  resolver-grpc resolve may.csv --sender nordkraft --server 127.0.0.1:50051 --out may/
  resolver-grpc resolve may.csv --sender nordkraft --server 127.0.0.1:50051 --out may/ \\
      --personal-content --shipment-id may-letters
  resolver-grpc resolve may.csv --sender nordkraft --server resolver.example.dk:50051 --out may/ \\
      --ca resolver-ca.pem --cert intake.pem --key intake.key

\b
The shipment is a table with headings, as a spreadsheet saves it: UTF-8 or Windows-1252, semicolon,
comma or tab between cells. Columns are known by Danish or English headings:
  reference           løbenr, kundenr, ref (without one: the row's number)
  name                navn, or fornavn and efternavn
  address             adresse (one line, or with postnr and by beside it),
                      or vejnavn, husnr, etage, dør and postnr, or kvhx
  number              cpr, cvr
  e-mail address      e-mail

\b
A row is resolved by its CPR number, else its CVR number, else its address with what names there
are, else its e-mail address. A row with an address and no name goes to everyone at that address
who agreed to it; --personal-content refuses such rows.
"""


class Summary(NamedTuple):
    """What became of a shipment."""

    shipment: Shipment
    counts: Counter[tuple[int, int]]
    info: GetServerInfoResponse


@click.command("resolve", epilog=_EPILOG)
@click.argument("shipment", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--sender", required=True, metavar="ID", help="The onboarded sender whose letters these are.")
@click.option(
    "--server", required=True, metavar="HOST:PORT", help="The resolver; on this machine, or elsewhere with --ca."
)
@click.option("--ca", type=_FILE, help="The CA that signed the server's certificate, PEM: use TLS.")
@click.option("--cert", type=_FILE, help="Your own certificate chain, PEM.")
@click.option("--key", type=_FILE, help="Its private key, PEM, mode 600.")
@click.option("--token-file", type=_FILE, help="A file with your token, mode 600; read again for each batch.")
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help=f"The folder for {DECISIONS}, {ERROR_LIST} and {RECEIPT}; lists of a former run are replaced.",
)
@click.option("--personal-content", is_flag=True, help="The letters hold personal content: refuse addresses alone.")
@click.option("--shipment-id", default="", metavar="ID", help="Your own name for the shipment.")
@click.option("--handles", is_flag=True, help=f"Write the handles of those reached into {DECISIONS} and {RECEIPT}.")
def resolve(
    *,
    shipment: Path,
    sender: str,
    server: str,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    token_file: Path | None,
    out: Path,
    personal_content: bool,
    shipment_id: str,
    handles: bool,
) -> None:
    """Resolve the recipients of a SHIPMENT file into decisions, an error list and a receipt.

    Nothing is sent before the whole file has been checked, and no list is written unless all of it was
    resolved. Resolving changes nothing: a shipment may be resolved again.
    """
    with one_line_errors(), _client(server, ca, cert, key, token_file) as client:
        opened = open_shipment(shipment)
        lists = ShipmentLists(out, opened.table.delimiter, with_handles=handles)
        if shipment.resolve() in {path.resolve() for path in lists.paths}:
            raise ConfigurationError("A list would take the shipment's own place: choose another folder for --out.")
        info = client.server_info(retry_for=_PATIENCE_AT_THE_START)
        with lists, progress(opened.rows, "Resolving") as advance:
            decisions = client.resolve(
                opened.queries(), sender_id=sender, shipment_id=shipment_id, personal_content=personal_content
            )
            counts = _write(decisions, lists, advance)
        show_summary(Summary(opened, counts, info), lists, Console())


def _client(server: str, ca: Path | None, cert: Path | None, key: Path | None, token: Path | None) -> ResolverClient:
    credentials = read_channel_credentials(ca, cert, key)
    return ResolverClient(server, credentials=credentials, token=TokenFile(token) if token else None)


def _write(
    decisions: Iterable[decision_pb2.Decision], lists: ShipmentLists, advance: Callable[[int], None]
) -> Counter[tuple[int, int]]:
    counts: Counter[tuple[int, int]] = Counter()
    for done, decision in enumerate(decisions, 1):
        lists.add(decision)
        counts[decision.route, decision.reason] += 1
        if done % _ROWS_PER_STEP == 0:
            advance(_ROWS_PER_STEP)
    advance(counts.total() % _ROWS_PER_STEP)
    return counts


def show_summary(summary: Summary, lists: ShipmentLists, console: Console) -> None:
    """Show the counts by route and reason, what was passed over, where the lists are and what to do next."""
    table = Table("route", "reason", title=f"{summary.shipment.rows} rows", title_justify="left")
    table.add_column("rows", justify="right")
    for (route, reason), count in sorted(summary.counts.items()):
        table.add_row(route_name(route), reason_name(reason), str(count))
    console.print(table)
    for sentence in _remarks(summary) + _next_steps(summary, lists):
        # A path must stay in one piece, and a heading is no markup.
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _remarks(summary: Summary) -> list[str]:
    remarks = []
    if summary.shipment.columns.ignored:
        remarks.append(f"Columns that were not read: {', '.join(summary.shipment.columns.ignored)}.")
    if summary.info.stale:
        remarks.append("The server's snapshot is past its horizon and reaches fewer: ask its operator for a new one.")
    if summary.info.refusal_reason:
        remarks.append("The server refuses the snapshot that is live and answers from another: tell its operator.")
    return remarks


def _next_steps(summary: Summary, lists: ShipmentLists) -> list[str]:
    decisions, error_list, receipt = lists.paths
    rejected = sum(count for (route, _), count in summary.counts.items() if route == decision_pb2.ROUTE_REJECT)
    if rejected:
        correct = f"{error_list}: {rejected} rejected. Correct these rows and send them as a shipment of their own."
    else:
        correct = f"{error_list}: empty, no row was rejected."
    return [
        f"{decisions}: what to do with each row, for the delivery. It holds CPR and CVR numbers: delete it afterwards.",
        correct,
        f"{receipt}: what became of every row, without numbers, to be kept.",
    ]
