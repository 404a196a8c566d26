//! What the configuration file refuses, and in which words.

use super::*;

fn refusal(text: &str) -> String {
    parse(Path::new("strowger.toml"), text).expect_err(text).to_string()
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(parse(Path::new("x"), "").unwrap(), Config::default());
}

#[test]
fn a_full_file_is_read() {
    let config = parse(
        Path::new("x"),
        r#"
        [sip]
        listen = [
            "udp:0.0.0.0:5060",
            "tcp:[::]:5060",
            { at = "wss:0.0.0.0:443", advertise = "203.0.113.6" },
            { at = "tls:[::]:5061", advertise = "[2001:db8::6]:15061" },
        ]
        ws_origins = ["https://phone.example.com"]
        advertised = ["203.0.113.5", "2001:db8::5"]
        local_nets = ["10.0.0.0/8", "fd00::/8"]
        default_domain = "demo.example"
        timers = { t1_ms = 250 }
        [media]
        ports = "10000-10099"
        prompts = "/srv/prompts"
        [tls]
        certificates = [{ domain = "sip.example.com", cert = "/etc/s/a.crt", key = "/etc/s/a.key" }]
        client_certificates = "request"
        client_ca = "/etc/s/ca.pem"
        [dns]
        servers = ["192.0.2.53:53", "[2001:db8::53]:53"]
        [http]
        listen = "[::1]:8080"
        trusted_proxies = ["127.0.0.1", "10.0.0.0/8"]
        metrics_without_token = true
        [store]
        url = "postgres://u:p@db/strowger"
        [recordings]
        endpoint = "https://s3.example.com"
        bucket = "sounds"
        key_id = "AK"
        secret_file = "/etc/s/secret"
        [speech]
        url = "https://voices.example.com/say"
        [limits]
        calls_max = 10
        [plugins]
        apps_max = 7
        "#,
    )
    .unwrap();
    assert_eq!(config.sip.listen[1], Listen::new(Transport::Tcp, "[::]:5060".parse().unwrap()));
    let advertised: Vec<_> = config.sip.listen.iter().map(|l| l.advertise.map(|a| a.to_string())).collect();
    assert_eq!(advertised[2..], [Some("203.0.113.6:0".to_owned()), Some("[2001:db8::6]:15061".to_owned())]);
    assert_eq!(config.tls.files().certificates[0].domain, "sip.example.com");
    assert_eq!(config.tls.client_certificates, ClientCertificates::Request);
    assert_eq!(config.sip.timers, Timers { t1_ms: 250, ..Timers::default() });
    assert_eq!(config.media.ports, PortRange { first: 10_000, last: 10_099 });
    assert_eq!(config.limits.calls_max, 10);
    assert_eq!(config.plugins.apps_max, 7);
}

#[test]
fn a_wrong_line_is_named_with_what_is_expected() {
    let text = refusal("[sip]\nlisten = [\"udp:0.0.0.0:5060\", \"sctp:1.2.3.4:5060\"]\n");
    assert!(text.starts_with("strowger.toml:2:"), "{text}");
    assert!(text.contains("expected udp:ADDR:PORT"), "{text}");
    let text = refusal("[limits]\ncalls_max = \"many\"\n");
    assert!(text.starts_with("strowger.toml:2:13: "), "{text}");
    assert!(text.contains("expected usize"), "{text}");
    let text = refusal("\n[sip]\nlisten_on = 1\n");
    assert!(
        text.starts_with("strowger.toml:3:1: ") && text.contains("listen_on") && text.contains("expected"),
        "{text}"
    );
    let text = refusal("[sip\n");
    assert!(text.starts_with("strowger.toml:1:"), "{text}");
    let text = refusal("[media]\nports = \"9-1\"\n");
    assert!(text.starts_with("strowger.toml:2:9: ") && text.contains("20000-29999"), "{text}");
    for (section, value) in [("sip", "cs8"), ("media", "64")] {
        let text = refusal(&format!("[{section}]\ndscp = \"{value}\"\n"));
        assert!(text.starts_with("strowger.toml:2:8: ") && text.contains(&format!("`{value}` is no DSCP")), "{text}");
    }
    for text in [&text, &refusal("[data]\ndir = 5"), &refusal("x = ")] {
        assert_eq!(text.lines().count(), 1, "one sentence: {text}");
    }
}

