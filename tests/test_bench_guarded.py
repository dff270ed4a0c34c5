"""What guards cost, on a country of 2,000 mailboxes: that what is measured is guarded, and the report."""

import sys
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner

from resolver_grpc.audit.naming import list_chains

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import guarded
from guards import make_guards
from nation.requests import encode_requests
from nation.world import make_country
from serving import make_site, serving

SIZE, SEED = 2_000, 7
METHOD = "/resolver_grpc.v1.ResolverService/ResolveBatch"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return make_site(SIZE, SEED, tmp_path_factory.mktemp("site"))


def test_a_guarded_server_answers_its_caller_alone_and_keeps_an_audit(site, tmp_path):
    (message,) = encode_requests(make_country(SIZE, SEED), "full_name", batch=1, count=1, hit_rate=1, seed=1)
    guards = make_guards(tmp_path)
    with serving(site, guards=guards) as server:
        with grpc.secure_channel(server.address, server.credentials) as channel:
            assert channel.unary_unary(METHOD)(message, timeout=10)
        (chain,) = list_chains(tmp_path / "audit")
        assert (tmp_path / "audit" / chain).read_text(encoding="utf-8").count('"caller":"load"') == 1
        roots = grpc.ssl_channel_credentials((tmp_path / "ca.pem").read_bytes())
        for channel in (grpc.insecure_channel(server.address), grpc.secure_channel(server.address, roots)):
            with channel, pytest.raises(grpc.RpcError) as refused:
                channel.unary_unary(METHOD)(message, timeout=10)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_the_report_sets_both_beside_each_other(site, tmp_path):
    words = ["--mailboxes", SIZE, "--seed", SEED, "--snapshot", site.snapshot, "--keys", site.keys]
    words += ["--rounds", 1, "--seconds", 0.3, "--out", tmp_path / "guarded.md"]
    done = CliRunner().invoke(guarded.main, list(map(str, words)))
    assert done.exit_code == 0, done.output
    lines = (tmp_path / "guarded.md").read_text(encoding="utf-8").splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith(("| FULL_NAME", "| all kinds"))]
    hows = ("in the clear", "with budgets alone", "with an audit alone", "guarded")
    assert [row[0].rpartition(", ")[2] for row in rows] == [*hows] * 3
    assert all(float(figure.replace(",", "")) > 0 for row in rows for figure in row[1:5])
