"""``oddzwon drop``: somebody's word that a call was cut off."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from oddzwon.cli.calls import settings_of
from oddzwon.cli.output import Json, out, print_json, show, told
from oddzwon.control import ask_service
from oddzwon.domain.events import Fault
from oddzwon.domain.words import verdict


def drop(
    context: typer.Context,
    call: Annotated[str, typer.Argument(help="The call's id.")],
    by: Annotated[str, typer.Option("--by", help="Who says so: a name that your people know.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; in one line, without numbers or names of callers.")],
    fault: Annotated[Fault | None, typer.Option("--fault", help="What was at fault, where that is known.")] = None,
    as_json: Json = False,
) -> None:
    """Attest that a call was cut off; it is judged anew with that, and called back if it then may be."""
    with told(as_json=as_json):
        settings = settings_of(context)
        request = {"command": "drop", "call": call, "by": by, "reason": reason, "fault": fault.value if fault else ""}
        answer = ask_service(settings.log.socket, request)
    if as_json:
        print_json(answer)
    else:
        out.print(show(_in_words(answer)))


def _in_words(answer: dict[str, Any]) -> str:
    call, ending = answer["attested"], answer["ending"]
    if answer["live"]:
        return f"attested: call {call} is still up, and will be judged with it"
    if answer["changed"] is None or ending is None:
        return f"attested: call {call} is being judged anew; see `oddzwon calls show {call}`"
    said = verdict(**ending)
    if not answer["changed"]:
        return f"attested, and the verdict stays: {said}; `oddzwon calls show {call}` shows both"
    then = "the right to call back is over" if answer["lapsed"] else "its decision and callback"
    return f"attested, and the verdict is another now: {said}; {then}: `oddzwon calls show {call}`"
