//! The templates of the other points in JavaScript and Python.

use super::script::Script;

/// Source and world; `None` where there is no template.
pub(super) fn template(script: Script, point: &str) -> Option<(&'static str, &'static str)> {
    Some(match (script, point) {
        (Script::JavaScript, "routing/router-io") => (JS_ROUTER_IO, ROUTER_IO_WORLD),
        (Script::Python, "routing/router-io") => (PY_ROUTER_IO, ROUTER_IO_WORLD),
        (Script::JavaScript, "hooks/registration") => (JS_REGISTRATION, REGISTRATION_WORLD),
        (Script::Python, "hooks/registration") => (PY_REGISTRATION, REGISTRATION_WORLD),
        (Script::JavaScript, "hooks/feature") => (JS_FEATURE, FEATURE_WORLD),
        (Script::Python, "hooks/feature") => (PY_FEATURE, FEATURE_WORLD),
        (Script::JavaScript, "hooks/event-sink") => (JS_EVENT_SINK, EVENT_SINK_WORLD),
        (Script::Python, "hooks/event-sink") => (PY_EVENT_SINK, EVENT_SINK_WORLD),
        (Script::JavaScript, "billing/rater") => (JS_RATER, RATER_WORLD),
        (Script::Python, "billing/rater") => (PY_RATER, RATER_WORLD),
        _ => return None,
    })
}

// With `host/http` a router becomes one that waits.
const ROUTER_IO_WORLD: &str = "world plugin {\n  include strowger:host/base@0.1.0;\n  \
    import strowger:host/http@0.1.0;\n  export strowger:routing/router@0.1.0;\n}\n";
const REGISTRATION_WORLD: &str =
    "world plugin {\n  include strowger:host/base@0.1.0;\n  export strowger:hooks/registration@0.1.0;\n}\n";
const FEATURE_WORLD: &str =
    "world plugin {\n  include strowger:host/base@0.1.0;\n  export strowger:hooks/feature@0.1.0;\n}\n";
const EVENT_SINK_WORLD: &str = "world plugin {\n  include strowger:host/base@0.1.0;\n  \
    import strowger:host/kv@0.1.0;\n  export strowger:hooks/event-sink@0.1.0;\n}\n";
const RATER_WORLD: &str = "world plugin {\n  include strowger:host/base@0.1.0;\n  \
    import strowger:billing/ledger@0.1.0;\n  export strowger:billing/rater@0.1.0;\n}\n";

const JS_ROUTER_IO: &str = r#"// A router that may wait: asks a web service where calls go.

import http from 'strowger:host/http@0.1.0';
import log from 'strowger:host/log@0.1.0';
import { connect, get, next, settings, step, text } from './strowger.js';

function account(url, number) {
  const answer = http.send(get(`${url}?to=${number}`, { timeoutMs: 250 }));
  return answer.status === 200 ? text(answer.body).trim() : '';
}

export const router = {
  route(call) {
    const { url } = settings({ url: 'https://api.example.com/route' });
    const number = call.callee.user;
    if (!/^[0-9]+$/.test(number)) return next();
    try {
      const found = account(url, number);
      return found ? connect([step([found])]) : next();
    } catch (error) {
      // The chain goes on without us.
      log.write('warn', 'the web service was not reached', [['why', String(error?.payload?.tag ?? error?.tag ?? error)]]);
      return next();
    }
  },

  exhausted(call, tried) {
    return next();
  },
};
"#;

const PY_ROUTER_IO: &str = r#""""A router that may wait: asks a web service where calls go."""

import wit_world.exports as exports
from componentize_py_types import Err
from strowger import connect, get, next_router, settings, step
from wit_world.imports import http, log


def account(url, number):
    answer = http.send(get(f"{url}?to={number}", timeout_ms=250))
    return answer.body.decode(errors="replace").strip() if answer.status == 200 else ""


class Router(exports.Router):
    def route(self, call):
        config = settings(url="https://api.example.com/route")
        number = call.callee.user
        if not (number.isascii() and number.isdigit()):
            return next_router()
        try:
            found = account(config["url"], number)
        except Err as error:
            # The chain goes on without us.
            log.write(log.Level.WARN, "the web service was not reached", [("why", type(error.value).__name__)])
            return next_router()
        return connect(step(found)) if found else next_router()

    def exhausted(self, call, tried):
        return next_router()
"#;

const JS_REGISTRATION: &str = r#"// Registrations: says which phones may register, and for how long.

import { atMost, next, refuseWith, settings } from './strowger.js';

export const registration = {
  register(attempt) {
    const { unwanted, longest_s: longest } = settings({ unwanted: 'scanner', longest_s: 600 });
    if (attempt.userAgent.startsWith(unwanted)) return refuseWith(403, 'Not this phone');
    const asked = attempt.expiresS ?? Infinity;
    // 0 removes a registration.
    return asked <= longest ? next() : atMost(longest);
  },
};
"#;

const PY_REGISTRATION: &str = r#""""Registrations: says which phones may register, and for how long."""

import wit_world.exports as exports
from strowger import at_most, no_objection, refuse_phone, settings


class Registration(exports.Registration):
    def register(self, attempt):
        config = settings(unwanted="scanner", longest_s=600)
        if attempt.user_agent.startswith(config["unwanted"]):
            return refuse_phone(403, "Not this phone")
        # 0 removes a registration.
        if attempt.expires_s is not None and attempt.expires_s <= config["longest_s"]:
            return no_objection()
        return at_most(config["longest_s"])
