//! The binary as a person meets it: started, asked, stopped, started again, and refused.

mod compiling;
mod develop;
mod process;
mod scenarios;
mod templates;

use process::{Demo, refused, run};
use serde_json::Value;
use std::net::UdpSocket;
use std::time::Duration;

#[test]
fn a_demo_is_ready_answers_its_commands_and_starts_again_with_the_same_accounts() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Demo::start(dir.path());
    let accounts = first.accounts();
    assert_eq!(accounts.len(), 10, "{}", first.block);
    assert_eq!((accounts[0].0.as_str(), accounts[9].0.as_str()), ("1001", "1010"));
    for part in ["udp:127.0.0.1:", "tcp:127.0.0.1:", "http://127.0.0.1:", "100 ", "101 ", "account add 1011"] {
        assert!(first.block.contains(part), "{part} is missing:\n{}", first.block);
    }

    let list = first.client(&["account", "list"]);
    assert!(list.contains("1001") && list.contains("1010"), "{list}");
    let added = first.client(&["account", "add", "1011", "--display-name", "New phone"]);
    assert!(added.contains("Password (shown this once): "), "{added}");
    let plugins = first.client(&["plugin", "list"]);
    for name in ["extensions", "attendant", "echo", "routing/router", "call/app"] {
        assert!(plugins.contains(name), "{name} is missing:\n{plugins}");
    }
    assert_eq!(first.client(&["call", "list"]), "No calls.\n");
    let cdrs: Value = serde_json::from_str(&first.client(&["--json", "cdr", "list"])).unwrap();
    assert_eq!(cdrs, serde_json::json!([]));
    assert_eq!(first.refused(&["account", "add", "1011"]).0, 1, "a taken name is the switch's refusal");
    assert_eq!(first.refused(&["call", "hangup", "00ff"]).0, 1);
    assert_eq!(first.refused(&["call", "hangup", "not-hex"]).0, 2);
    first.stop();

    let mut second = Demo::start(dir.path());
    assert_eq!(second.accounts(), accounts, "the second start has the same passwords");
    assert!(second.client(&["account", "list"]).contains("New phone"), "what was added stays");
    second.stop();
}

