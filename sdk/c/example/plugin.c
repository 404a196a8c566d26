// The front desk: numbers that begin with a prefix ring one account, counted; who is not answered gets a small menu.
//
//   { "prefix": "8", "account": "1001", "operator": "1002" }

#include "strowger.h"

static const char *counted(void) {
  plugin_string_t bucket = st_text("front-desk"), key = st_text("calls");
  st_error err;
  int64_t count = 0;
  if (!strowger_host_kv_add(&bucket, &key, 1, NULL, &count, &err)) {
    st_log(STROWGER_HOST_LOG_LEVEL_INFO, "the call is not counted", "why", st_why(&err));
    count = 0;
  }
  return st_number(count);
}

bool exports_strowger_routing_router_route(strowger_types_types_call_info_t *call, st_decision *ret, st_error *err) {
  const char *prefix = st_setting("/prefix", "8"), *account = st_setting("/account", "1001");
  if (!prefix || !account) return st_fails(err, "prefix and account are texts");
  if (!st_begins(call->callee.user, prefix)) return st_next_with(ret, "language", "c");
  st_connect(ret, account, 20);
  return st_header(ret, "X-Front-Desk", counted());
}

bool exports_strowger_routing_router_exhausted(strowger_types_types_call_info_t *call,
                                               exports_strowger_routing_router_list_tuple2_string_cause_t *tried,
                                               st_decision *ret, st_error *err) {
  (void)call, (void)err;
  return st_app(ret, "front-desk", "tried", st_number((int64_t)tried->len));
}

// Rings the operator, and talks.
static bool connected(st_leg caller, st_error *err) {
  st_leg callee;
  const char *whom = st_setting("/operator", "1002");
  if (!whom) return st_fails(err, "operator is a text");
  if (!st_dial(caller, whom, 20, &callee, err)) return false;
  if (!st_bridge(caller, callee, err)) return false;
  st_hangup(callee);
  return true;
}

bool exports_strowger_call_app_run(st_leg caller, exports_strowger_call_app_list_attr_t *args, plugin_option_u16_t *ret,
                                   st_error *err) {
  const char *digits;
  (void)args;
  ret->is_some = false;
  if (!st_answer(caller, err) || !st_collect(caller, 1, "attendant-menu", &digits, err)) return false;
  if (strcmp(digits, "1") != 0) {
    if (!st_play(caller, "goodbye", err)) return false;
  } else if (!connected(caller, err)) {
    if (st_ended(caller) || !st_play(caller, "attendant-busy", err)) return false;
  }
  st_hangup(caller);
  return true;
}
