//! Conferences over the public face.

use super::kit::{Desk, Party};
use crate::{Event, GAIN_ONE, JoinError, MediaTransmit};

fn frame(level: i16) -> [u8; 160] {
    [rtp::g711::alaw_encode(level); 160]
}

/// Everybody says its level for so many packets; gives what each heard last.
fn talk(desk: &mut Desk, members: &mut [Party], levels: &[i16], packets: usize) -> Vec<Option<i16>> {
    let mut sent: Vec<MediaTransmit> = Vec::new();
    for _ in 0..packets {
        for (member, level) in members.iter_mut().zip(levels).filter(|(_, level)| **level != 0) {
            assert_eq!(desk.send(member, 8, &frame(*level)), None);
        }
        sent = desk.pass(20);
    }
    let level = |m: &Party| sent.iter().find(|t| t.to == m.rtp).map(|t| rtp::g711::alaw_decode(t.bytes[100]));
    members.iter().map(level).collect()
}

fn near(heard: &[Option<i16>], expected: &[Option<i16>]) -> bool {
    heard.len() == expected.len()
        && heard.iter().zip(expected).all(|(a, b)| match (a, b) {
            (Some(a), Some(b)) => a.abs_diff(*b) < 70,
            (a, b) => a == b,
        })
}

#[test]
fn three_members_hear_each_other_and_nobody_itself() {
    let mut desk = Desk::new();
    let mut members: Vec<Party> =
        ["10.0.0.1:4000", "10.0.0.2:4002", "10.0.0.3:4004"].iter().map(|at| desk.party(at, "8 101")).collect();
    let room = desk.engine.open_conference();
    for member in &members {
        desk.engine.join(room, member.id).unwrap();
    }
    assert_eq!(desk.engine.members(room), Some(3));
    let heard = talk(&mut desk, &mut members, &[400, 1_000, 0], 40);
    assert!(near(&heard, &[Some(1_000), Some(400), Some(1_400)]), "{heard:?}");
    desk.engine.set_member(members[0].id, 2 * GAIN_ONE, false, false);
    desk.engine.set_member(members[1].id, GAIN_ONE, true, false);
    desk.engine.set_member(members[2].id, GAIN_ONE, false, true);
    let heard = talk(&mut desk, &mut members, &[400, 1_000, 0], 3);
    assert!(near(&heard, &[None, Some(800), None]), "{heard:?}");
    let named: Vec<_> = desk.events().into_iter().filter(|e| matches!(e, Event::Speaker { .. })).collect();
    assert!(matches!(named.first(), Some(Event::Speaker { conference, .. }) if *conference == room), "{named:?}");
    desk.engine.leave(members[1].id);
    let heard = talk(&mut desk, &mut members[..1], &[400], 3);
    assert!(near(&heard, &[None]), "alone with a deaf one: {heard:?}");
    desk.engine.close_conference(room);
    assert_eq!(desk.engine.members(room), None);
    desk.pass(2_000);
    assert!(desk.engine.poll_timeout().unwrap().since(desk.now).as_millis() > 500, "nothing ticks");
}

#[test]
fn wide_and_narrow_members_meet_and_a_silent_room_costs_nothing() {
    let mut desk = Desk::new();
    let wide = desk.party("10.0.0.1:4000", "9");
    let mut narrow = desk.party("10.0.0.2:4002", "8");
    let room = desk.engine.open_conference();
    desk.engine.join(room, wide.id).unwrap();
    desk.engine.join(room, narrow.id).unwrap();
    assert!(desk.engine.poll_timeout().unwrap().since(desk.now).as_secs() > 50, "nobody speaks");
    let mut decoder = rtp::g722::Decoder::default();
    let mut sound = Vec::new();
    for n in 0..50_u64 {
        let samples: Vec<u8> = (n * 160..(n + 1) * 160)
            .map(|t| rtp::g711::alaw_encode(((t as f64 * 0.7).sin() * 8_000.0) as i16))
            .collect();
        desk.send(&mut narrow, 8, &samples);
        for transmit in desk.pass(20) {
            assert_eq!(transmit.to, wide.rtp, "the speaker hears nobody");
            sound.extend(transmit.bytes[12..].iter().flat_map(|b| decoder.decode(*b)));
        }
    }
    let power = sound[3_200..].iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / (sound.len() - 3_200) as f64;
    assert!((power / 3.2e7 - 1.0).abs() < 0.15, "{power}");
}

#[test]
fn who_cannot_join_is_told_why() {
    let mut desk = Desk::new();
    let room = desk.engine.open_conference();
    let odd = desk.party("10.0.0.1:4000", "18");
    assert_eq!(desk.engine.join(room, odd.id), Err(JoinError::NoCodec));
    let closed = desk.party("10.0.0.2:4000", "8");
    desk.engine.close(closed.id, desk.now);
    assert_eq!(desk.engine.join(room, closed.id), Err(JoinError::Unknown));
    desk.engine.close_conference(room);
    let late = desk.party("10.0.0.3:4000", "8");
    assert_eq!(desk.engine.join(room, late.id), Err(JoinError::Unknown));
}