#[test]
fn fields_that_do_not_fit_together_are_refused() {
    assert!(refusal("[sip]\nlisten = []").contains("at least one"));
    assert!(refusal("[sip]\nadvertised = [\"1.2.3.4\", \"1.2.3.5\"]").contains("one family"));
    assert!(refusal("[sip]\nlisten = [\"tls:0.0.0.0:5061\"]").contains("tls.certificates is empty"));
    assert!(refusal("[tls]\nclient_certificates = \"require\"").contains("tls.client_ca"));
    let other = "[sip]\nlisten = [{ at = \"udp:0.0.0.0:5060\", advertise = \"::1\" }]";
    assert!(refusal(other).contains("other family"));
    let named = "[sip]\nlisten = [{ at = \"udp:0.0.0.0:5060\", advertise = \"sip.example.com\" }]";
    assert!(refusal(named).contains("expected ADDR or ADDR:PORT"));
    assert!(refusal("[store]\nurl = \"mysql://x\"").contains("postgres://"));
    assert!(refusal("[recordings]\nendpoint = \"s3.example.com\"").contains("https://HOST"));
    assert!(refusal("[recordings]\nendpoint = \"https://s3.example.com\"").contains("recordings.bucket"));
    assert!(refusal("[speech]\nurl = \"voices\"").contains("https://HOST"));
    assert!(refusal("[sip.timers]\nt1_ms = 0").contains("t1_ms"));
    assert!(refusal("[limits]\nregistration_min_s = 9000").contains("registration_max_s"));
    assert!(
        refusal("[plugins]\nbrand_share_percent = 0").contains("brand_share_percent is 0: expected a number from 1")
    );
    assert!(refusal("[plugins]\nbinding_share_percent = 101").contains("binding_share_percent is 101"));
    let text = parse(Path::new("/no/such.toml"), "").map(|_| ());
    assert!(text.is_ok());
    assert!(
        read(Path::new("/no/such.toml")).expect_err("missing").to_string().starts_with("/no/such.toml: cannot read")
    );
}

/// The fields of `struct NAME` in `source`: name, type, doc.
fn fields(source: &str, name: &str) -> Vec<(String, String, String)> {
    let body = source.split_once(&format!("struct {name} {{")).expect(name).1;
    let mut doc = String::new();
    let mut out = Vec::new();
    for line in body.lines().map(str::trim).take_while(|l| *l != "}") {
        if let Some(text) = line.strip_prefix("///") {
            doc.push_str(text);
        } else if let Some(field) = line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub "))
            && let Some((name, kind)) = field.split_once(": ")
        {
            out.push((name.to_owned(), kind.trim_end_matches(',').to_owned(), doc.trim().to_owned()));
            doc.clear();
        }
    }
    out
}

/// The reference page, from the doc comments.
fn reference_page() -> String {
    let ours = include_str!("config.rs");
    let limits = include_str!("../model/src/limits.rs");
    let mut page = String::from(
        "# The configuration file\n\n\
         One TOML file for `strowger serve --config FILE`. Every section and field may be left out; an unknown one is refused.\n\
         Tenant settings (brands, companies, accounts, numbers, plugins) live in the store: see the API.\n\n\
         This page is written from the doc comments by a test: `UPDATE_EXPECT=1 cargo test -p strowger the_reference_page`.\n",
    );
    let defaults = defaults();
    for (section, kind, about) in fields(ours, "Config") {
        page.push_str(&format!("\n## [{section}]\n\n{about}\n\n| field | default | meaning |\n|---|---|---|\n"));
        let source = match kind.as_str() {
            "Limits" => limits,
            "GuardConfig" => include_str!("../admission/src/guard/config.rs"),
            "ShedderConfig" => include_str!("../admission/src/overload.rs"),
            _ => ours,
        };
        for (field, kind, doc) in fields(source, &kind) {
            if kind == "Timers" {
                for (timer, _, doc) in fields(ours, "Timers") {
                    let path = format!("{field}.{timer}");
                    page.push_str(&format!("| `{path}` | {} | {doc} |\n", default_of(&defaults, &section, &path)));
                }
            } else {
                page.push_str(&format!("| `{field}` | {} | {doc} |\n", default_of(&defaults, &section, &field)));
            }
        }
    }
    page
}

