// What a plugin in C says often, in few words. The rest is plugin.h, which `strowger plugin build` makes from wit/ anew
// each time: a type or function of `strowger:host/kv` begins with `strowger_host_kv_`. A function that may fail gives
// false and fills `err`.
//
// An instance answers one question, or runs one call, and is dropped with its memory: nothing needs to be freed. So a
// plugin in C does not say `reuse = "warm"`: it begins in microseconds, and its memory would grow with each question. What is
// returned is freed by the generated code, so its texts and lists must be copies, never literals: `st_text` copies.

#ifndef STROWGER_H
#define STROWGER_H

#include "plugin.h"
#include <stdlib.h>
#include <string.h>

typedef strowger_types_types_error_t st_error;

// Memory until the instance is dropped; the plugin traps where there is none left.
static inline void *st_new(size_t bytes) {
  void *memory = calloc(1, bytes ? bytes : 1);
  if (!memory) __builtin_trap();
  return memory;
}

// A copy of a text.
static inline plugin_string_t st_text(const char *text) {
  size_t len = strlen(text);
  plugin_string_t out = {(uint8_t *)memcpy(st_new(len + 1), text, len), len};
  return out;
}

// The copy of a text that C's own functions can read. One with a zero byte in it ends there.
static inline const char *st_c(plugin_string_t text) { return (const char *)memcpy(st_new(text.len + 1), text.ptr, text.len); }

static inline bool st_is(plugin_string_t text, const char *what) {
  return text.len == strlen(what) && memcmp(text.ptr, what, text.len) == 0;
}

static inline bool st_begins(plugin_string_t text, const char *with) {
  size_t len = strlen(with);
  return text.len >= len && memcmp(text.ptr, with, len) == 0;
}

// A number in decimal digits.
static inline const char *st_number(int64_t number) {
  char *at = (char *)st_new(24) + 23;
  uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
  do *--at = (char)('0' + rest % 10);
  while (rest /= 10);
  if (number < 0) *--at = '-';
  return at;
}

static inline strowger_types_types_attr_t st_attr(const char *name, const char *value) {
  strowger_types_types_attr_t out = {st_text(name), st_text(value)};
  return out;
}

// An error of the plugin's own: `return st_fails(err, "why");`.
static inline bool st_fails(st_error *err, const char *why) {
  err->tag = STROWGER_TYPES_TYPES_ERROR_INVALID_ARGUMENT;
  err->val.invalid_argument = st_text(why);
  return false;
}

// The name of an error, for a log.
static inline const char *st_why(const st_error *err) {
  static const char *const names[] = {"denied",         "invalid-state", "invalid-argument", "not-found",   "timeout",
                                      "limit-exceeded", "hung-up",       "cancelled",        "unavailable", "other"};
  return err->tag < sizeof names / sizeof *names ? names[err->tag] : "unknown";
}

// ---- The binding's configuration.

static inline int st_hex4_(const uint8_t *at) {
  int out = 0;
  for (int i = 0; i < 4; i++) {
    uint8_t c = at[i], low = c | 0x20;
    if (c >= '0' && c <= '9') out = out * 16 + (c - '0');
    else if (low >= 'a' && low <= 'f') out = out * 16 + (low - 'a' + 10);
    else return -1;
  }
  return out;
}

static inline char *st_utf8_(char *to, uint32_t c) {
  if (c < 0x80) {
    *to++ = (char)c;
    return to;
  }
  if (c < 0x800) *to++ = (char)(0xC0 | c >> 6);
  else {
    if (c < 0x10000) *to++ = (char)(0xE0 | c >> 12);
    else {
      *to++ = (char)(0xF0 | c >> 18);
      *to++ = (char)(0x80 | (c >> 12 & 0x3F));
    }
    *to++ = (char)(0x80 | (c >> 6 & 0x3F));
  }
  *to++ = (char)(0x80 | (c & 0x3F));
  return to;
}

