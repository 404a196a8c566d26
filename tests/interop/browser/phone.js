// JsSIP phones in one page, told what to do by the test that serves it (../src/browser.rs).
//
// GET /next gives the next command: { id, verb, ...arguments }. POST /said takes answers { id, value | error } and
// events { phone, kind, ... }, one after the other, in order.
'use strict';

// The phones' clock runs 60 times as fast from 10 seconds on: a session is refreshed within the patience of a test.
const wait = window.setTimeout.bind(window);
window.setTimeout = (act, ms, ...more) => wait(act, ms > 10000 ? ms / 60 : ms, ...more);

// JsSIP comes as it is packaged, CommonJS modules: this finds them as Node does.
const modules = {};
function read(path) {
  const request = new XMLHttpRequest();
  request.open('GET', '/npm/' + path, false);
  request.send();
  return request.status === 200 ? request.responseText : undefined;
}
function normal(path) {
  const out = [];
  for (const part of path.split('/')) {
    if (part === '..') out.pop();
    else if (part !== '.') out.push(part);
  }
  return out.join('/');
}
function entry(name) {
  const described = JSON.parse(read(name + '/package.json'));
  const main = typeof described.browser === 'string' ? described.browser : described.main || 'index.js';
  return normal(name + '/' + main);
}
function load(from, name) {
  const path = name.startsWith('.') ? normal(from + '/../' + name) : entry(name.replace(/\/$/, ''));
  for (const file of [path, path + '.js', path + '/index.js']) {
    if (modules[file]) return modules[file].exports;
    const text = read(file);
    if (text === undefined) continue;
    const module = { exports: {} };
    modules[file] = module;
    if (file.endsWith('.json')) module.exports = JSON.parse(text);
    else new Function('module', 'exports', 'require', text)(module, module.exports, (n) => load(file, n));
    return module.exports;
  }
  throw new Error(`no module ${name} for ${from}`);
}

let last = Promise.resolve();
function say(what) {
  last = last.then(() => fetch('/said', { method: 'POST', body: JSON.stringify(what) })).catch(() => {});
}

const JsSIP = load('page', 'jssip');
JsSIP.debug.enable('JsSIP:Transport');
JsSIP.debug.log = console.info.bind(console);
const phones = {};

const media = { mediaConstraints: { audio: true, video: false }, pcConfig: { iceServers: [] } };

// A microphone that hums at this frequency; without one, the browser's fake device.
function voice(hz) {
  if (!hz) return media;
  const context = new AudioContext();
  const hum = context.createOscillator();
  const gain = context.createGain();
  const out = context.createMediaStreamDestination();
  hum.frequency.value = hz;
  gain.gain.value = 0.3;
  hum.connect(gain).connect(out);
  hum.start();
  return { ...media, mediaStream: out.stream };
}

// Names another certificate than the browser has.
function forge(e) {
  if (e.originator === 'local') {
    e.sdp = e.sdp.replace(/(a=fingerprint:\S+ )(..)/g, (_, head, byte) => head + (byte === '00' ? '01' : '00'));
  }
}

// What is heard of a call for so long: how loud at most, how often the loudest frequency is the one asked for, and what the
// browser counts.
async function hear(session, hz, ms) {
  const { connection } = session;
  const stream = new MediaStream([connection.getReceivers()[0].track]);
  // Chromium decodes for nobody but an element.
  const element = new Audio();
  element.muted = true;
  element.srcObject = stream;
  await element.play();
  const context = new AudioContext();
  const ear = context.createAnalyser();
  ear.fftSize = 8192;
  ear.smoothingTimeConstant = 0;
  context.createMediaStreamSource(stream).connect(ear);
  const bins = new Float32Array(ear.frequencyBinCount);
  const samples = new Float32Array(ear.fftSize);
  const width = context.sampleRate / ear.fftSize;
  let [looks, hits, loudest] = [0, 0, 0];
  const before = await counts(connection);
  const end = performance.now() + ms;
  while (performance.now() < end) {
    await new Promise((done) => wait(done, 50));
    ear.getFloatTimeDomainData(samples);
    const level = Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
    loudest = Math.max(loudest, level);
    ear.getFloatFrequencyData(bins);
    const peak = bins.indexOf(Math.max(...bins)) * width;
    looks += 1;
    if (level > 0.01 && Math.abs(peak - hz) < 3 * width) hits += 1;
  }
  const after = await counts(connection);
  await context.close();
  element.srcObject = null;
  return { looks, hits, loudest, packets: after.packets - before.packets, sent: after.sent - before.sent, codec: after.codec };
}

async function counts(connection) {
  const all = { packets: 0, sent: 0, codec: '' };
  const stats = await connection.getStats();
  stats.forEach((s) => {
    if (s.type === 'inbound-rtp') all.packets += s.packetsReceived;
    if (s.type === 'outbound-rtp') {
      all.sent += s.packetsSent;
      if (s.codecId && stats.get(s.codecId)) all.codec = stats.get(s.codecId).mimeType;
    }
  });
  return all;
}

