// A filter that says of all that leaves where it is from, and lets nobody else say so.

import { addHeader, passWith, refuseMessage, removeHeader, setHeader, settings } from '../strowger.js';

export const sipFilter = {
  filter(message) {
    const { field, value, unwanted } = settings({ field: 'X-Site', value: 'main', unwanted: '' });
    if (!message.inbound) return passWith(setHeader(field, value), addHeader('X-By', 'javascript'));
    const agent = message.headers.find((header) => header.name.toLowerCase() === 'user-agent');
    if (unwanted && agent?.value === unwanted) return refuseMessage(403, 'Not Wanted');
    return passWith(removeHeader(field));
  },
};