// What a JSON string says (RFC 8259 section 7); NULL where it is none. It is never longer than it is written.
static inline const char *st_unquote_(plugin_string_t json) {
  static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
  if (json.len < 2 || json.ptr[0] != '"' || json.ptr[json.len - 1] != '"') return NULL;
  char *out = (char *)st_new(json.len), *to = out;
  for (const uint8_t *at = json.ptr + 1, *end = json.ptr + json.len - 1; at < end; at++) {
    if (*at != '\\') {
      *to++ = (char)*at;
      continue;
    }
    if (++at == end) return NULL;
    if (*at == 'u') {
      int c = end - at > 4 ? st_hex4_(at + 1) : -1;
      if (c < 0) return NULL;
      at += 4;
      if (c >= 0xD800 && c < 0xDC00) {
        int low = end - at > 6 && at[1] == '\\' && at[2] == 'u' ? st_hex4_(at + 3) : -1;
        if (low < 0xDC00 || low > 0xDFFF) return NULL;
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        at += 6;
      }
      to = st_utf8_(to, (uint32_t)c);
      continue;
    }
    int i = 0;
    while (i < 16 && escapes[i] != (char)*at) i += 2;
    if (i == 16) return NULL;
    *to++ = escapes[i + 1];
  }
  return out;
}

// A text of the configuration by JSON Pointer (`/account`), `otherwise` where it has nothing there; NULL where it has
// something that is no text.
static inline const char *st_setting(const char *pointer, const char *otherwise) {
  plugin_string_t at = st_text(pointer), json;
  return strowger_host_config_get(&at, &json) ? st_unquote_(json) : otherwise;
}

// The same of a whole number; false where it has something that is none.
static inline bool st_setting_number(const char *pointer, int64_t otherwise, int64_t *number) {
  plugin_string_t at = st_text(pointer), json;
  *number = otherwise;
  if (!strowger_host_config_get(&at, &json)) return true;
  const char *text = st_c(json);
  char *end;
  *number = strtoll(text, &end, 10);
  return json.len > 0 && json.len < 19 && *end == 0;
}

// A line in the operator's log.
static inline void st_log(strowger_host_log_level_t level, const char *message, const char *name, const char *value) {
  strowger_types_types_attr_t field = st_attr(name, value);
  strowger_host_log_list_attr_t fields = {&field, 1};
  plugin_string_t text = st_text(message);
  strowger_host_log_write(level, &text, &fields);
}

// ---- Of a router: the decision. Each returns true, so that `return st_next(ret);` ends `route`.

#ifdef EXPORTS_STROWGER_ROUTING_ROUTER_DECISION_NEXT
typedef exports_strowger_routing_router_decision_t st_decision;

static inline exports_strowger_routing_router_list_attr_t st_attrs_(const char *name, const char *value) {
  exports_strowger_routing_router_list_attr_t out = {NULL, 0};
  if (name) {
    out.ptr = (strowger_types_types_attr_t *)st_new(sizeof *out.ptr);
    *out.ptr = st_attr(name, value);
    out.len = 1;
  }
  return out;
}

// No opinion.
static inline bool st_next(st_decision *ret) {
  memset(ret, 0, sizeof *ret);
  ret->tag = EXPORTS_STROWGER_ROUTING_ROUTER_DECISION_NEXT;
  return true;
}

// No opinion, and an attribute for the routers after this one.
static inline bool st_next_with(st_decision *ret, const char *name, const char *value) {
  st_next(ret);
  ret->val.next = st_attrs_(name, value);
  return true;
}

// Refuses with a status and words.
static inline bool st_refuse(st_decision *ret, uint16_t sip, const char *reason) {
  memset(ret, 0, sizeof *ret);
  ret->tag = EXPORTS_STROWGER_ROUTING_ROUTER_DECISION_REFUSE;
  ret->val.refuse.sip = sip;
  ret->val.refuse.reason = st_text(reason);
  return true;
}

// Hands the call to a call app by its binding's name, with one argument or (name NULL) none.
static inline bool st_app(st_decision *ret, const char *app, const char *name, const char *value) {
  memset(ret, 0, sizeof *ret);
  ret->tag = EXPORTS_STROWGER_ROUTING_ROUTER_DECISION_APP;
  ret->val.app.f0 = st_text(app);
  ret->val.app.f1 = st_attrs_(name, value);
  return true;
}

// Starts again with another callee.
static inline bool st_reroute(st_decision *ret, const char *callee) {
  memset(ret, 0, sizeof *ret);
  ret->tag = EXPORTS_STROWGER_ROUTING_ROUTER_DECISION_REROUTE;
  ret->val.reroute.f0 = st_text(callee);
  return true;
}

// Rings one account, or a `sip:` URI, for so long. Further steps: `st_then`.
static inline bool st_connect(st_decision *ret, const char *whom, uint32_t seconds);

