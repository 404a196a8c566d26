"""What a plugin in Python says often, in few words.

Everything else is imported from the bindings that `componentize-py` makes of the WIT: dataclasses for records and for
the cases of variants, `componentize_py_types.Err` raised for `err`, its `value` one of `wit_world.imports.types.Error_*`.

A hook in Python says `reuse = "warm"` in `plugin.toml`, for an interpreter is slow to begin. Then modules and their
variables live on from question to question: a cache may be there, what one call must not leave to another may not.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from componentize_py_types import Err
from wit_world.imports import config, types

# A plugin has what its world names.
try:
    from wit_world.exports import registration
except ImportError:
    pass
try:
    from wit_world.exports import feature
except ImportError:
    pass
try:
    from wit_world.exports import rater
except ImportError:
    pass
try:
    from wit_world.imports import kv
except ImportError:
    pass
try:
    from wit_world.imports import http
except ImportError:
    pass
try:
    from wit_world.imports import mail
except ImportError:
    pass
try:
    from wit_world.imports import sound
except ImportError:
    pass
try:
    from wit_world.imports import rooms
except ImportError:
    pass
try:
    from wit_world.imports import voice
except ImportError:
    pass
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


def no_objection(*attrs: Tuple[str, str]) -> registration.Verdict:
    """Of a registration: ask the next, then the registrar decides as ever."""
    return registration.Verdict_Next(list(attrs))


def at_most(seconds: int) -> registration.Verdict:
    """Of a registration: for at most so many seconds."""
    return registration.Verdict_AtMost(seconds)


def refuse_phone(sip: int, reason: str) -> registration.Verdict:
    """Refuses a registration with a status and words."""
    return registration.Verdict_Refuse((sip, reason))


def ignore() -> feature.Action:
    """Of a star code: not mine after all."""
    return feature.Action_Ignore()


def start_app(name: str, *args: Tuple[str, str]) -> feature.Action:
    """Of a star code: hands the call to a call app by its binding's name."""
    return feature.Action_RunApp((name, list(args)))


def reroute_to(callee: str) -> feature.Action:
    """Of a star code: asks the routing chain with another callee."""
    return feature.Action_Reroute(callee)


def refuse_code(sip: int, reason: str) -> feature.Action:
    """Refuses a star code with a status and words."""
    return feature.Action_Refuse((sip, reason))


def grant(seconds: int, recheck_before_s: int = 60) -> rater.Verdict:
    """Of a rater: a leg may last so many seconds in all; so long before their end it is asked again."""
    return rater.Verdict_Grant(rater.Grant(seconds, recheck_before_s))


def deny(sip: int, reason: str) -> rater.Verdict:
    """Of a rater: it may not, with a status and words."""
    return rater.Verdict_Deny(rater.Denial(sip, reason))


class Bucket:
    """Keys that outlive the call, as a mapping: `seen = Bucket("seen"); seen["1001"] = "yes"`. Values are text."""

    def __init__(self, name: str) -> None:
        self.name = name

    def get(self, key: str, default: Optional[str] = None) -> Optional[str]:
        value = kv.get(self.name, key)
        return default if value is None else value.decode(errors="replace")

    def __getitem__(self, key: str) -> str:
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __contains__(self, key: str) -> bool:
        return kv.get(self.name, key) is not None

    def __setitem__(self, key: str, value: str) -> None:
        self.put(key, value)

    def __delitem__(self, key: str) -> None:
        kv.delete(self.name, key)

    def put(self, key: str, value: str, ttl_s: Optional[int] = None) -> None:
        """Writes a value, for so many seconds where they are given."""
        kv.put(self.name, key, value.encode(), ttl_s)

    def add(self, key: str, delta: int = 1, ttl_s: Optional[int] = None) -> int:
        """Adds to a counter, and gives the sum."""
        return kv.add(self.name, key, delta, ttl_s)

    def swap(self, key: str, expect: Optional[str], value: str, ttl_s: Optional[int] = None) -> bool:
        """Writes only where the value is `expect`; false when somebody was faster."""
        return kv.swap(self.name, key, None if expect is None else expect.encode(), value.encode(), ttl_s)

    def keys(self, prefix: str = "", after: Optional[str] = None, limit: int = 100) -> List[str]:
        return kv.keys(self.name, prefix, after, limit)


def get(url: str, headers: Optional[Dict[str, str]] = None, timeout_ms: int = 1000, secret: Optional[str] = None) -> http.Request:
    """A request for `http.send`; `secret` names the secret that goes along as bearer token."""
    fields = [types.Header(n, v) for n, v in (headers or {}).items()]
    return http.Request("GET", url, fields, b"", timeout_ms, secret)