/// The defaults that are no number of [`Limits`], for people.
fn defaults() -> Vec<(String, String)> {
    let Config { node, sip, tls, media, dns, identity, mail, http, store, data, recordings, speech, .. } =
        Config::default();
    let Config { limits, protection, overload, plugins, .. } = Config::default();
    let mut out: Vec<(String, String)> = vec![
        ("node.shards".into(), node.shards.to_string()),
        ("sip.listen".into(), "`[\"udp:0.0.0.0:5060\", \"tcp:0.0.0.0:5060\"]`".into()),
        ("sip.dscp".into(), format!("`\"{}\"`", sip.dscp)),
        ("sip.digest".into(), "`[\"sha-256\", \"md5\"]`".into()),
        ("sip.server_name".into(), "`strowger/VERSION`".into()),
        ("sip.unsolicited_mwi".into(), sip.unsolicited_mwi.to_string()),
        ("sip.timers.t1_ms".into(), sip.timers.t1_ms.to_string()),
        ("sip.timers.t2_ms".into(), sip.timers.t2_ms.to_string()),
        ("sip.timers.t4_ms".into(), sip.timers.t4_ms.to_string()),
        ("sip.drain_s".into(), sip.drain_s.to_string()),
        ("tls.client_certificates".into(), "`\"none\"`".into()),
        ("media.ports".into(), format!("`\"{}\"`", media.ports)),
        ("media.streams_max".into(), media.streams_max.to_string()),
        ("media.dscp".into(), format!("`\"{}\"`", media.dscp)),
        ("mail.brand_private_addresses".into(), mail.brand_private_addresses.to_string()),
        ("http.listen".into(), format!("`\"{}\"`", http.listen)),
        ("http.requests_per_minute".into(), http.requests_per_minute.to_string()),
        ("http.requests_burst".into(), http.requests_burst.to_string()),
        ("http.metrics_without_token".into(), http.metrics_without_token.to_string()),
        ("store.archive_days".into(), store.archive_days.to_string()),
        ("data.dir".into(), format!("`\"{}\"`", data.dir.display())),
        ("recordings.region".into(), format!("`\"{}\"`", recordings.region)),
        ("recordings.bucket".into(), "`\"\"`".into()),
        ("recordings.prefix".into(), "`\"\"`".into()),
        ("recordings.key_id".into(), "`\"\"`".into()),
        ("speech.program".into(), format!("`\"{}\"`", speech.program)),
        ("speech.cache_megabytes".into(), speech.cache_megabytes.to_string()),
        ("plugins.memory_bytes_max".into(), plugins.memory_bytes_max.to_string()),
        ("plugins.hook_cpu_ms".into(), plugins.hook_cpu_ms.to_string()),
        ("plugins.hooks_max".into(), plugins.hooks_max.to_string()),
        ("plugins.apps_max".into(), plugins.apps_max.to_string()),
        ("plugins.waits_max".into(), plugins.waits_max.to_string()),
        ("plugins.raters_max".into(), plugins.raters_max.to_string()),
        ("plugins.brand_share_percent".into(), plugins.brand_share_percent.to_string()),
        ("plugins.binding_share_percent".into(), plugins.binding_share_percent.to_string()),
        ("plugins.compile_cpu_s".into(), plugins.compile_cpu_s.to_string()),
        ("plugins.compile_memory_bytes".into(), plugins.compile_memory_bytes.to_string()),
        ("plugins.compile_wall_s".into(), plugins.compile_wall_s.to_string()),
        ("plugins.compile_at_once".into(), plugins.compile_at_once.to_string()),
        ("plugins.compile_waiting_max".into(), plugins.compile_waiting_max.to_string()),
        ("plugins.compile_nice".into(), plugins.compile_nice.to_string()),
        ("plugins.code_bytes_max".into(), plugins.code_bytes_max.to_string()),
        ("plugins.compiled_bytes_max".into(), plugins.compiled_bytes_max.to_string()),
        ("plugins.unsigned".into(), plugins.unsigned.to_string()),
    ];
    assert_eq!(sip.digest, [DigestAlgorithm::Sha256, DigestAlgorithm::Md5]);
    assert_eq!((store.url, dns.servers, tls, identity), (None, Vec::new(), Tls::default(), Identity::default()));
    for (section, table) in [
        ("limits", serde_json::to_value(limits)),
        ("protection", serde_json::to_value(protection)),
        ("overload", serde_json::to_value(overload)),
    ] {
        for (name, value) in table.expect("plain values").as_object().expect("a table") {
            out.push((format!("{section}.{name}"), value.to_string()));
        }
    }
    out
}

fn default_of(defaults: &[(String, String)], section: &str, field: &str) -> String {
    let path = format!("{section}.{field}");
    defaults.iter().find(|(p, _)| *p == path).map_or_else(|| "none".to_owned(), |(_, value)| value.clone())
}

#[test]
fn the_reference_page_lists_every_field() {
    let page = reference_page();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/config.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "host/docs/config.md is stale: UPDATE_EXPECT=1 cargo test -p strowger the_reference_page");
    assert!(page.contains("`calls_max`") && page.contains("`timers.t1_ms`") && page.contains("`streams_max`"));
}
