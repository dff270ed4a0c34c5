"""What a sender can do about a rejected row, in Danish and in English.

What belongs here: one pair of sentences for each reason that can stand on an error list. They speak to the
person who corrects the row, of columns and cells, and never of the person that the row is about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from resolver_grpc.model import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping


class Sentence(NamedTuple):
    """The same advice in two languages."""

    danish: str
    english: str


SENTENCES: Mapping[int, Sentence] = {
    Reason.OPTED_OUT: Sentence(
        "Modtageren har frameldt digital post fra jer. Send brevet på anden måde.",
        "The recipient has opted out of digital post from you. Send the letter another way.",
    ),
    Reason.NOT_SUBSCRIBED: Sentence(
        "Modtageren er ikke tilmeldt digital post fra jer. Send brevet på anden måde.",
        "The recipient has not subscribed to digital post from you. Send the letter another way.",
    ),
    Reason.NOT_FOUND: Sentence(
        "Ingen kan nås digitalt med disse oplysninger. Ret eventuelle stavefejl, eller send brevet på anden måde.",
        "Nobody can be reached digitally by what the row says. Correct any spelling mistakes, or send the letter "
        "another way.",
    ),
    Reason.AMBIGUOUS_RECIPIENT: Sentence(
        "Oplysningerne passer på mere end én modtager. Angiv flere oplysninger, eller send brevet på anden måde.",
        "What the row says fits more than one recipient. Say more, or send the letter another way.",
    ),
    Reason.AMBIGUOUS_ADDRESS: Sentence(
        "Flere veje i postnummeret har dette navn. Tilføj det supplerende bynavn.",
        "Several roads of this postal code have that name. Add the supplementary town.",
    ),
    Reason.KIND_NOT_ALLOWED: Sentence(
        "Jeres aftale omfatter ikke denne måde at finde modtagere på. Brug en anden, eller få aftalen udvidet.",
        "Your agreement does not cover this way of finding recipients. Use another one, or have the agreement "
        "extended.",
    ),
    Reason.PERSONAL_CONTENT: Sentence(
        "Breve med personligt indhold kan ikke sendes til en adresse alene. Tilføj modtagerens navn.",
        "Letters with personal content can't be sent to an address alone. Add the recipient's name.",
    ),
    Reason.INVALID_KIND: Sentence(
        "Rækken siger ikke, hvem modtageren er. Udfyld CPR-nummer, CVR-nummer, adresse eller e-mailadresse.",
        "The row does not say who the recipient is. Fill in a CPR number, a CVR number, an address or an e-mail "
        "address.",
    ),
    Reason.INVALID_REFERENCE: Sentence(
        "Referencen er for lang. Brug højst 64 tegn; æ, ø og å tæller for to.",
        "The reference is too long. Use at most 64 characters; æ, ø and å count as two.",
    ),
    Reason.INVALID_NAME: Sentence(
        "Navnet kan ikke læses. Skriv modtagerens navn med bogstaver.",
        "The name can't be read. Write the recipient's name in letters.",
    ),
    Reason.NAME_INCOMPLETE: Sentence(
        "Navnet er ikke fuldstændigt. Skriv både fornavn og efternavn.",
        "The name is not complete. Write both the first and the last name.",
    ),
    Reason.INVALID_ADDRESS: Sentence(
        "Adressen kan ikke læses. Skriv den på én linje, fx Vestergade 12B, 3. tv, 8000 Aarhus C.",
        "The address can't be read. Write it on one line, such as Vestergade 12B, 3. tv, 8000 Aarhus C.",
    ),
    Reason.INVALID_STREET: Sentence(
        "Vejnavnet mangler eller kan ikke læses. Skriv vejens navn uden husnummer, fx Vestergade.",
        "The street name is missing or can't be read. Write it without the house number, such as Vestergade.",
    ),
    Reason.INVALID_HOUSE_NUMBER: Sentence(
        "Husnummeret kan ikke læses. Skriv et tal fra 1 til 999 og eventuelt et bogstav, fx 12B.",
        "The house number can't be read. Write a number from 1 to 999 and, if there is one, a letter, such as 12B.",
    ),
    Reason.INVALID_FLOOR: Sentence(
        "Etagen kan ikke læses. Skriv st, kl eller et tal fra 1 til 99, fx 3.",
        "The floor can't be read. Write st, kl or a number from 1 to 99, such as 3.",
    ),
    Reason.INVALID_DOOR: Sentence(
        "Døren kan ikke læses. Skriv tv, th, mf eller dørens betegnelse på højst fire tegn, fx 12.",
        "The door can't be read. Write tv, th, mf or the door's name of at most four characters, such as 12.",
    ),
    Reason.INVALID_POSTAL_CODE: Sentence(
        "Postnummeret mangler eller kan ikke læses. Skriv fire cifre, fx 8000.",
        "The postal code is missing or can't be read. Write four digits, such as 8000.",
    ),
    Reason.INVALID_KVHX: Sentence(
        "KVHX-nøglen kan ikke læses, eller vejkoden er ikke en rigtig vej. Ret nøglen, eller brug adressen i stedet.",
        "The KVHX key can't be read, or its road code is no real street. Correct the key, or use the address instead.",
    ),
    Reason.INVALID_EMAIL: Sentence(
        "E-mailadressen kan ikke læses. Skriv den som navn@eksempel.dk.",
        "The e-mail address can't be read. Write it like name@example.dk.",
    ),
    Reason.INVALID_NUMBER: Sentence(
        "Nummeret er ikke gyldigt. Et CPR-nummer har ti cifre og begynder med en dato, et CVR-nummer har otte. "
        "Se efter, om et nul forrest er faldet væk.",
        "The number is not valid. A CPR number has ten digits and begins with a date, a CVR number has eight. "
        "Check whether a zero in front was lost.",
    ),
    Reason.INVALID_HANDLE: Sentence(
        "Henvisningen til en tidligere afgørelse kan ikke læses. Brug den uændret, eller find modtageren på ny.",
        "The handle of an earlier decision can't be read. Use it unchanged, or find the recipient anew.",
    ),
    Reason.UNEXPECTED_FIELD: Sentence(
        "Rækken angiver navn eller adresse på to måder. Lad kun den ene stå.",
        "The row gives a name or an address in two ways. Leave only one of them.",
    ),
}

_UNKNOWN = Sentence(
    "Rækken blev afvist af en grund, som dette program ikke kender. Opdater programmet.",
    "The row was rejected for a reason that this program does not know. Update the program.",
)


def sentence_of(reason: int) -> Sentence:
    """Give the sentence for a reason; a newer server's reason, too, gets one."""
    return SENTENCES.get(reason, _UNKNOWN)
