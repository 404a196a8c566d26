"""Asks a customer's web service where a call goes, and obeys.

    { "url": "https://example.com/route", "numbers": "8", "timeout_ms": 250, "authorize": true }

It is sent `{"asked": "route", "call": ID, "company": .., "account": .., "caller": .., "callee": .., "tried": []}` and
answers with one of

    {"action": "connect", "to": ["1001", "sip:7@192.0.2.7"], "ring_s": 20}
    {"action": "refuse", "status": 486, "reason": "Busy"}
    {"action": "reroute", "callee": "1002"}
    {"action": "app", "name": "attendant"}
    {"action": "next"}

An answer that is none of these, a status but 200 and silence are an error of this router: the chain goes on.
"""

import json
from typing import Any, Dict, List, Tuple

import wit_world.exports as exports
from componentize_py_types import Err
from strowger import connect, next_router, refuse, reroute, run_app, settings, step
from wit_world.exports import router
from wit_world.imports import http, types


def fail(why: str) -> Err:
    return Err(types.Error_Unavailable(why))


def ask(question: Dict[str, Any], config: Dict[str, Any]) -> Dict[str, Any]:
    headers = [types.Header("Content-Type", "application/json")]
    secret = "api-key" if config["authorize"] else None
    body = json.dumps(question).encode()
    answer = http.send(http.Request("POST", config["url"], headers, body, config["timeout_ms"], secret))
    if answer.status != 200:
        raise fail(f"the web service answered {answer.status}")
    try:
        said = json.loads(answer.body)
    except ValueError:
        raise fail("the web service's answer is not JSON")
    if not isinstance(said, dict):
        raise fail("the web service's answer is no object")
    return said


def decide(said: Dict[str, Any]) -> router.Decision:
    try:
        action = said["action"]
        if action == "connect":
            return connect(step(*said["to"], ring_s=int(said.get("ring_s", 20))))
        if action == "refuse":
            return refuse(int(said["status"]), str(said.get("reason", "Refused")))
        if action == "reroute":
            return reroute(str(said["callee"]))
        if action == "app":
            return run_app(str(said["name"]))
    except (KeyError, TypeError, ValueError) as error:
        raise fail(f"the web service's answer makes no sense: {error!r}")
    if action == "next":
        return next_router()
    raise fail(f"the web service knows an action that this router does not: {action!r}")


def route(asked: str, call: types.CallInfo, tried: List[str]) -> router.Decision:
    config = settings(numbers="", timeout_ms=250, authorize=False)
    if not call.callee.user.startswith(config["numbers"]):
        return next_router()
    question = {
        "asked": asked,
        "call": call.call_id,
        "company": call.company,
        "account": call.account,
        "caller": call.caller.user,
        "callee": call.callee.user,
        "tried": tried,
    }
    return decide(ask(question, config))


class Router(exports.Router):
    def route(self, call: types.CallInfo) -> router.Decision:
        return route("route", call, [])

    def exhausted(self, call: types.CallInfo, tried: List[Tuple[str, types.Cause]]) -> router.Decision:
        return route("exhausted", call, [who for who, _ in tried])
