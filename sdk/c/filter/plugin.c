// A filter that says of all that leaves where it is from, and lets nobody else say so.

#include "strowger.h"

bool exports_strowger_hooks_sip_filter_filter(exports_strowger_hooks_sip_filter_message_t *message, st_verdict *ret,
                                              st_error *err) {
  const char *field = st_setting("/field", "X-Site"), *value = st_setting("/value", "main");
  const char *unwanted = st_setting("/unwanted", "");
  if (!field || !value || !unwanted) return st_fails(err, "field, value and unwanted are texts");
  if (!message->inbound) {
    st_header_op changes[] = {st_set_header(field, value), st_add_header("X-By", "c")};
    return st_pass_with(ret, changes, 2);
  }
  for (size_t i = 0; i < message->headers.len; i++) {
    strowger_types_types_header_t *header = &message->headers.ptr[i];
    if (st_is(header->name, "User-Agent") && st_is(header->value, unwanted)) {
      return st_refuse_message(ret, 403, "Not Wanted");
    }
  }
  st_header_op change = st_remove_header(field);
  return st_pass_with(ret, &change, 1);
}
