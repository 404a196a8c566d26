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

/** Of a registration: at most so many seconds. Without objection it is `next()`. */
export const atMost = (seconds) => ({ tag: 'at-most', val: seconds });

/** Refuses a registration or a star code with a status and words. */
export const refuseWith = (sip, reason) => ({ tag: 'refuse', val: [sip, reason] });

/** Of a star code: not mine after all. */
export const ignore = () => ({ tag: 'ignore' });

/** Of a star code: hands the call to a call app by its binding's name. */
export const runApp = (name, ...args) => ({ tag: 'run-app', val: [name, args] });

/** Of a star code: asks the routing chain with another callee. */
export const rerouteTo = (callee) => ({ tag: 'reroute', val: callee });

/** Of a rater: a leg may last so many seconds in all; so long before their end it is asked again. */
export const grant = (seconds, recheckBeforeS = 60) => ({ tag: 'grant', val: { seconds, recheckBeforeS } });

/** Of a rater: it may not, with a status and words. */
export const deny = (sip, reason) => ({ tag: 'deny', val: { sip, reason } });

/** Text as UTF-8, as kv and http want it. */
export const bytes = (text) => {
  const escaped = unescape(encodeURIComponent(text));
  return Uint8Array.from(escaped, (c) => c.charCodeAt(0));
};

/** UTF-8 as text; bytes that are none are shown one by one. */
export const text = (utf8) => {
  const escaped = Array.from(utf8, (b) => String.fromCharCode(b)).join('');
  try {
    return decodeURIComponent(escape(escaped));
  } catch (error) {
    return escaped;
  }
};

const request = (method, url, body, headers, timeoutMs, secret) => ({
  method,
  url,
  headers: Object.entries(headers).map(([name, value]) => ({ name, value })),
  body,
  timeoutMs,
  authSecret: secret,
});

/** A request for `http.send`; `secret` names the secret that goes along as bearer token. */
export const get = (url, { headers = {}, timeoutMs = 1000, secret = null } = {}) =>
  request('GET', url, new Uint8Array(), headers, timeoutMs, secret);

/** The same with a value as JSON. */
export const post = (url, value, { headers = {}, timeoutMs = 1000, secret = null } = {}) =>
  request('POST', url, bytes(JSON.stringify(value)), { 'Content-Type': 'application/json', ...headers }, timeoutMs, secret);

/** A mail for `mail.send`, in the words of a template; of one `key` each recipient gets one. */
export const mailOf = (template, to, fields = {}, { attach = [], key = null } = {}) => ({
  to,
  template,
  fields: Object.entries(fields),
  media: attach,
  key,
  attrs: [],
});

/** A tone: `ring`, `busy`, `beep`, or `FREQ[+FREQ]/ON_MS[/OFF_MS]`. */
export const tone = (name) => ({ tag: 'tone', val: name });

/** Silence. */
export const silence = (ms) => ({ tag: 'silence-ms', val: ms });

/** Of a mailbox's `hear..`: something to play in this script. */
export const clip = (name) => ({ tag: 'other', val: ['clip', name] });

/** For `control.bridge`. */
export const bridgeOf = ({ maxS = null } = {}) => ({ maxS, attrs: [] });

/** For `sound.tape` and `sound.startTape`. */
export const tapeOf = ({ channels = 'party', silenceEndMs = null, maxMs = null, stopOn = '' } = {}) => ({
  channels,
  silenceEndMs,
  maxMs,
  stopOn,
  attrs: [],
});

/** For `rooms.sit`. */
export const seatIn = (room, { muted = false, deaf = false, gain = 100, stopOn = '', maxS = null } = {}) => ({
  room,
  muted,
  deaf,
  gain,
  stopOn,
  maxS,
  attrs: [],
});

/** For `voice.open`. */
export const lineTo = (url, { secret = null, rate = 16000, channels = 'party', note = '' } = {}) => ({
  url,
  authSecret: secret,
  rate,
  channels,
  note,
  attrs: [],
});