// Every call of a phone has a number, counted from 0.
function watch(name, session, incoming) {
  const { calls } = phones[name];
  const call = calls.push(session) - 1;
  const tell = (kind, more) => say({ phone: name, call, kind, ...more });
  tell(incoming ? 'incoming' : 'outgoing', { from: session.remote_identity.uri.toString() });
  session.on('progress', () => tell('progress'));
  session.on('accepted', () => tell('accepted'));
  session.on('confirmed', () => tell('confirmed'));
  session.on('failed', (e) => tell('failed', { cause: e.cause, status: e.message && e.message.status_code }));
  session.on('ended', (e) => tell('ended', { cause: e.cause, by: e.originator }));
  session.on('hold', (e) => tell('hold', { by: e.originator }));
  session.on('unhold', (e) => tell('unhold', { by: e.originator }));
  session.on('update', () => tell('update'));
  session.on('reinvite', () => tell('reinvite'));
  // A session is refreshed without a word: its requests tell.
  const send = session.sendRequest.bind(session);
  session.sendRequest = (method, options = {}) => {
    const { eventHandlers = {} } = options;
    const good = eventHandlers.onSuccessResponse;
    eventHandlers.onSuccessResponse = (response) => {
      tell('within', { method, status: response.status_code, expires: response.session_expires });
      if (good) good(response);
    };
    return send(method, { ...options, eventHandlers });
  };
  // A proxied call's REFER comes through: this phone calls the target itself.
  session.on('refer', (e) => e.accept((made) => tell('referred', { made: watch(name, made, false) }), media));
  session.on('replaces', (e) => { tell('replaces'); e.accept(); });
  return call;
}

// A phone that is still busy with an offer or answer refuses another: whoever pressed the key presses it again.
async function soon(act) {
  for (let tries = 0; tries < 100; tries += 1) {
    if (act()) return true;
    await new Promise((done) => wait(done, 50));
  }
  return false;
}

const verbs = {
  // Registers a phone.
  start({ phone, url, uri, password, options }) {
    const ua = new JsSIP.UA({ sockets: [new JsSIP.WebSocketInterface(url)], uri, password, ...options });
    phones[phone] = { ua, calls: [], subscriptions: [] };
    ua.on('registered', () => say({ phone, kind: 'registered' }));
    ua.on('unregistered', () => say({ phone, kind: 'unregistered' }));
    ua.on('registrationFailed', (e) => say({ phone, kind: 'refused', cause: e.cause }));
    ua.on('disconnected', (e) => say({ phone, kind: 'disconnected', error: String(e && e.error) }));
    ua.on('newMessage', (e) => {
      if (e.originator === 'remote') say({ phone, kind: 'message', text: e.request.body });
    });
    ua.on('newRTCSession', (e) => {
      if (e.originator === 'remote') watch(phone, e.session, true);
    });
    ua.start();
  },
  call({ phone, target, options, hz, forged }) {
    const eventHandlers = forged ? { sdp: forge } : {};
    return watch(phone, phones[phone].ua.call(target, { ...voice(hz), eventHandlers, ...options }), false);
  },
  answer({ phone, call, hz, forged }) {
    if (forged) phones[phone].calls[call].on('sdp', forge);
    phones[phone].calls[call].answer(voice(hz));
  },
  hear({ phone, call, hz, ms }) { return hear(phones[phone].calls[call], hz, ms); },
  press({ phone, call, keys }) { phones[phone].calls[call].sendDTMF(keys, { transportType: 'RFC2833' }); },
  // The description that the other side gave.
  told({ phone, call }) { return phones[phone].calls[call].connection.remoteDescription.sdp; },
  decline({ phone, call, status }) { phones[phone].calls[call].terminate({ status_code: status }); },
  hold({ phone, call }) { return soon(() => phones[phone].calls[call].hold()); },
  unhold({ phone, call }) { return soon(() => phones[phone].calls[call].unhold()); },
  hangup({ phone, call }) { phones[phone].calls[call].terminate(); },
  // Transfers a call: blind, or to the party of another call of this phone.
  transfer({ phone, call, target, replaces }) {
    const { calls } = phones[phone];
    const options = replaces === undefined ? {} : { replaces: calls[replaces] };
    const tell = (kind, more) => say({ phone, call, kind, ...more });
    options.eventHandlers = {
      requestSucceeded: () => tell('transfer-taken'),
      requestFailed: (e) => tell('transfer-refused', { cause: e.cause }),
      accepted: () => tell('transferred'),
      failed: (e) => tell('transfer-failed', { status: e.status_line && e.status_line.status_code }),
    };
    calls[call].refer(target, options);
  },
  message({ phone, target, text }) {
    phones[phone].ua.sendMessage(target, text, {
      eventHandlers: {
        succeeded: () => say({ phone, kind: 'sent' }),
        failed: (e) => say({ phone, kind: 'not-sent', cause: e.cause }),
      },
    });
  },
  // Watches a lamp, a mailbox, ..: every NOTIFY is an event.
  watch({ phone, target, event, accept }) {
    const subscription = phones[phone].ua.subscribe(target, event, accept, { expires: 600 });
    phones[phone].subscriptions.push(subscription);
    subscription.on('accepted', () => say({ phone, kind: 'watching', target }));
    subscription.on('terminated', (code) => say({ phone, kind: 'watched', target, code }));
    subscription.on('notify', (final, request, body) => say({ phone, kind: 'notify', target, event, body }));
    subscription.subscribe();
  },
  stop({ phone }) { phones[phone].ua.stop(); },
};

async function obey() {
  for (;;) {
    const answer = await fetch('/next');
    if (answer.status !== 200) continue;
    const command = await answer.json();
    try {
      say({ id: command.id, value: await verbs[command.verb](command) });
    } catch (error) {
      say({ id: command.id, error: String(error && error.stack || error) });
    }
  }
}

window.addEventListener('error', (e) => say({ kind: 'broken', error: String(e.error && e.error.stack || e.message) }));
window.addEventListener('unhandledrejection', (e) => say({ kind: 'broken', error: String(e.reason) }));
say({ kind: 'ready', version: JsSIP.version });
obey();