#[test]
fn a_plugin_is_rebound_and_rolled_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(dir.path());
    let config = r#"{"digits":{"1":"1003"}}"#;
    let bound = demo.client(&["plugin", "bind", "attendant", "--config", config]);
    assert!(bound.contains("attendant"), "{bound}");
    assert!(demo.client(&["plugin", "list"]).contains(r#"{"digits":{"1":"1003"}}"#));
    demo.client(&["plugin", "rollback", "attendant"]);
    let state = demo.client(&["plugin", "state", "attendant"]);
    assert!(state.starts_with("attendant is live.\n0 of "), "{state}");
    assert!(!demo.client(&["plugin", "list"]).contains(r#"{"digits":{"1":"1003"}}"#));
    let (code, sentence) = demo.refused(&["plugin", "remove", "attendant"]);
    assert!(code == 1 && sentence.contains("refused: "), "a binding runs it: {sentence}");
    assert_eq!(demo.client(&["plugin", "unbind", "attendant"]), "Binding attendant is gone.\n");
    assert_eq!(demo.refused(&["plugin", "unbind", "attendant"]).0, 1);
    assert_eq!(demo.client(&["plugin", "remove", "attendant"]), "Plugin attendant is gone.\n");
    let nonsense = dir.path().join("nonsense.wasm");
    std::fs::write(&nonsense, b"no component").unwrap();
    let (code, sentence) = demo.refused(&["plugin", "install", nonsense.to_str().unwrap()]);
    assert_eq!(code, 1, "{sentence}");
    assert!(sentence.contains("component"), "{sentence}");
    demo.stop();
}

#[test]
fn tenants_carriers_and_numbers_are_set_up_from_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(dir.path());
    assert_eq!(demo.client(&["brand", "add", "second", "--default-verdict", "extensions"]), "Brand second is live.\n");
    let add = ["company", "add", "acme", "--brand", "second", "--domain", "acme.test", "--handling", "proxy"];
    assert_eq!(demo.client(&add), "Company acme is live.\n");
    demo.client(&["company", "set", "acme", "--media", "direct", "--media-security", "require", "--codec", "PCMA"]);
    let companies: Value = serde_json::from_str(&demo.client(&["--json", "company", "list"])).unwrap();
    let acme = companies.as_array().unwrap().iter().find(|c| c["name"] == "acme").unwrap();
    let set = (&acme["handling"], &acme["media"], &acme["media_security"], &acme["codecs"][0]);
    assert_eq!(set, (&"proxy".into(), &"direct".into(), &"require".into(), &"PCMA".into()));
    assert_eq!(demo.refused(&["company", "add", "acme", "--brand", "second", "--domain", "other.test"]).0, 1);

    let german = ["--country", "49", "--international", "00", "--national", "0", "--area", "30"];
    demo.client(&[&["translation", "add", "german", "--brand", "second"], &german[..]].concat());
    assert!(demo.client(&["translation", "show", "german"]).contains("callee-out"));
    let rule = r"callee-out:^\+49(.*)$=0\1";
    demo.client(&["translation", "add", "spanish", "--brand", "second", "--country", "ES"]);
    assert!(demo.client(&["translation", "show", "spanish"]).contains(r"+34\1"));
    assert!(demo.client(&["country", "list"]).contains("Europe/Madrid"));
    assert!(demo.client(&["country", "show", "gg"]).contains("+441481"));
    assert_eq!(demo.refused(&["country", "show", "xx"]).0, 1);
    demo.client(&["translation", "add", "own", "--brand", "second", "--rule", rule]);
    assert!(demo.client(&["translation", "show", "own"]).contains(r"0\1"));
    assert_eq!(demo.refused(&["translation", "add", "bad", "--brand", "second", "--rule", "x"]).0, 2);
    let server = "192.0.2.1;priority=1";
    let trunk = ["trunk", "add", "carrier", "--brand", "second", "--server", server, "--translation-set", "german"];
    assert_eq!(demo.client(&trunk), "Trunk carrier is live.\n");
    assert!(demo.client(&["trunk", "list"]).contains("192.0.2.1"));
    assert!(demo.client(&["trunk", "status", "carrier"]).contains("takes calls"));
    assert_eq!(demo.refused(&["translation", "remove", "german"]).0, 1, "a trunk uses it");
    routes_of(&mut demo);
    demo.client(&["trunk", "remove", "carrier"]);
    demo.client(&["translation", "remove", "german"]);

    assert_eq!(demo.client(&["registration", "list"]), "No phone is registered.\n");
    demo.client(&["mailbox", "set", "1001", "--voice", "2/1"]);
    assert_eq!(demo.refused(&["mailbox", "set", "1001", "--voice", "many"]).0, 2);
    assert_eq!(demo.refused(&["mailbox", "set", "nobody"]).0, 1);
    demo.stop();
}

#[test]
fn nouns_are_shown_changed_and_removed_in_the_same_words() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(dir.path());
    demo.client(&["brand", "add", "second"]);
    assert!(demo.client(&["brand", "show", "second"]).contains("refuse"));
    assert_eq!(
        demo.client(&["brand", "set", "second", "--name", "third", "--default-verdict", "extensions"]),
        "Brand third is changed.\n"
    );
    assert!(demo.client(&["brand", "show", "third"]).contains("extensions"));
    demo.client(&["company", "add", "acme", "--brand", "third", "--domain", "acme.test"]);
    demo.client(&["company", "set", "acme", "--name", "north", "--domain", "north.test"]);
    assert!(demo.client(&["company", "show", "north"]).contains("north.test"));
    let (code, sentence) = demo.refused(&["brand", "remove", "third"]);
    assert!(code == 1 && sentence.starts_with("strowger: refused: ") && sentence.contains("brand"), "{sentence}");
    for (user, shown) in [("10", "Zoe"), ("11", "Ada"), ("20", "Ada")] {
        demo.client(&[
            "account",
            "add",
            user,
            "--company",
            "north",
            "--display-name",
            shown,
            "--password",
            "hushhush99",
        ]);
    }
    demo.client(&["account", "set", "11", "--company", "north", "--enabled", "false", "--display-name", "Eve"]);
    let shown: Value =
        serde_json::from_str(&demo.client(&["--json", "account", "show", "11", "--company", "north"])).unwrap();
    assert_eq!((&shown["display_name"], &shown["enabled"]), (&"Eve".into(), &false.into()));

    let users = |args: &[&str]| -> Vec<String> {
        let list = [&["--json", "account", "list", "--company", "north"], args].concat();
        let list: Value = serde_json::from_str(&demo.client(&list)).unwrap();
        list.as_array().unwrap().iter().map(|a| a["username"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(users(&["--order", "-username"]), ["20", "11", "10"]);
    assert_eq!(users(&["--order", "-enabled,display_name"]), ["20", "10", "11"]);
    assert_eq!(users(&["--order", "-username", "--limit", "1"]), ["20"]);
    assert_eq!(users(&["--filter", "username=1", "--filter", "enabled=true"]), ["10"]);
    let (code, sentence) = demo.refused(&["account", "list", "--order", "colour"]);
    assert!(code == 1 && sentence.contains("order: expected id, username"), "{sentence}");
    assert_eq!(demo.refused(&["account", "list", "--filter", "enabled"]).0, 2);

    demo.client(&["extension", "add", "200", "--to", "account:10", "--company", "north"]);
    demo.client(&["ddi", "add", "+34910000000", "--to", "extension:200", "--company", "north"]);
    assert!(demo.client(&["extension", "show", "200", "--company", "north"]).contains("account"));
    assert!(demo.client(&["ddi", "show", "+34910000000"]).contains("200"));
    let abroad = demo.client(&["ddi", "list", "--filter", "e164=34"]);
    assert!(abroad.contains("+34910000000") && !abroad.contains("+44"), "{abroad}");
    for taken in [["account", "remove", "10"], ["company", "remove", "north"], ["extension", "remove", "200"]] {
        let (code, sentence) = demo.refused(&taken);
        assert!(code == 1 && sentence.contains("refused: "), "{taken:?}: {sentence}");
    }
    demo.client(&["ddi", "remove", "+34910000000"]);
    demo.client(&["extension", "remove", "200", "--company", "north"]);
    for user in ["10", "11", "20"] {
        assert_eq!(
            demo.client(&["account", "remove", user, "--company", "north"]),
            format!("Account {user} is gone.\n")
        );
    }
    demo.client(&["translation", "add", "own", "--brand", "third", "--rule", "caller-in:^0=+34"]);
    demo.client(&[
        "translation",
        "set",
        "own",
        "--name",
        "mine",
        "--rule",
        "caller-in:^00=+",
        "--rule",
        "caller-out:^=x",
    ]);
    let set = demo.client(&["translation", "show", "mine"]);
    assert!(set.contains("^00") && set.contains("caller-out") && !set.contains("+34"), "{set}");
    demo.client(&["translation", "remove", "mine"]);
    assert_eq!(demo.client(&["company", "remove", "north"]), "Company north is gone.\n");
    assert_eq!(demo.client(&["brand", "remove", "third"]), "Brand third is gone.\n");
    let made: Value =
        serde_json::from_str(&demo.client(&["--json", "token", "add", "ci", "--role", "reader"])).unwrap();
    assert!(demo.client(&["token", "show", &made["id"].to_string()]).contains("reader"));
    assert!(demo.client(&["token", "list", "--order", "-created_at,name", "--filter", "role=reader"]).contains("ci"));
    for list in [
        ["rule", "list", "--order", "kind,-name"],
        ["trunk", "list", "--order", "-enabled,name"],
        ["person", "list", "--order", "role,-name"],
        ["timetable", "list", "--order", "-made_at,name"],
        ["recording", "list", "--order", "-started_at"],
        ["fax", "list", "--order", "-made_at,state"],
        ["table", "list", "--order", "-rows,name"],
        ["wallet", "list", "--order", "-balance"],
        ["job", "list", "--order", "state,-made_at"],
        ["cdr", "list", "--order", "caller,-started_at"],
        ["audit", "list", "--order", "actor,-id"],
        ["plugin", "list", "--order", "-name"],
        ["brand", "list", "--order", "-name"],
        ["company", "list", "--order", "brand,-name"],
        ["translation", "list", "--order", "-name"],
        ["extension", "list", "--order", "-number"],
        ["ddi", "list", "--order", "company,-e164"],
    ] {
        demo.client(&list);
    }
    demo.stop();
}

/// Outgoing routes of the brand `second`, by its trunk `carrier`.
fn routes_of(demo: &mut Demo) {
    demo.client(&["route-pattern", "add", "spain", "+34", "--brand", "second"]);
    demo.client(&["route-pattern", "set", "spain", "--special", "true"]);
    assert!(demo.client(&["route-pattern", "list", "--order", "-prefix"]).contains("+34"));
    demo.client(&["route-group", "add", "europe", "--brand", "second", "--pattern", "spain"]);
    demo.client(&["route-tag", "add", "cheap", "12", "--brand", "second", "--company", "acme"]);
    demo.client(&["route-tag", "set", "cheap", "--everybody", "true", "--company", "none"]);
    assert!(demo.client(&["route-tag", "show", "cheap"]).contains("12"));
    let out = ["route", "add", "out", "--brand", "second", "--trunk", "carrier", "--group", "europe", "--tag", "cheap"];
    let out = [&out[..], &["--kind", "retail", "--priority", "3", "--prefix", "99", "--stopper", "true"]].concat();
    assert_eq!(demo.client(&out), "Outgoing route out is live.\n");
    assert_eq!(demo.refused(&["route", "add", "none", "--brand", "second"]).0, 2, "by nothing");
    let (code, sentence) = demo.refused(&["trunk", "remove", "carrier"]);
    assert!(code == 1 && sentence.contains("outgoing route out"), "{sentence}");
    demo.client(&["route", "set", "out", "--block", "--tag", "none", "--kind", "none", "--prefix", "none"]);
    let shown = demo.client(&["--json", "route", "show", "out"]);
    let shown: Value = serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error}: {shown}"));
    let now = (&shown["mode"], &shown["tag"], &shown["kind"], &shown["prefix"], &shown["trunk"], &shown["priority"]);
    assert_eq!(now, (&"block".into(), &Value::Null, &Value::Null, &"".into(), &Value::Null, &3.into()));
    assert!(demo.client(&["route", "list", "--filter", "mode=block"]).contains("out"));
    demo.client(&["route", "remove", "out"]);
    demo.client(&["route-tag", "remove", "cheap"]);
    demo.client(&["route-group", "set", "europe", "--pattern", "none"]);
    assert!(demo.client(&["route-group", "list"]).contains("europe"));
    demo.client(&["route-group", "remove", "europe"]);
    demo.client(&["route-pattern", "remove", "spain"]);
}

#[test]
fn a_rule_is_added_named_changed_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(dir.path());
    assert_eq!(demo.client(&["rule", "list"]), "No rules.\n");
    demo.client(&["rule", "add", "call-acl", "nobody", r#"{"default":"deny"}"#]);
    demo.client(&["account", "set", "1001", "--rules", r#"{"call_acl":"nobody","calls_max":2}"#]);
    assert_eq!(demo.refused(&["rule", "remove", "nobody"]).0, 1, "it is named");
    let (code, sentence) = demo.refused(&["rule", "add", "call-acl", "x", "{"]);
    assert!(code == 2 && sentence.contains("not JSON"), "{sentence}");
    demo.client(&["rule", "set", "call-acl/nobody", r#"{"default":"allow"}"#]);
    let shown: Value = serde_json::from_str(&demo.client(&["rule", "show", "nobody"])).unwrap();
    assert_eq!(shown["default"], "allow");
    demo.client(&["account", "set", "1001", "--rules", "{}"]);
    demo.client(&["rule", "remove", "nobody"]);
    demo.client(&["company", "set", "demo", "--rules", r#"{"time_zone":"Europe/Madrid"}"#]);
    assert!(demo.client(&["company", "list"]).contains("Europe/Madrid"));
    assert_eq!(demo.refused(&["company", "set", "demo", "--rules", r#"{"time_zone":"Mars/Olympus"}"#]).0, 1);
    let numbers = demo.client(&["ddi", "list"]);
    assert!(numbers.contains("+442079460201") && numbers.contains("+442079460301"), "{numbers}");
    assert_eq!(demo.refused(&["ddi", "set", "+4420", "--call-filter", "x"]).0, 1);
    let group = r#"{"strategy":"ring-all","members":[{"to":{"kind":"account","name":"1001"}}]}"#;
    demo.client(&["rule", "add", "hunt-group", "sales", group]);
    demo.client(&["extension", "add", "300", "--to", "hunt-group:sales"]);
    assert!(demo.client(&["extension", "list"]).contains("hunt-group"));
    assert_eq!(demo.refused(&["extension", "add", "301", "--to", "hunt-group:nobody"]).0, 1);
    demo.client(&["ddi", "add", "+442079460000", "--to", "extension:300"]);
    assert_eq!(demo.refused(&["extension", "remove", "300"]).0, 1, "a public number leads to it");
    demo.client(&["ddi", "set", "+442079460000", "--to", "queue:late"]);
    demo.client(&["extension", "remove", "300"]);
    assert!(demo.client(&["ddi", "set", "+442079460000", "--to-stock"]).contains("in stock"));
    let stock = demo.client(&["ddi", "list", "--filter", "assigned=false"]);
    assert!(stock.contains("+442079460000") && !stock.contains("+442079460201"), "{stock}");
    let given = ["ddi", "set", "+442079460000", "--company", "demo", "--to", "account:1001", "--display-name", "Sales"];
    demo.client(&given);
    assert!(demo.client(&["ddi", "show", "+442079460000"]).contains("Sales"));
    demo.client(&["ddi", "remove", "+442079460000"]);
    assert!(demo.client(&["ddi", "add", "+442079460009", "--description", "reserve"]).contains("in stock"));
    demo.client(&["ddi", "remove", "+442079460009"]);
    demo.client(&["rule", "remove", "sales"]);
    demo.client(&["brand", "rules", "demo", r#"{"services":{"pickup":"*94"}}"#]);
    assert!(demo.client(&["brand", "rules", "demo"]).contains("*94"));
    demo.client(&["company", "add", "lines", "--domain", "lines.example", "--kind", "retail"]);
    let srtp = ["company", "add", "safe", "--domain", "safe.example", "--media-security", "require"];
    demo.client(&srtp);
    assert!(demo.client(&["company", "show", "safe"]).contains("require"));
    demo.stop();
}

#[test]
fn a_restricted_token_does_what_it_was_made_for_and_the_audit_log_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(dir.path());
    let made = demo.client(&[
        "--json",
        "token",
        "add",
        "ci",
        "--company",
        "demo",
        "--rights",
        "accounts=write,companies=read",
    ]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let own = ["--token", made["secret"].as_str().unwrap()];
    assert!(demo.client(&[&own[..], &["account", "list"]].concat()).contains("1001"));
    demo.client(&[&own[..], &["account", "add", "2001", "--password", "hushhush99"]].concat());
    let (code, said) = demo.refused(&[&own[..], &["ddi", "list"]].concat());
    assert_eq!(code, 1);
    assert!(said.contains("Your rights do not let you see ddis."), "{said}");
    let log = demo.client(&["audit", "list", "--path", "/api/v1/accounts"]);
    assert!(log.contains("ci") && log.contains("2001") && !log.contains("hushhush"), "{log}");
    let id = made["id"].to_string();
    demo.client(&["token", "remove", &id]);
    assert_eq!(demo.refused(&[&own[..], &["account", "list"]].concat()).0, 1);
    assert_eq!(demo.client(&["person", "list"]), "No people.\n");
    assert_eq!(demo.client(&["login", "list"]), "Nobody is logged in.\n");
    demo.stop();
}

#[test]
fn a_live_database_is_backed_up_and_restored() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(dir.path());
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (live, file, new) =
        (format!("sqlite:{}", path("strowger.db")), path("backup.db"), format!("sqlite:{}", path("new.db")));
    let written = run(&["db", "backup", &file, "--store", &live]);
    assert!(written.status.success(), "{written:?}");
    demo.stop();
    let restored = run(&["--json", "db", "restore", &file, "--store", &new]);
    let content: Value = serde_json::from_slice(&restored.stdout).unwrap();
    assert_eq!(content["tables"]["accounts"], 13, "{content}");
    let checked = run(&["--json", "db", "check", "--store", &new]);
    assert_eq!(serde_json::from_slice::<Value>(&checked.stdout).unwrap(), content);
    assert!(run(&["db", "migrate", "--store", &new]).status.success());
    assert!(refused(&["db", "restore", &file, "--store", &new], 1).contains("it is not empty"));
    assert!(refused(&["db", "backup", &file, "--store", &new], 1).contains("exists already"));
    refused(&["db", "check"], 2);
}

#[test]
fn a_shell_is_told_how_to_complete() {
    for shell in ["bash", "zsh", "fish"] {
        let told = run(&["completion", shell]);
        assert!(String::from_utf8(told.stdout).unwrap().contains("translation"), "{shell}");
    }
}

#[test]
fn a_taken_port_is_one_sentence_and_exit_code_2() {
    let dir = tempfile::tempdir().unwrap();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sip = taken.local_addr().unwrap().to_string();
    let data = dir.path().to_str().unwrap();
    let sentence = refused(&["demo", "--data", data, "--sip", &sip, "--http", "127.0.0.1:0"], 2);
    assert!(sentence.contains(&sip) && sentence.contains("taken"), "{sentence}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let http = taken.local_addr().unwrap().to_string();
    let sentence = refused(&["demo", "--data", data, "--sip", "127.0.0.1:0", "--http", &http], 2);
    assert!(sentence.contains(&http) && sentence.contains("taken"), "{sentence}");
}

#[test]
fn a_wrong_configuration_is_one_sentence_with_its_place_and_exit_code_2() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("strowger.toml");
    std::fs::write(&path, "[sip]\nlisten = [\"udp:0.0.0.0:5060\"]\nlisen = 1\n").unwrap();
    let file = path.to_str().unwrap();
    let sentence = refused(&["serve", "--config", file], 2);
    assert!(sentence.contains("strowger.toml:3:1: ") && sentence.contains("lisen"), "{sentence}");
    let sentence = refused(&["serve", "--config", "/no/such/file.toml"], 2);
    assert!(sentence.contains("/no/such/file.toml"), "{sentence}");
    refused(&["serve"], 2);
    refused(&["sevre"], 2);
    refused(&["call", "list", "--url", "http://127.0.0.1:1", "--token", "x"], 2);
}

#[test]
fn a_broken_database_is_one_sentence_and_exit_code_2() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("strowger.db"), vec![b'x'; 8192]).unwrap();
    let data = dir.path().to_str().unwrap();
    let sentence = refused(&["demo", "--data", data, "--sip", "127.0.0.1:0", "--http", "127.0.0.1:0"], 2);
    assert!(sentence.contains("strowger.db"), "{sentence}");
    let config = dir.path().join("s.toml");
    let url = "postgres://nobody:hidden-password@127.0.0.1:1/none";
    let text = format!(
        "[data]\ndir = {data:?}\n[store]\nurl = {url:?}\n[http]\nlisten = \"127.0.0.1:0\"\n[sip]\nlisten = [\"udp:127.0.0.1:0\"]\n"
    );
    std::fs::write(&config, text).unwrap();
    let sentence = refused(&["serve", "--config", config.to_str().unwrap()], 2);
    assert!(sentence.contains("127.0.0.1:1") && !sentence.contains("hidden-password"), "{sentence}");
}

#[test]
fn serve_says_where_its_client_file_is_and_stops_on_sigterm() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let config = dir.path().join("s.toml");
    let text = format!(
        "[data]\ndir = {data:?}\n[http]\nlisten = \"127.0.0.1:0\"\n[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\n[media]\nports = \"0\"\nstreams_max = 4\n"
    );
    std::fs::write(&config, text).unwrap();
    let mut serve = Demo::serve(&config, &data);
    let brands: Value = serde_json::from_str(&serve.client(&["--json", "account", "list"])).unwrap();
    assert_eq!(brands, serde_json::json!([]));
    let log = serve.stop();
    assert!(log.contains("stopped"), "{log}");
}

#[test]
fn no_secret_reaches_the_log_at_info() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(dir.path());
    let secrets = [
        demo.client(&["account", "add", "1021", "--password", "given-s3cret-password"]),
        demo.client(&["account", "add", "1022"]),
    ];
    let config = dir.path().join("room.json");
    std::fs::write(&config, r#"{"pin":"47114711471"}"#).unwrap();
    let bind = ["plugin", "bind", "conference", "--config", &format!("@{}", config.display())];
    demo.client(&bind);
    std::fs::remove_file(config).unwrap();
    let plugins = demo.client(&["plugin", "list"]);
    assert!(plugins.contains(r#"{"pin":"********"}"#) && !plugins.contains("4711471"), "{plugins}");
    let (code, sentence) = demo.refused(&["plugin", "bind", "conference", "--config", r#"{"pin":"47x"}"#]);
    assert!(code == 1 && sentence.contains("config/pin: digits only"), "{sentence}");
    let made = secrets[1].split("once): ").nth(1).unwrap().trim().to_owned();
    let sip = demo.sip_udp();
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    phone.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let own = phone.local_addr().unwrap();
    for (method, body) in
        [("REGISTER", ""), ("INVITE", "v=0\r\ns=body-s3cret-marker\r\n"), ("MESSAGE", "body-s3cret-marker")]
    {
        let message = format!(
            "{method} sip:1002@{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{method};rport\r\nFrom: <sip:1001@{sip}>;tag=a\r\n\
             To: <sip:1002@{sip}>\r\nCall-ID: {method}@test\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\nContact: <sip:1001@{own}>\r\n\
             Authorization: Digest username=\"1001\", realm=\"x\", nonce=\"y\", uri=\"sip:x\", response=\"credential-s3cret-marker\"\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        phone.send_to(message.as_bytes(), &sip).unwrap();
        let mut answer = [0; 4096];
        let (length, _) = phone.recv_from(&mut answer).unwrap();
        assert!(answer[..length].starts_with(b"SIP/2.0 "), "{method} is answered");
    }
    let token = demo.token();
    let accounts = demo.accounts();
    let log = demo.stop();
    assert!(log.contains("stopped"), "the log is there: {log}");
    let known = accounts.iter().map(|(_, password)| password.as_str());
    for secret in known.chain(["s3cret", made.as_str(), token.as_str(), "4711471"]) {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
    let files = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path());
    for file in files.filter(|file| file.is_file()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"4711471"), "a PIN is in {}", file.display());
    }
}

#[test]
fn help_and_version_are_no_failure() {
    for flag in ["--help", "--version"] {
        let done = run(&[flag]);
        assert!(done.status.success() && done.stderr.is_empty());
        assert!(String::from_utf8(done.stdout).unwrap().contains("strowger"));
    }
}

#[test]
fn files_are_taken_in_and_written_by_jobs() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(&dir.path().join("data"));
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let users = file("users.csv", "username,password,first_name,extension\n4001,long enough,Anna,301\n");
    assert_eq!(
        demo.client(&["user", "import", &users, "--dry-run"]),
        "1 lines: 1 would be added, 0 would be changed.\n"
    );
    assert!(!demo.client(&["account", "list"]).contains("4001"));
    assert_eq!(demo.client(&["user", "import", &users, "--atomic"]), "1 lines: 1 added, 0 changed.\n");
    assert!(demo.client(&["account", "list"]).contains("Anna"));
    assert!(demo.client(&["extension", "list"]).contains("301"));
    let bad = file("bad.csv", "username,password\n4002,long enough\n4003,short\n");
    let (code, sentence) = demo.refused(&["account", "import", &bad]);
    assert!(code == 1 && sentence.contains("1 lines are wrong; the others are in"), "{code} {sentence}");
    let jobs = demo.client(&["job", "list", "--state", "done"]);
    assert!(jobs.contains("import"), "{jobs}");
    let all: Value = serde_json::from_str(&demo.client(&["--json", "job", "list"])).unwrap();
    let newest = all.as_array().unwrap().iter().find(|job| job["kind"] == "import").unwrap()["id"].to_string();
    let shown = demo.client(&["job", "show", &newest]);
    assert!(shown.contains("password") && shown.contains("3     "), "{shown}");
    assert_eq!(demo.refused(&["job", "cancel", &newest]).0, 1, "it is done");
    assert_eq!(demo.refused(&["job", "retry", &newest]).0, 1, "it is done");

    let rates = file("rates.csv", "Germany,49,0.012,0.05,1\nFrance,33,0.01,,60\n");
    let columns = ["--columns", "name,prefix,per-minute,connect,increment"];
    let import = [&["table", "import", "retail", &rates][..], &columns].concat();
    assert_eq!(demo.client(&import), "2 lines: 2 added, 0 changed.\n");
    assert!(demo.client(&["table", "list"]).contains("retail"));
    let out = dir.path().join("out.csv");
    demo.client(&["table", "export", "retail", out.to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(&out).unwrap().lines().count(), 3);
    let out = dir.path().join("users-out.csv");
    demo.client(&["user", "export", out.to_str().unwrap()]);
    assert!(std::fs::read_to_string(&out).unwrap().contains("4001,Anna,301"));
    assert_eq!(demo.refused(&["user", "export", out.to_str().unwrap()]).0, 2, "it is not written over");
    assert_eq!(demo.client(&["timetable", "list"]), "No timetables.\n");
    let add = ["timetable", "add", "nightly", "--export", "users", "--cron", "30 2 * * *", "--zone", "Europe/Berlin"];
    let added = demo.client(&add);
    assert!(added.starts_with("Timetable nightly comes next at 20"), "{added}");
    let listed = demo.client(&["timetable", "list"]);
    assert!(listed.contains("nightly") && listed.contains("30 2 * * * (Europe/Berlin)"), "{listed}");
    assert_eq!(
        demo.client(&["timetable", "set", "nightly", "--enabled", "false"]),
        "Timetable nightly is switched off.\n"
    );
    assert!(demo.client(&["timetable", "show", "nightly"]).contains("enabled     no"));
    assert_eq!(demo.refused(&["timetable", "add", "often", "--export", "users", "--every", "5"]).0, 1);
    demo.client(&["timetable", "remove", "nightly"]);
    demo.stop();
}
