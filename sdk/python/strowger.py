"""What a plugin in Python says often, in few words.

Everything else is imported from the bindings that `componentize-py` makes of the WIT: dataclasses for records and for
the cases of variants, `componentize_py_types.Err` raised for `err`, its `value` one of `wit_world.imports.types.Error_*`.

A hook in Python says `reuse = "warm"` in `plugin.toml`, for an interpreter is slow to begin. Then modules and their
variables live on from question to question: a cache may be there, what one call must not leave to another may not.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional, Sequence, Tuple

from wit_world.imports import config, types

# A plugin has what its world names.
try:
    from wit_world.exports import router as wit
except ImportError:
    pass
try:
    from wit_world.exports import sip_filter
except ImportError:
    pass
try:
    from wit_world.imports import control
except ImportError:
    pass


def settings(**defaults: Any) -> Dict[str, Any]:
    """The binding's configuration over these defaults."""
    return {**defaults, **json.loads(config.get_json())}


def next_router(*attrs: Tuple[str, str]) -> wit.Decision:
    """No opinion."""
    return wit.Decision_Next(list(attrs))


def refuse(sip: int, reason: str) -> wit.Decision:
    """Refuses with a status and words."""
    return wit.Decision_Refuse(wit.Refusal(sip, reason, []))


def run_app(name: str, *args: Tuple[str, str]) -> wit.Decision:
    """Hands the call to a call app by its binding's name."""
    return wit.Decision_App((name, list(args)))


def reroute(callee: str, *attrs: Tuple[str, str]) -> wit.Decision:
    """Starts again with another callee."""
    return wit.Decision_Reroute((callee, list(attrs)))


def _endpoint(to: str) -> wit.Endpoint:
    return wit.Endpoint_Uri(to) if ":" in to else wit.Endpoint_Account(to)


def trunk(name: str, number: str) -> wit.Endpoint:
    """A number by a trunk of the brand."""
    return wit.Endpoint_Trunk((name, number))


def step(*whom: Any, ring_s: int = 20, caller_id: Optional[str] = None, advance_on: Sequence[int] = ()) -> wit.Step:
    """One step of a plan: all of `whom` (accounts, `sip:` URIs, `trunk(...)`) ring at once."""
    targets = [wit.Target(_endpoint(w) if isinstance(w, str) else w, caller_id, [], []) for w in whom]
    return wit.Step(targets, ring_s * 1000, list(advance_on))


def connect(*steps: wit.Step, headers: Optional[Dict[str, str]] = None) -> wit.Decision:
    """Rings step after step."""
    ops: List[types.HeaderOp] = [types.HeaderOp_Set(types.Header(n, v)) for n, v in (headers or {}).items()]
    plan = wit.Plan(list(steps), wit.Handling.TENANT_DEFAULT, wit.MediaPath.TENANT_DEFAULT, ops, None, [])
    return wit.Decision_Connect(plan)


def file(name: str) -> control.Prompt:
    """A stored prompt."""
    return control.Prompt_File(name)


def url(where: str) -> control.Prompt:
    """A WAV or Ogg Opus file at a URL that is granted."""
    return control.Prompt_Other(("url", where))


def speech(language: str, text: str) -> control.Prompt:
    """A text that is read aloud in a language, or `LANGUAGE/VOICE`."""
    return control.Prompt_Other(("speech", f"{language}:{text}"))


def digits(count: int, *prompts: control.Prompt, first_ms: int = 5000, next_ms: int = 2000) -> control.CollectSpec:
    """Collects so many digits while these prompts play."""
    return control.CollectSpec(list(prompts), 1, count, "", first_ms, next_ms, [])


def ring(*targets: str, seconds: int = 20, parallel: bool = True) -> control.DialSpec:
    """Rings these for a leg."""
    return control.DialSpec(list(targets), parallel, seconds * 1000, None, [], [], [])


def set_header(name: str, value: str) -> types.HeaderOp:
    """One header field of that name in place of all."""
    return types.HeaderOp_Set(types.Header(name, value))


def add_header(name: str, value: str) -> types.HeaderOp:
    """One more header field."""
    return types.HeaderOp_Add(types.Header(name, value))


def remove_header(name: str) -> types.HeaderOp:
    """No header field of that name."""
    return types.HeaderOp_Remove(name)


def pass_with(*changes: types.HeaderOp) -> sip_filter.Verdict:
    """Lets a message pass a filter, changed so, in this order; without changes as it is."""
    return sip_filter.Verdict_Pass(list(changes))


def refuse_message(sip: int, reason: str) -> sip_filter.Verdict:
    """Answers an INVITE that begins a call, on its way in, with a status and words."""
    return sip_filter.Verdict_Refuse((sip, reason))
