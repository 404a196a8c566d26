"""The front desk: numbers that begin with a prefix ring one account, counted; who is not answered gets a small menu.

    { "prefix": "8", "account": "1001", "operator": "1002" }
"""

from typing import List, Optional, Tuple

import wit_world.exports as exports
from componentize_py_types import Err
from strowger import connect, digits, file, next_router, ring, run_app, settings, step
from wit_world.exports import router
from wit_world.imports import control, kv, log, types


def config() -> dict:
    return settings(prefix="8", account="1001", operator="1002")


def counted() -> int:
    try:
        return kv.add("front-desk", "calls", 1, None)
    except Err as error:
        log.write(log.Level.INFO, "the call is not counted", [("why", type(error.value).__name__)])
        return 0


class Router(exports.Router):
    def route(self, call: types.CallInfo) -> router.Decision:
        settings = config()
        if not call.callee.user.startswith(settings["prefix"]):
            return next_router(("language", "python"))
        return connect(step(settings["account"]), headers={"X-Front-Desk": str(counted())})

    def exhausted(self, call: types.CallInfo, tried: List[Tuple[str, types.Cause]]) -> router.Decision:
        return run_app("front-desk", ("tried", str(len(tried))))


class App(exports.App):
    def run(self, caller: control.Leg, args: List[Tuple[str, str]]) -> Optional[int]:
        caller.answer([])
        pressed = caller.collect(digits(1, file("attendant-menu")))
        if pressed.digits == "1":
            try:
                callee = control.dial(caller, ring(config()["operator"]))
                control.bridge(caller, callee, control.BridgeSpec(None, []))
                callee.hangup()
            except Err:
                if caller.state() == "ended":
                    raise
                caller.play([file("attendant-busy")], "")
        else:
            caller.play([file("goodbye")], "")
        caller.hangup()
        return None