// Rings another when the steps before have failed.
static inline bool st_then(st_decision *ret, const char *whom, uint32_t seconds) {
  exports_strowger_routing_router_list_step_t *steps = &ret->val.connect.steps;
  steps->ptr = (exports_strowger_routing_router_step_t *)realloc(steps->ptr, (steps->len + 1) * sizeof *steps->ptr);
  if (!steps->ptr) __builtin_trap();
  exports_strowger_routing_router_step_t *step = &steps->ptr[steps->len++];
  memset(step, 0, sizeof *step);
  step->ring_timeout_ms = seconds * 1000;
  step->targets.ptr = (exports_strowger_routing_router_target_t *)st_new(sizeof *step->targets.ptr);
  step->targets.len = 1;
  exports_strowger_routing_router_endpoint_t *to = &step->targets.ptr[0].to;
  if (strchr(whom, ':')) {
    to->tag = EXPORTS_STROWGER_ROUTING_ROUTER_ENDPOINT_URI;
    to->val.uri = st_text(whom);
  } else {
    to->tag = EXPORTS_STROWGER_ROUTING_ROUTER_ENDPOINT_ACCOUNT;
    to->val.account = st_text(whom);
  }
  return true;
}

static inline bool st_connect(st_decision *ret, const char *whom, uint32_t seconds) {
  memset(ret, 0, sizeof *ret);
  ret->tag = EXPORTS_STROWGER_ROUTING_ROUTER_DECISION_CONNECT;
  return st_then(ret, whom, seconds);
}

// A header field for every INVITE of a plan.
static inline bool st_header(st_decision *ret, const char *name, const char *value) {
  exports_strowger_routing_router_list_header_op_t *ops = &ret->val.connect.header_ops;
  ops->ptr = (strowger_types_types_header_op_t *)realloc(ops->ptr, (ops->len + 1) * sizeof *ops->ptr);
  if (!ops->ptr) __builtin_trap();
  strowger_types_types_header_op_t *op = &ops->ptr[ops->len++];
  op->tag = STROWGER_TYPES_TYPES_HEADER_OP_SET;
  op->val.set.name = st_text(name);
  op->val.set.value = st_text(value);
  return true;
}
#endif

// ---- Of a filter of messages: `return st_pass(ret);` ends `filter`.

#ifdef EXPORTS_STROWGER_HOOKS_SIP_FILTER_VERDICT_PASS
typedef exports_strowger_hooks_sip_filter_verdict_t st_verdict;
typedef strowger_types_types_header_op_t st_header_op;

// One header field of that name in place of all.
static inline st_header_op st_set_header(const char *name, const char *value) {
  st_header_op op;
  op.tag = STROWGER_TYPES_TYPES_HEADER_OP_SET;
  op.val.set.name = st_text(name);
  op.val.set.value = st_text(value);
  return op;
}

// One more header field.
static inline st_header_op st_add_header(const char *name, const char *value) {
  st_header_op op = st_set_header(name, value);
  strowger_types_types_header_t field = op.val.set;
  op.tag = STROWGER_TYPES_TYPES_HEADER_OP_ADD;
  op.val.add = field;
  return op;
}

// No header field of that name.
static inline st_header_op st_remove_header(const char *name) {
  st_header_op op;
  op.tag = STROWGER_TYPES_TYPES_HEADER_OP_REMOVE;
  op.val.remove = st_text(name);
  return op;
}

// Lets the message pass, changed so, in this order.
static inline bool st_pass_with(st_verdict *ret, const st_header_op *changes, size_t count) {
  memset(ret, 0, sizeof *ret);
  ret->tag = EXPORTS_STROWGER_HOOKS_SIP_FILTER_VERDICT_PASS;
  ret->val.pass.ptr = (st_header_op *)memcpy(st_new(count * sizeof *changes), changes, count * sizeof *changes);
  ret->val.pass.len = count;
  return true;
}

// Lets the message pass as it is.
static inline bool st_pass(st_verdict *ret) {
  memset(ret, 0, sizeof *ret);
  ret->tag = EXPORTS_STROWGER_HOOKS_SIP_FILTER_VERDICT_PASS;
  return true;
}

// Answers an INVITE that begins a call, on its way in, with a status and words.
static inline bool st_refuse_message(st_verdict *ret, uint16_t sip, const char *reason) {
  memset(ret, 0, sizeof *ret);
  ret->tag = EXPORTS_STROWGER_HOOKS_SIP_FILTER_VERDICT_REFUSE;
  ret->val.refuse.f0 = sip;
  ret->val.refuse.f1 = st_text(reason);
  return true;
}
#endif

