//! What the gate does with every operation, said in the document of each.

use serde_json::{Map, Value, json};

/// Where the guarded paths begin.
const ROOT: &str = "/api/v1/";

/// Says of every guarded operation of the document what the gate does with it.
pub(super) fn told(mut document: Value) -> Value {
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return document };
    for (path, item) in paths.iter_mut().filter(|(path, _)| path.starts_with(ROOT)) {
        let Some(item) = item.as_object_mut() else { continue };
        let tagged = path.contains('{') && item.contains_key("get");
        for (method, operation) in item.iter_mut() {
            let Some(operation) = operation.as_object_mut() else { continue };
            let open = operation.contains_key("security");
            if open && method == "get" {
                continue;
            }
            add_responses(operation, &[("429", too_many()), ("503", refusal("The switch cannot do this now."))]);
            match (method.as_str(), open) {
                (_, true) => add_responses(operation, &bodies()),
                ("get", false) => reads(operation),
                (_, false) => writes(operation, tagged && method != "post"),
            }
        }
    }
    document
}

fn refusal(words: &str) -> Value {
    let schema = json!({"$ref": "#/components/schemas/Problem"});
    json!({"description": words, "content": {"application/problem+json": {"schema": schema}}})
}

fn bodies() -> [(&'static str, Value); 2] {
    [("408", refusal("The body came too slowly.")), ("413", refusal("The body is too large."))]
}

fn too_many() -> Value {
    let mut answer = refusal("Too many requests; `Retry-After` says how long to wait.");
    let schema = json!({"type": "integer", "minimum": 1});
    answer["headers"] = json!({"Retry-After": {"description": "Seconds.", "schema": schema}});
    answer
}

fn tag() -> Value {
    json!({"ETag": {"description": "The tag of what is there now, for If-Match.", "schema": {"type": "string"}}})
}

fn parameter(name: &str, place: &str, pattern: &str, words: &str) -> Value {
    let schema = json!({"type": "string", "pattern": pattern, "minLength": 1, "maxLength": 128});
    json!({"name": name, "in": place, "required": false, "description": words, "schema": schema})
}

fn reads(operation: &mut Map<String, Value>) {
    let Some(found) = operation.get_mut("responses").and_then(|all| all.get_mut("200")) else { return };
    if found.pointer("/content/application~1json").is_none() {
        return;
    }
    found["headers"] = tag();
    add_responses(operation, &[("304", json!({"description": "It is what the client has."}))]);
    let words = "Only these fields, with commas between; of a list, of each item. The tag stays that of the whole.";
    let fields = parameter("fields", "query", "^[A-Za-z0-9_]+(,[A-Za-z0-9_]+)*$", words);
    let words = "Tags the client has: if one is that of what is there, the answer is 304.";
    add_parameters(operation, vec![fields, parameter("If-None-Match", "header", TAG_PATTERN, words)]);
}

/// Tags, with commas between, or a star.
const TAG_PATTERN: &str = "^(\\*|\"[0-9a-f]{1,64}\"(, ?\"[0-9a-f]{1,64}\")*)$";

fn writes(operation: &mut Map<String, Value>, tagged: bool) {
    let words =
        "The client's name for this request: sent again within a day, it is answered as before and not done again.";
    let mut parameters = vec![parameter("Idempotency-Key", "header", "^[!-~]+$", words)];
    add_responses(operation, &bodies());
    if tagged {
        let words = "Tags the client knows: if none is that of what is there, nothing is done.";
        parameters.push(parameter("If-Match", "header", TAG_PATTERN, words));
        add_responses(operation, &[("412", refusal("It is not what the client knows."))]);
        if let Some(found) = operation.get_mut("responses").and_then(|all| all.get_mut("200")) {
            found["headers"] = tag();
        }
    }
    add_parameters(operation, parameters);
}

fn add_responses(operation: &mut Map<String, Value>, all: &[(&str, Value)]) {
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    for (status, response) in all {
        if responses.get(*status).is_none() {
            responses[*status] = response.clone();
        }
    }
}

fn add_parameters(operation: &mut Map<String, Value>, more: Vec<Value>) {
    if let Some(all) = operation.entry("parameters").or_insert_with(|| json!([])).as_array_mut() {
        all.extend(more);
    }
}
