//! Prompts from elsewhere at a real phone, and a recording that is decoded again.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use interop::{Phone, Sip, Switch, audio, until};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};

/// A web server of one file, for as long as the test lives; its URL.
fn site(file: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let mut connection = connection;
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if connection.read(&mut byte).unwrap_or(0) == 0 {
                    break;
                }
                asked.push(byte[0]);
            }
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", file.len());
            let _gone = connection.write_all(&[head.into_bytes(), file.clone()].concat());
        }
    });
    format!("http://{at}/wrong.opus")
}

fn ogg(samples: &[i16]) -> Vec<u8> {
    let mut file = opus::OggWriter::new(Vec::new(), (8_000, 1), 1).unwrap();
    file.add(samples).unwrap();
    file.finish().unwrap()
}

/// What espeak-ng says, as the switch would have it said.
fn spoken(text: &str) -> Vec<i16> {
    let mut child = Command::new("espeak-ng")
        .args(["-v", "en", "-b", "1", "--stdin", "--stdout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("espeak-ng (cargo xtask install)");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    media::wav::read(&child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn a_phone_hears_a_spoken_menu_and_an_ogg_prompt_by_url() {
    let data = tempfile::tempdir().unwrap();
    let switch = Switch::demo(data.path());
    let wrong = audio::sweep(3);
    let menu = "Welcome. Press two for sales, three for support, or four to hear this once again.";
    let config = json!({
        "digits": { "2": "1002" },
        "menu": format!("say:en:{menu}"),
        "invalid": site(ogg(&wrong)),
    });
    let grants = json!({ "http": [{ "host": "127.0.0.1" }], "private-addresses": true });
    let bindings = switch.rest().all("/bindings");
    let attendant = bindings.iter().find(|b| b["name"] == "attendant").expect("the attendant's binding");
    let _ = switch.rest().write("PUT", &format!("/plugins/{}/grants", attendant["plugin_id"]), &grants);
    let mut bind = json!({ "name": "attendant", "plugin": attendant["plugin_id"], "config": config, "grants": grants });
    for scope in ["brand", "company"] {
        bind[scope] = attendant[scope].clone();
    }
    let _ = switch.rest().write("PUT", "/bindings", &bind);
    let sip = Sip { server: switch.sip(), tcp: false };
    let mut phone = Phone::registered(&switch, sip, "1001", &[0; 8_000]);
    phone.dial("100");
    phone.event("CALL_ESTABLISHED");
    phone.listen(6);
    let menu_at = phone.recorded();
    phone.command("sndcode", "9");
    phone.listen(4);
    phone.command("hangup", "");
    phone.event("CALL_CLOSED");
    let found = audio::find(&phone.heard(), &spoken(menu));
    assert!(found.same >= 4, "the menu is spoken: {found:?}");
    let found = audio::find(&phone.heard_after(menu_at), &wrong);
    assert!(found.same >= 4, "the prompt of the URL is heard: {found:?}");
}

#[test]
fn a_recording_becomes_opus_and_says_what_was_said() {
    let data = tempfile::tempdir().unwrap();
    let switch = Switch::demo(data.path());
    let sip = Sip { server: switch.sip(), tcp: false };
    let (ones, twos) = (audio::tone(700.0, 5), audio::sweep(5));
    let mut one = Phone::registered(&switch, sip, "1001", &ones);
    let mut two = Phone::registered(&switch, sip, "1002", &twos);
    one.dial("1002");
    two.event("CALL_INCOMING");
    two.command("accept", "");
    two.event("CALL_ESTABLISHED");
    one.event("CALL_ESTABLISHED");
    let calls = switch.cli(&["call", "list"]);
    let call = calls[0]["call"].as_str().or(calls[0]["id"].as_str()).expect("the call").to_owned();
    let _ = switch.rest().write("POST", &format!("/calls/{call}/recording"), &json!({ "act": "start" }));
    one.listen(4);
    one.command("hangup", "");
    two.event("CALL_CLOSED");
    let kept: Value = until("the recording as Opus", || {
        let all = switch.rest().all("/recordings");
        all.into_iter().find(|r| r["format"] == "opus")
    });
    let file = data.path().join("fetched.opus");
    let _ = switch.cli(&["recording", "fetch", &kept["id"].to_string(), file.to_str().unwrap()]);
    let bytes = std::fs::read(file).unwrap();
    assert_eq!(kept["bytes"], bytes.len());
    let sound = opus::read_ogg_stereo(&bytes).unwrap();
    let length_ms = kept["length_ms"].as_u64().unwrap();
    assert_eq!(sound.len() as u64 / 16, length_ms);
    assert!(bytes.len() * 5 < sound.len() * 2, "{} bytes for {length_ms} ms", bytes.len());
    let side = |which: usize| sound.iter().skip(which).step_by(2).copied().collect::<Vec<_>>();
    let (said, heard) = (side(0), side(1));
    let (windows, same) = audio::find_tone(&said, 700.0);
    assert!(windows >= 4 && same * 4 >= windows * 3, "1001 says its tone on the left: {same} of {windows}");
    let found = audio::find(&heard, &twos);
    assert!(found.same >= 4, "it hears 1002 on the right: {found:?}");
    assert!(audio::find(&said, &twos).same == 0, "and not on the left");
}
