//! Recordings, beeps and silence over the public face.

use super::kit::{Desk, Party};
use crate::{Channels, Event, PlayError, Recordable, RecordingId};
use core::time::Duration;
use model::Prompt;

const ALL: Recordable = Recordable { channels: Channels::Mixed, silence_end: None, max: None };

fn of(channels: Channels) -> Recordable {
    Recordable { channels, ..ALL }
}

/// Everything recorded so far, in one.
fn recorded(desk: &mut Desk, recording: RecordingId) -> Vec<i16> {
    let pieces = core::iter::from_fn(|| desk.engine.poll_recorded()).filter(|r| r.recording == recording);
    pieces.flat_map(|r| r.samples).collect()
}

/// Everybody says its level for so many packets.
fn talk(desk: &mut Desk, parties: &mut [(&mut Party, i16)], packets: usize) {
    for _ in 0..packets {
        for (party, level) in parties.iter_mut().filter(|(_, level)| *level != 0) {
            let _ = desk.send(party, 8, &[rtp::g711::alaw_encode(*level); 160]);
        }
        desk.pass(20);
    }
}

/// How much of it is about this loud.
fn share(samples: &[i16], level: i16) -> f64 {
    samples.iter().filter(|s| s.abs_diff(level) < 80).count() as f64 / samples.len().max(1) as f64
}

#[test]
fn both_sides_of_a_relayed_call_on_a_channel_each() {
    let mut desk = Desk::new();
    let (mut a, mut b) = (desk.party("10.0.0.1:4000", "8 101"), desk.party("10.0.0.2:4000", "8 101"));
    desk.engine.connect(a.id, b.id);
    let id = desk.engine.record(a.id, of(Channels::Stereo), desk.now).unwrap();
    assert_eq!(desk.engine.record(a.id, ALL, desk.now), Err(PlayError::Recorded));
    talk(&mut desk, &mut [(&mut a, 1_000), (&mut b, 3_000)], 100);
    let end = desk.engine.stop_recording(a.id).unwrap();
    let samples = recorded(&mut desk, id);
    assert_eq!((end.recording, samples.len()), (id, end.length.as_millis() as usize * 16));
    assert!(end.length >= Duration::from_millis(1_980), "{:?}", end.length);
    let side = |n: usize| samples.iter().skip(n).step_by(2).copied().collect::<Vec<_>>();
    assert!(share(&side(0), 1_000) > 0.9 && share(&side(1), 3_000) > 0.9);
    assert_eq!(desk.engine.stop_recording(a.id), None);
    talk(&mut desk, &mut [(&mut a, 1_000)], 50);
    assert_eq!(desk.engine.poll_recorded(), None);
    let ears = |id| desk.engine.ports.get(id).is_some_and(|s| s.ear.is_some());
    assert!(!ears(a.id) && !ears(b.id), "nobody listens any more");
}

#[test]
fn halted_it_takes_nothing_in_and_silence_keeps_its_time() {
    let mut desk = Desk::new();
    let (mut a, mut b) = (desk.party("10.0.0.1:4000", "8"), desk.party("10.0.0.2:4000", "0"));
    desk.engine.connect(a.id, b.id);
    let id = desk.engine.record(a.id, ALL, desk.now).unwrap();
    talk(&mut desk, &mut [(&mut a, 1_000)], 50);
    assert!(desk.engine.pause_recording(a.id, true));
    talk(&mut desk, &mut [(&mut a, 5_000)], 50);
    assert!(desk.engine.pause_recording(a.id, false));
    desk.pass(1_000);
    desk.engine.disconnect(a.id);
    desk.engine.play(a.id, &[Prompt::File("hello".to_owned())], false, desk.now).unwrap();
    desk.pass(500);
    desk.engine.close(a.id, desk.now);
    let samples = recorded(&mut desk, id);
    assert!((19_000..=21_000).contains(&samples.len()), "1 s, 1 s of silence, half a second: {}", samples.len());
    assert!(share(&samples, 5_000) < 0.02, "the secret: {}", share(&samples, 5_000));
    let second = |n: usize, level| share(&samples[n * 4_000..(n + 1) * 4_000], level);
    assert!(second(0, 1_000) > 0.9 && second(3, 0) > 0.9 && second(4, 1_000) > 0.07, "the prompt is heard in it");
    assert!(!desk.engine.pause_recording(a.id, true), "it ended with the stream");
    let _ = desk.send(&mut b, 0, &[1; 160]);
}

