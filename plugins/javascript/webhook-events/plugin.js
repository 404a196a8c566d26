// Tells a web service what happened: a POST with the batch as JSON, and its HMAC-SHA-256 under the binding's secret
// `signing-key`, if it has one, as `X-Strowger-Signature: sha256=HEX`. A 2xx takes the batch; anything else is told again
// by the switch, later and later. The same event comes with the same id.
//
//   { "url": "https://example.com/hook", "kinds": ["call-started", "call-ended"] }

import http from 'strowger:host/http@0.1.0';
import log from 'strowger:host/log@0.1.0';
import secrets from 'strowger:host/secrets@0.1.0';
import { settings } from '../../../sdk/javascript/strowger.js';
import { hmac, utf8 } from './sha256.js';

const json = ({ id, kind, atMs, callId, brand, company, attrs }) => ({
  id,
  kind,
  at: new Date(atMs).toISOString(),
  call: callId,
  brand,
  company,
  ...Object.fromEntries(attrs.map(([name, value]) => [name.replace(/-/g, '_'), value])),
});

function signature(body) {
  try {
    return [{ name: 'X-Strowger-Signature', value: `sha256=${hmac(utf8(secrets.get('signing-key')), body)}` }];
  } catch (error) {
    // No key, no signature.
    return [];
  }
}

export const eventSink = {
  deliver(batch) {
    const { url, kinds, timeout_ms: timeoutMs } = settings({ kinds: [], timeout_ms: 5000 });
    const wanted = batch.filter((item) => kinds.length === 0 || kinds.includes(item.kind));
    if (wanted.length === 0) return batch.length;
    const body = utf8(JSON.stringify({ events: wanted.map(json) }));
    const headers = [{ name: 'Content-Type', value: 'application/json' }, ...signature(body)];
    const answer = http.send({ method: 'POST', url, headers, body, timeoutMs, authSecret: null });
    if (answer.status >= 200 && answer.status < 300) return batch.length;
    log.write('warn', 'the web service does not take the events', [['status', String(answer.status)]]);
    return 0;
  },
};
