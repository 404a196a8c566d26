//! The table of the `invite_server` machine: every state against every input.

use super::InviteServer;
use crate::class::Class::{Failure as Refused, Provisional, Success};
use crate::step::{AckStep, ServerStep as Step};
use crate::tests::tools::{ms, timing, wake};
use crate::{Failure, Gone};
use bytes::Bytes;
use model::Transport::{Tcp, Udp};

const R180: Bytes = Bytes::from_static(b"180");
const R200: Bytes = Bytes::from_static(b"200");
const R486: Bytes = Bytes::from_static(b"486");

fn fire(machine: &mut InviteServer, transport: model::Transport) -> (u64, Step) {
    let at = wake(machine.poll_timeout()).expect("a timer");
    (at, machine.on_timeout(timing(transport), ms(at)))
}

#[test]
fn silence_makes_a_100_and_a_response_does_not() {
    let mut machine = InviteServer::new(timing(Udp), ms(0));
    assert_eq!(machine.on_repeat(), Step::Nothing);
    assert_eq!(fire(&mut machine, Udp), (200, Step::Trying));
    machine.tried(Bytes::from_static(b"100"));
    assert_eq!(machine.poll_timeout(), None, "how long it rings is the user's business");
    assert_eq!(machine.on_repeat(), Step::Send(Bytes::from_static(b"100")));
    let mut machine = InviteServer::new(timing(Udp), ms(0));
    assert_eq!(machine.on_response(Provisional, R180, timing(Udp), ms(10)), Ok(Step::Send(R180)));
    assert_eq!(machine.poll_timeout(), None);
    assert_eq!(machine.on_repeat(), Step::Send(R180));
    machine.tried(Bytes::from_static(b"100"));
    assert_eq!(machine.last_response(), Some(&R180));
}

#[test]
fn timer_g_doubles_up_to_t2_until_timer_h() {
    let mut machine = InviteServer::new(timing(Udp), ms(0));
    assert_eq!(machine.on_response(Refused, R486, timing(Udp), ms(0)), Ok(Step::Send(R486)));
    assert_eq!(machine.on_repeat(), Step::Send(R486));
    for at in [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500] {
        assert_eq!(fire(&mut machine, Udp), (at, Step::Send(R486)));
    }
    assert_eq!(fire(&mut machine, Udp), (32_000, Step::Fail(Failure::Timeout)));
    assert!(machine.is_terminated());
}

#[test]
fn over_a_stream_timer_h_runs_and_g_does_not() {
    let mut machine = InviteServer::new(timing(Tcp), ms(0));
    assert_eq!(machine.on_response(Refused, R486, timing(Tcp), ms(0)), Ok(Step::Send(R486)));
    assert_eq!(fire(&mut machine, Tcp), (32_000, Step::Fail(Failure::Timeout)));
}

#[test]
fn an_ack_confirms_and_timer_i_absorbs_more() {
    let mut machine = InviteServer::new(timing(Udp), ms(0));
    assert_eq!(machine.on_ack(timing(Udp), ms(1)), AckStep::Stray);
    assert!(machine.on_response(Refused, R486, timing(Udp), ms(100)).is_ok());
    assert_eq!(machine.on_ack(timing(Udp), ms(200)), AckStep::Absorb);
    assert_eq!(machine.on_ack(timing(Udp), ms(300)), AckStep::Absorb);
    assert_eq!(machine.on_repeat(), Step::Nothing);
    assert_eq!(fire(&mut machine, Udp), (5_200, Step::Nothing));
    assert!(machine.is_terminated());
    let mut machine = InviteServer::new(timing(Tcp), ms(0));
    assert!(machine.on_response(Refused, R486, timing(Tcp), ms(100)).is_ok());
    assert_eq!(machine.on_ack(timing(Tcp), ms(200)), AckStep::Absorb);
    assert!(machine.is_terminated(), "Timer I is zero over a stream");
}

#[test]
fn accepted_absorbs_invites_and_lets_2xx_and_ack_through_until_timer_l() {
    for transport in [Udp, Tcp] {
        let mut machine = InviteServer::new(timing(transport), ms(0));
        assert_eq!(machine.on_response(Success, R200, timing(transport), ms(100)), Ok(Step::Send(R200)));
        assert_eq!(machine.on_repeat(), Step::Nothing);
        assert_eq!(machine.on_response(Success, R200, timing(transport), ms(600)), Ok(Step::Send(R200)));
        assert_eq!(machine.on_ack(timing(transport), ms(700)), AckStep::PassUp);
        assert_eq!(machine.on_transport_error(timing(transport), ms(700)), Step::Nothing);
        assert_eq!(fire(&mut machine, transport), (32_100, Step::Nothing));
        assert!(machine.is_terminated());
    }
}

#[test]
fn there_is_one_final_response() {
    let mut accepted = InviteServer::new(timing(Udp), ms(0));
    assert!(accepted.on_response(Success, R200, timing(Udp), ms(1)).is_ok());
    let mut completed = InviteServer::new(timing(Udp), ms(0));
    assert!(completed.on_response(Refused, R486, timing(Udp), ms(1)).is_ok());
    for class in [Provisional, Refused] {
        assert_eq!(accepted.on_response(class, R180, timing(Udp), ms(2)), Err(Gone));
    }
    for class in [Provisional, Success, Refused] {
        assert_eq!(completed.on_response(class, R180, timing(Udp), ms(2)), Err(Gone));
    }
}

#[test]
fn a_transport_error_is_told_once_and_the_user_has_64_t1() {
    let mut machine = InviteServer::new(timing(Udp), ms(0));
    assert_eq!(machine.on_transport_error(timing(Udp), ms(50)), Step::Fail(Failure::Transport));
    assert_eq!(machine.on_transport_error(timing(Udp), ms(60)), Step::Nothing);
    let mut answered = InviteServer::new(timing(Udp), ms(0));
    answered.on_transport_error(timing(Udp), ms(50));
    assert!(answered.on_response(Refused, R486, timing(Udp), ms(100)).is_ok());
    assert_eq!(fire(&mut machine, Udp), (32_050, Step::Nothing));
    assert!(machine.is_terminated());
}