#[test]
fn it_ends_by_silence_or_by_length_and_says_so() {
    let mut desk = Desk::new();
    let mut a = desk.party("10.0.0.1:4000", "9 8");
    let message = Recordable { channels: Channels::Party, silence_end: Some(Duration::from_secs(2)), max: None };
    let id = desk.engine.record(a.id, message, desk.now).unwrap();
    talk(&mut desk, &mut [(&mut a, 2_000)], 100);
    assert!(desk.events().is_empty());
    desk.pass(2_500);
    let events = desk.events();
    let [Event::RecordEnded { stream, end, by_silence: true }] = events[..] else { panic!("{events:?}") };
    assert_eq!((stream, end.recording), (a.id, id));
    assert!((3_900..=4_300).contains(&end.length.as_millis()), "{:?}", end.length);
    assert_eq!(recorded(&mut desk, id).len(), end.length.as_millis() as usize * 8);
    let short = Recordable { max: Some(Duration::from_millis(500)), ..ALL };
    desk.engine.record(a.id, short, desk.now).unwrap();
    talk(&mut desk, &mut [(&mut a, 2_000)], 50);
    let events = desk.events();
    let [Event::RecordEnded { end, by_silence: false, .. }] = events[..] else { panic!("{events:?}") };
    assert_eq!(end.length, Duration::from_millis(500));
    let deaf = desk.party("10.0.0.3:4000", "18");
    assert_eq!(desk.engine.record(deaf.id, ALL, desk.now), Err(PlayError::NoCodec));
}

#[test]
fn a_conference_is_recorded_as_a_member_hears_it() {
    let mut desk = Desk::new();
    let mut members: Vec<Party> =
        ["10.0.0.1:4000", "10.0.0.2:4002", "10.0.0.4:4004"].iter().map(|at| desk.party(at, "8")).collect();
    let room = desk.engine.open_conference();
    members.iter().for_each(|m| desk.engine.join(room, m.id).unwrap());
    let id = desk.engine.record(members[2].id, ALL, desk.now).unwrap();
    let [a, b, _] = &mut members[..] else { unreachable!() };
    talk(&mut desk, &mut [(a, 1_000), (b, 2_000)], 100);
    let samples = recorded(&mut desk, id);
    assert!(share(&samples, 3_000) > 0.8, "{}", share(&samples, 3_000));
}

#[test]
fn beeps_and_silence_are_told_while_somebody_wants_to_know() {
    let mut desk = Desk::new();
    let mut a = desk.party("10.0.0.1:4000", "8");
    desk.engine.listen(a.id, true, Some(Duration::from_secs(1)), desk.now).unwrap();
    for n in 0..20_usize {
        let at = |t: usize| ((n * 160 + t) as f64 * core::f64::consts::TAU / 8.0).sin() * 8_000.0;
        let frame: Vec<u8> = (0..160).map(|t| rtp::g711::alaw_encode(at(t) as i16)).collect();
        desk.send(&mut a, 8, &frame);
        desk.pass(20);
    }
    talk(&mut desk, &mut [(&mut a, 2_000)], 10);
    let events = desk.events();
    assert!(matches!(events[..], [Event::Beep { hertz: 990..=1_010, .. }]), "{events:?}");
    desk.pass(1_300);
    assert_eq!(desk.events(), [Event::Quiet { stream: a.id }]);
    desk.engine.stop_listening(a.id);
    desk.pass(5_000);
    assert!(desk.events().is_empty());
    assert!(desk.engine.poll_timeout().unwrap().since(desk.now) > Duration::from_secs(1), "nothing ticks");
}