// ---- Of a call app: what it does with legs.

#ifdef STROWGER_CALL_CONTROL_PROMPT_FILE
typedef strowger_call_control_own_leg_t st_leg;

static inline bool st_answer(st_leg leg, st_error *err) {
  strowger_call_control_list_header_op_t none = {NULL, 0};
  return strowger_call_control_method_leg_answer(strowger_call_control_borrow_leg(leg), &none, err);
}

static inline strowger_call_control_prompt_t st_file(const char *name) {
  strowger_call_control_prompt_t out;
  out.tag = STROWGER_CALL_CONTROL_PROMPT_FILE;
  out.val.file = st_text(name);
  return out;
}

// A WAV or Ogg Opus file at a URL that is granted.
static inline strowger_call_control_prompt_t st_url(const char *url) {
  strowger_call_control_prompt_t out;
  out.tag = STROWGER_CALL_CONTROL_PROMPT_OTHER;
  out.val.other.f0 = st_text("url");
  out.val.other.f1 = st_text(url);
  return out;
}

// A text that is read aloud: "LANGUAGE:TEXT", or "LANGUAGE/VOICE:TEXT".
static inline strowger_call_control_prompt_t st_speech(const char *said) {
  strowger_call_control_prompt_t out;
  out.tag = STROWGER_CALL_CONTROL_PROMPT_OTHER;
  out.val.other.f0 = st_text("speech");
  out.val.other.f1 = st_text(said);
  return out;
}

// Plays a stored prompt to its end.
static inline bool st_play(st_leg leg, const char *name, st_error *err) {
  strowger_call_control_prompt_t prompt = st_file(name);
  strowger_call_control_list_prompt_t prompts = {&prompt, 1};
  plugin_string_t nothing = st_text("");
  plugin_option_string_t digit;
  return strowger_call_control_method_leg_play(strowger_call_control_borrow_leg(leg), &prompts, &nothing, &digit, err);
}

// Plays a stored prompt (or NULL) and gives up to so many digits: "" when none came in five seconds.
static inline bool st_collect(st_leg leg, uint32_t max, const char *name, const char **digits, st_error *err) {
  strowger_call_control_prompt_t prompt = st_file(name ? name : "");
  strowger_call_control_collect_spec_t spec;
  strowger_call_control_collected_t got;
  memset(&spec, 0, sizeof spec);
  if (name) {
    spec.prompts.ptr = &prompt;
    spec.prompts.len = 1;
  }
  spec.min_digits = 1;
  spec.max_digits = max;
  spec.first_digit_ms = 5000;
  spec.inter_digit_ms = 2000;
  if (!strowger_call_control_method_leg_collect(strowger_call_control_borrow_leg(leg), &spec, &got, err)) return false;
  *digits = st_c(got.digits);
  return true;
}

// Rings an account or a `sip:` URI for `parent`; gives the leg that answered.
static inline bool st_dial(st_leg parent, const char *whom, uint32_t seconds, st_leg *leg, st_error *err) {
  plugin_string_t target = st_text(whom);
  strowger_call_control_dial_spec_t spec;
  memset(&spec, 0, sizeof spec);
  spec.targets.ptr = &target;
  spec.targets.len = 1;
  spec.parallel = true;
  spec.ring_timeout_ms = seconds * 1000;
  return strowger_call_control_dial(strowger_call_control_borrow_leg(parent), &spec, leg, err);
}

// Joins two answered legs until either ends.
static inline bool st_bridge(st_leg a, st_leg b, st_error *err) {
  strowger_call_control_bridge_spec_t spec;
  strowger_call_control_bridged_t bridged;
  memset(&spec, 0, sizeof spec);
  return strowger_call_control_bridge(strowger_call_control_borrow_leg(a), strowger_call_control_borrow_leg(b), &spec,
                                      &bridged, err);
}

static inline void st_hangup(st_leg leg) { strowger_call_control_method_leg_hangup(strowger_call_control_borrow_leg(leg)); }

// Whether a leg has ended.
static inline bool st_ended(st_leg leg) {
  plugin_string_t state;
  strowger_call_control_method_leg_state(strowger_call_control_borrow_leg(leg), &state);
  return st_is(state, "ended");
}
#endif

#endif
