// The front desk: numbers that begin with a prefix ring one account, counted; who is not answered gets a small menu.
//
//   { "prefix": "8", "account": "1001", "operator": "1002" }

import control from 'strowger:call/control@0.1.0';
import kv from 'strowger:host/kv@0.1.0';
import log from 'strowger:host/log@0.1.0';
import { connect, digits, file, next, ring, settings, step, app as run } from '../strowger.js';

const config = () => settings({ prefix: '8', account: '1001', operator: '1002' });

function counted() {
  try {
    return kv.add('front-desk', 'calls', 1, null);
  } catch (error) {
    log.write('info', 'the call is not counted', [['why', String(error.tag ?? error)]]);
    return 0;
  }
}

export const router = {
  route(call) {
    const { prefix, account } = config();
    if (!call.callee.user.startsWith(prefix)) return next(['language', 'javascript']);
    return connect([step([account])], { headers: { 'X-Front-Desk': String(counted()) } });
  },

  exhausted(call, tried) {
    return run('front-desk', ['tried', String(tried.length)]);
  },
};

export const app = {
  run(caller, args) {
    caller.answer([]);
    const pressed = caller.collect(digits(1, [file('attendant-menu')]));
    if (pressed.digits === '1') {
      try {
        const callee = control.dial(caller, ring([config().operator]));
        control.bridge(caller, callee, { maxS: null, attrs: [] });
        callee.hangup();
      } catch (error) {
        if (caller.state() === 'ended') throw error;
        caller.play([file('attendant-busy')], '');
      }
    } else {
      caller.play([file('goodbye')], '');
    }
    caller.hangup();
    return null;
  },
};
