"""Who may do what, by the rules alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.errors import NotPermittedError, UnauthenticatedError
from resolver_grpc.model import Role
from resolver_grpc.server.access import ROLES_BY_RPC, Caller, Identity, IdentityKind, caller_of, check_role

CALLERS = [Caller(name, Role.INTAKE, frozenset({"power"})) for name in "abc"]
IDENTITIES = [Identity(kind, text) for kind in IdentityKind for text in ("x", "y")]
identities = st.sampled_from(IDENTITIES)


@given(
    known=st.dictionaries(identities, st.sampled_from(CALLERS)), proofs=st.lists(st.frozensets(identities), max_size=3)
)
def test_all_proofs_must_lead_to_one_caller(known, proofs):
    led_to = [{known.get(identity) for identity in proof} - {None} for proof in proofs]
    expected = [caller for caller in CALLERS if led_to and all(found == {caller} for found in led_to)]
    if expected:
        assert caller_of(known, proofs) is expected[0]
    else:
        with pytest.raises(UnauthenticatedError) as refused:
            caller_of(known, proofs)
        assert (
            refused.value.message
            == "the caller is not known; show a certificate or a token that the server was told of"
        )


@pytest.mark.parametrize("kind", IdentityKind)
def test_a_name_of_one_kind_is_none_of_another(kind):
    known = {Identity(kind, "x"): CALLERS[0]}
    for other in set(IdentityKind) - {kind}:
        with pytest.raises(UnauthenticatedError):
            caller_of(known, [{Identity(other, "x")}])
    with pytest.raises(UnauthenticatedError):
        caller_of(known, [{Identity(kind, "x", "another issuer")}])


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    "rpc", ["", "/x.Y/Z", "/grpc.health.v1.Health/List", "/resolver_grpc.v1.ResolverService/Other"]
)
def test_an_rpc_without_a_row_is_nobodys(rpc, role):
    with pytest.raises(NotPermittedError):
        check_role(rpc, Caller("a", role, None))


def test_only_health_asks_nobody_who_they_are():
    assert {rpc for rpc, roles in ROLES_BY_RPC.items() if roles is None} == {
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
    }


def test_a_caller_acts_for_its_senders_and_unless_told_for_nobody():
    assert Caller("a", Role.INTAKE, frozenset({"power"})).may_act_for("power")
    assert not Caller("a", Role.INTAKE, frozenset({"power"})).may_act_for("town")
    assert not Caller("a", Role.INTAKE).may_act_for("power")
    assert Caller("a", Role.DELIVERY, None).may_act_for("anybody")
