"""What ``oddzwon check`` asks of Asterisk for the customer's side of a callback: his answer, and a 302 in its place."""

from __future__ import annotations

from oddzwon.asterisk import variables
from oddzwon.asterisk.ami import AmiClient
from oddzwon.asterisk.errors import AmiError
from oddzwon.bootstrap.findings import Result
from oddzwon.callflow.switchboard import Choices

_LOADED = "1"


async def answer_check(ami: AmiClient, choices: Choices) -> Result:
    """Whether Asterisk can tell a person from a machine, where the settings leave that to it (by IFMODULE)."""
    if not choices.amd:
        return Result("AMD", True, "not asked: a person presses key 1")
    module = "app_amd.so"
    loaded = (await ami.action("Getvar", {"Variable": f"IFMODULE({module})"})).fields.get("Value", "")
    if loaded == _LOADED:
        return Result("AMD", True, f"{module} is there; callbacks.answer_check errs both ways, see its page")
    if loaded:
        to_do = 'load it, with an amd.conf, or set callbacks.answer_check = "key": until then nobody is connected'
        return Result("AMD", False, f"{module} is not loaded", to_do)
    return Result("AMD", False, f"whether {module} is loaded cannot be seen", "load func_module.so, then try again")


async def redirection(ami: AmiClient, endpoint: str) -> Result:
    """Whether a 302 leads nowhere: as PJSIP's ``user`` it goes through the dialplan, to a context that is empty."""
    method = (await ami.action("Getvar", {"Variable": f"PJSIP_ENDPOINT({endpoint},redirect_method)"})).fields
    found = method.get("Value", "")
    if found != "user":
        to_do = "set redirect_method = user on the trunk: otherwise a 302 makes your trunk dial whom it likes"
        return Result("302", False, f"redirect_method of endpoint {endpoint}: {found or 'no such endpoint'}", to_do)
    try:
        listed = await ami.action_list("ShowDialPlan", {"Context": variables.MOVED_CONTEXT})
    except AmiError:
        listed = []  # no such context: as good as one without extensions
    if any(event.name == "ListDialplan" for event in listed):
        found = f"context {variables.MOVED_CONTEXT} has extensions"
        return Result("302", False, found, "take them out: it must be empty")
    return Result("302", True, "is not followed")