"#;

const JS_FEATURE: &str = r##"// A star code: `*55 NUMBER` rings NUMBER with a prefix.

import { ignore, refuseWith, rerouteTo, settings } from './strowger.js';

export const feature = {
  invoke(call, code, digits) {
    const { prefix } = settings({ prefix: '' });
    // Only our own phones have star codes.
    if (call.account == null) return ignore();
    const number = digits.replace(/#+$/, '');
    if (!number) return refuseWith(484, `A number must follow ${code}`);
    return rerouteTo(prefix + number);
  },
};
"##;

const PY_FEATURE: &str = r##""""A star code: `*55 NUMBER` rings NUMBER with a prefix."""

import wit_world.exports as exports
from strowger import ignore, refuse_code, reroute_to, settings


class Feature(exports.Feature):
    def invoke(self, call, code, digits):
        config = settings(prefix="")
        if call.account is None:
            # Only our own phones have star codes.
            return ignore()
        number = digits.rstrip("#")
        if not number:
            return refuse_code(484, f"A number must follow {code}")
        return reroute_to(config["prefix"] + number)
"##;

const JS_EVENT_SINK: &str = r#"// Hears what happened: keeps why the last call of each company ended.

import kv from 'strowger:host/kv@0.1.0';
import log from 'strowger:host/log@0.1.0';
import { bytes, settings } from './strowger.js';

export const eventSink = {
  deliver(batch) {
    const { kind } = settings({ kind: 'call-ended' });
    for (const item of batch.filter((item) => item.kind === kind)) {
      const cause = item.attrs.find(([name]) => name === 'cause')?.[1] ?? '';
      // At least once: the same event may come again, and this may be done again.
      kv.put('calls', `${item.company}/last`, bytes(cause), null);
      log.write('info', `a call of ${item.company} ended`, [['cause', cause]]);
    }
    return batch.length;
  },
};
"#;

const PY_EVENT_SINK: &str = r#""""Hears what happened: keeps why the last call of each company ended."""

import wit_world.exports as exports
from strowger import Bucket, settings
from wit_world.imports import log

calls = Bucket("calls")


class EventSink(exports.EventSink):
    def deliver(self, batch):
        config = settings(kind="call-ended")
        for item in batch:
            if item.kind == config["kind"]:
                cause = dict(item.attrs).get("cause", "")
                # At least once: the same event may come again, and this may be done again.
                calls[f"{item.company}/last"] = cause
                log.write(log.Level.INFO, f"a call of {item.company} ended", [("cause", cause)])
        return len(batch)
"#;

const JS_RATER: &str = r#"// A rater: every begun minute of a public number costs the same.

import ledger from 'strowger:billing/ledger@0.1.0';
import { deny, grant, settings } from './strowger.js';

// Millionths of the wallet's currency, and seconds.
const config = () => settings({ per_minute: 20000, longest_s: 3600 });

function price(billedMs) {
  const minutes = Math.ceil(Number(billedMs) / 60000);
  const { currency } = ledger.balance();
  const total = { micros: minutes * config().per_minute, currency };
  return { total, carrier: null, lines: [['minutes', String(minutes)]] };
}

export const rater = {
  authorize(call, target) {
    // Money must be kept for a prepaid call: see `ledger.reserve`.
    if (ledger.balance().method === 'prepaid') return deny(402, 'Not ahead');
    if (!target.number.startsWith('+')) return deny(403, 'No price');
    return grant(config().longest_s, 60);
  },

  extend(call, target, usedMs, grantedS) {
    // No longer than it was granted at first.
    return grant(grantedS, 60);
  },

  settle(used) {
    const charge = price(used.billedMs);
    // Charged once for ever by this key, however often it is asked.
    const key = `${used.callId}/${used.leg}`;
    const micros = ledger.commit(key, used.target.id, charge.total, charge.lines);
    return { ...charge, total: { ...charge.total, micros } };
  },

  release(target) {
    ledger.release(target.id);
  },

  quote(number, trunk, atMs, billedMs) {
    return price(billedMs);
  },
};
"#;

const PY_RATER: &str = r#""""A rater: every begun minute of a public number costs the same."""

import wit_world.exports as exports
from strowger import deny, grant, settings
from wit_world.exports import rater
from wit_world.imports import ledger


def config():
    # Millionths of the wallet's currency, and seconds.
    return settings(per_minute=20000, longest_s=3600)


def price(billed_ms):
    minutes = -(-billed_ms // 60000)
    total = ledger.Money(minutes * config()["per_minute"], ledger.balance().currency)
    return rater.Charge(total, None, [("minutes", str(minutes))])


class Rater(exports.Rater):
    def authorize(self, call, target):
        if ledger.balance().method == "prepaid":
            # Money must be kept for such a call: see `ledger.reserve`.
            return deny(402, "Not ahead")
        if not target.number.startswith("+"):
            return deny(403, "No price")
        return grant(config()["longest_s"], 60)

    def extend(self, call, target, used_ms, granted_s):
        # No longer than it was granted at first.
        return grant(granted_s, 60)

    def settle(self, used):
        charge = price(used.billed_ms)
        # Charged once for ever by this key, however often it is asked.
        key = f"{used.call_id}/{used.leg}"
        charge.total.micros = ledger.commit(key, used.target.id, charge.total, charge.lines)
        return charge

    def release(self, target):
        ledger.release(target.id)

    def quote(self, number, trunk, at_ms, billed_ms):
        return price(billed_ms)
"#;