def post(
    url: str, value: Any, headers: Optional[Dict[str, str]] = None, timeout_ms: int = 1000, secret: Optional[str] = None
) -> http.Request:
    """The same with a value as JSON."""
    fields = [types.Header(n, v) for n, v in {"Content-Type": "application/json", **(headers or {})}.items()]
    return http.Request("POST", url, fields, json.dumps(value).encode(), timeout_ms, secret)


def send_mail(template: str, *to: str, attach: Sequence[str] = (), key: Optional[str] = None, **fields: str) -> None:
    """Mail in the words of a template; of one `key` each recipient gets one."""
    mail.send(mail.MailSpec(list(to), template, list(fields.items()), list(attach), key, []))


def tone(name: str) -> control.Prompt:
    """A tone: `ring`, `busy`, `beep`, or `FREQ[+FREQ]/ON_MS[/OFF_MS]`."""
    return control.Prompt_Tone(name)


def silence(ms: int) -> control.Prompt:
    """Silence."""
    return control.Prompt_SilenceMs(ms)


def clip(name: str) -> control.Prompt:
    """Of a mailbox's `hear_..`: something to play in this script."""
    return control.Prompt_Other(("clip", name))


def tape_of(
    channels: Optional[sound.Channels] = None,
    silence_end_ms: Optional[int] = None,
    max_ms: Optional[int] = None,
    stop_on: str = "",
) -> sound.RecordSpec:
    """For `sound.tape` and `sound.start_tape`."""
    return sound.RecordSpec(sound.Channels.PARTY if channels is None else channels, silence_end_ms, max_ms, stop_on, [])


def seat_in(
    room: str, muted: bool = False, deaf: bool = False, gain: int = 100, stop_on: str = "", max_s: Optional[int] = None
) -> rooms.Seat:
    """For `rooms.sit`."""
    return rooms.Seat(room, muted, deaf, gain, stop_on, max_s, [])


def line_to(url: str, secret: Optional[str] = None, rate: int = 16000, note: str = "") -> voice.LineSpec:
    """For `voice.open`."""
    return voice.LineSpec(url, secret, rate, sound.Channels.PARTY, note, [])


class Failed(Exception):
    """An `err` of the switch, as an exception; `error` is the WIT's."""

    def __init__(self, error: types.Error) -> None:
        super().__init__(type(error).__name__.removeprefix("Error_"), getattr(error, "value", None))
        self.error = error


class HungUp(Failed):
    """The party is gone."""


class TimedOut(Failed):
    """It took too long: nobody answered."""


class Denied(Failed):
    """It is not granted."""


class NotFound(Failed):
    """There is no such thing."""


_FAILED = {
    types.Error_HungUp: HungUp,
    types.Error_Timeout: TimedOut,
    types.Error_Denied: Denied,
    types.Error_NotFound: NotFound,
}


@contextmanager
def failing() -> Iterator[None]:
    """Within, each `err` is one of the exceptions above."""
    try:
        yield
    except Err as error:
        raise _FAILED.get(type(error.value), Failed)(error.value) from error


class Party:
    """A leg: `with Party(caller) as caller:` hangs up at its end, and a party that is gone ends it without a word."""

    def __init__(self, leg: control.Leg) -> None:
        self.leg = leg

    def __enter__(self) -> Party:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        self.leg.hangup()
        return kind is HungUp

    @property
    def ended(self) -> bool:
        return self.leg.state() == "ended"

    def answer(self) -> None:
        with failing():
            self.leg.answer([])

    def play(self, *prompts: control.Prompt, stop_on: str = "") -> Optional[str]:
        """Plays to the end, or to one of these keys, which it gives."""
        with failing():
            return self.leg.play(list(prompts), stop_on)

    def ask(self, count: int, *prompts: control.Prompt, first_ms: int = 5000, next_ms: int = 2000) -> str:
        """The digits that were pressed."""
        with failing():
            return self.leg.collect(digits(count, *prompts, first_ms=first_ms, next_ms=next_ms)).digits

    def dial(self, *targets: str, seconds: int = 20, parallel: bool = True) -> Party:
        """Rings these; the first who answers. `TimedOut` where nobody does, `HungUp` where they refuse."""
        with failing():
            return Party(control.dial(self.leg, ring(*targets, seconds=seconds, parallel=parallel)))

    def talk_to(self, other: Party, max_s: Optional[int] = None) -> control.Bridged:
        """Joins both until either ends."""
        with failing():
            return control.bridge(self.leg, other.leg, control.BridgeSpec(max_s, []))
