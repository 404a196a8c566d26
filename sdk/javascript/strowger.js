// What a plugin in JavaScript says often, in few words. Everything else is imported from the WIT by its full name, as
// `import kv from 'strowger:host/kv@0.1.0'`: camelCase names, `{ tag, val }` for variants, a thrown error for `err`.
//
// A hook is a fresh instance for each question, and QuickJS begins soon enough for that. With `reuse = "warm"` in
// `plugin.toml` variables of the module live on from question to question: say it only where each would pay for much work
// that can be done once.

import config from 'strowger:host/config@0.1.0';

/** The binding's configuration over these defaults. */
export const settings = (defaults) => ({ ...defaults, ...JSON.parse(config.getJson()) });

/** No opinion; attributes are `[name, value]`. */
export const next = (...attrs) => ({ tag: 'next', val: attrs });

/** Refuses with a status and words. */
export const refuse = (sip, reason, headerOps = []) => ({ tag: 'refuse', val: { sip, reason, headerOps } });

/** Hands the call to a call app by its binding's name. */
export const app = (name, ...args) => ({ tag: 'app', val: [name, args] });

/** Starts again with another callee. */
export const reroute = (callee, ...attrs) => ({ tag: 'reroute', val: [callee, attrs] });

/** Who is rung: an account, a `sip:` URI, or `{ trunk, number }`. */
const endpoint = (to) => {
  if (typeof to === 'object') return { tag: 'trunk', val: [to.trunk, to.number] };
  return to.includes(':') ? { tag: 'uri', val: to } : { tag: 'account', val: to };
};

/** One step of a plan: all of `whom` ring at once. */
export const step = (whom, { ringSeconds = 20, callerId = null, advanceOn = [] } = {}) => ({
  targets: whom.map((to) => ({ to: endpoint(to), callerId, headerOps: [], attrs: [] })),
  ringTimeoutMs: ringSeconds * 1000,
  advanceOn,
});

/** Rings step after step. */
export const connect = (steps, { headers = {}, media = 'tenant-default', handling = 'tenant-default' } = {}) => ({
  tag: 'connect',
  val: {
    steps,
    handling,
    media,
    headerOps: Object.entries(headers).map(([name, value]) => ({ tag: 'set', val: { name, value } })),
    maxDurationS: null,
    attrs: [],
  },
});

/** A stored prompt. */
export const file = (name) => ({ tag: 'file', val: name });

/** A WAV or Ogg Opus file at a URL that is granted. */
export const url = (where) => ({ tag: 'other', val: ['url', where] });

/** A text that is read aloud in a language, or `LANGUAGE/VOICE`. */
export const speech = (language, text) => ({ tag: 'other', val: ['speech', `${language}:${text}`] });

/** Collects so many digits while these prompts play. */
export const digits = (max, prompts = [], { firstMs = 5000, nextMs = 2000, terminators = '' } = {}) => ({
  prompts,
  minDigits: 1,
  maxDigits: max,
  terminators,
  firstDigitMs: firstMs,
  interDigitMs: nextMs,
  attrs: [],
});

/** Rings these for a leg. */
export const ring = (targets, { seconds = 20, parallel = true, callerId = null } = {}) => ({
  targets,
  parallel,
  ringTimeoutMs: seconds * 1000,
  callerId,
  headerOps: [],
  ringback: [],
  attrs: [],
});

/** Whether an error says that the leg has ended. */
export const isHungUp = (error) => error?.tag === 'hung-up';

/** Lets a message pass a filter, changed so, in this order; without changes as it is. */
export const passWith = (...changes) => ({ tag: 'pass', val: changes });

/** Answers an INVITE that begins a call, on its way in, with a status and words. */
export const refuseMessage = (sip, reason) => ({ tag: 'refuse', val: [sip, reason] });

/** One header field of that name in place of all. */
export const setHeader = (name, value) => ({ tag: 'set', val: { name, value } });

/** One more header field. */
export const addHeader = (name, value) => ({ tag: 'add', val: { name, value } });

/** No header field of that name. */
export const removeHeader = (name) => ({ tag: 'remove', val: name });
