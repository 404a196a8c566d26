//! The table of the `invite_client` machine: every state against every input.

use super::{Cancellable, InviteClient};
use crate::Failure;
use crate::class::Class::{Failure as Refused, Provisional, Success};
use crate::step::ClientStep as Step;
use crate::tests::tools::{ms, timing, wake};
use model::Transport::{Tcp, Udp};

fn fire(machine: &mut InviteClient, transport: model::Transport) -> (u64, Step) {
    let at = wake(machine.poll_timeout()).expect("a timer");
    (at, machine.on_timeout(timing(transport), ms(at)))
}

#[test]
fn timer_a_doubles_until_timer_b() {
    let mut machine = InviteClient::new(timing(Udp), ms(0));
    for at in [500, 1_500, 3_500, 7_500, 15_500, 31_500] {
        assert_eq!(fire(&mut machine, Udp), (at, Step::Resend));
    }
    assert_eq!(fire(&mut machine, Udp), (32_000, Step::Fail(Failure::Timeout)));
    assert!(machine.is_terminated() && machine.poll_timeout().is_none());
}

#[test]
fn over_a_stream_there_is_timer_b_only() {
    let mut machine = InviteClient::new(timing(Tcp), ms(0));
    assert_eq!(fire(&mut machine, Tcp), (32_000, Step::Fail(Failure::Timeout)));
}

#[test]
fn a_provisional_response_switches_timers_a_and_b_off() {
    let mut machine = InviteClient::new(timing(Udp), ms(0));
    assert_eq!(machine.on_response(Provisional, timing(Udp), ms(100)), Step::Deliver);
    assert_eq!(machine.poll_timeout(), None);
    assert_eq!(machine.on_timeout(timing(Udp), ms(900_000)), Step::Nothing);
    assert_eq!(machine.on_response(Provisional, timing(Udp), ms(900_000)), Step::Deliver);
    assert_eq!(machine.on_response(Success, timing(Udp), ms(900_001)), Step::Deliver);
}

#[test]
fn accepted_lets_every_2xx_through_until_timer_m() {
    for transport in [Udp, Tcp] {
        let mut machine = InviteClient::new(timing(transport), ms(0));
        assert_eq!(machine.on_response(Success, timing(transport), ms(100)), Step::Deliver);
        assert_eq!(machine.on_response(Success, timing(transport), ms(600)), Step::Deliver);
        assert_eq!(machine.on_response(Provisional, timing(transport), ms(700)), Step::Nothing);
        assert_eq!(machine.on_response(Refused, timing(transport), ms(700)), Step::Stray);
        assert_eq!(machine.on_transport_error(true), Step::Nothing);
        assert_eq!(fire(&mut machine, transport), (32_100, Step::Nothing));
        assert!(machine.is_terminated());
        assert_eq!(machine.on_response(Success, timing(transport), ms(40_000)), Step::Stray);
    }
}

#[test]
fn completed_acknowledges_each_copy_until_timer_d() {
    let mut machine = InviteClient::new(timing(Udp), ms(0));
    assert_eq!(machine.on_response(Refused, timing(Udp), ms(100)), Step::DeliverAndAcknowledge);
    assert_eq!(machine.on_response(Refused, timing(Udp), ms(600)), Step::Acknowledge);
    assert_eq!(machine.on_response(Provisional, timing(Udp), ms(700)), Step::Nothing);
    assert_eq!(machine.on_response(Success, timing(Udp), ms(700)), Step::Stray);
    assert_eq!(fire(&mut machine, Udp), (32_100, Step::Nothing));
    assert!(machine.is_terminated());
    let mut machine = InviteClient::new(timing(Tcp), ms(0));
    assert_eq!(machine.on_response(Refused, timing(Tcp), ms(100)), Step::DeliverAndAcknowledge);
    assert!(machine.is_terminated(), "Timer D is zero over a stream");
}

#[test]
fn transport_errors_end_what_waits_for_a_response() {
    let mut machine = InviteClient::new(timing(Udp), ms(0));
    assert_eq!(machine.on_transport_error(false), Step::Fail(Failure::Transport));
    assert!(machine.is_terminated());
    let mut machine = InviteClient::new(timing(Udp), ms(0));
    machine.on_response(Provisional, timing(Udp), ms(1));
    assert_eq!(machine.on_transport_error(false), Step::Nothing, "it rings: the error is about something else");
    assert_eq!(machine.on_transport_error(true), Step::Fail(Failure::Transport), "no response can come any more");
    let mut machine = InviteClient::new(timing(Udp), ms(0));
    machine.on_response(Refused, timing(Udp), ms(1));
    assert_eq!(machine.on_transport_error(false), Step::Nothing);
    assert!(machine.is_terminated());
}

#[test]
fn a_cancelled_call_has_64_t1_for_its_final_response() {
    let mut machine = InviteClient::new(timing(Udp), ms(0));
    assert_eq!(machine.cancellable(), Cancellable::Later);
    machine.on_response(Provisional, timing(Udp), ms(100));
    assert_eq!(machine.cancellable(), Cancellable::Now);
    machine.cancelled(timing(Udp), ms(1_000));
    assert_eq!(machine.cancellable(), Cancellable::No);
    machine.on_response(Provisional, timing(Udp), ms(2_000));
    assert_eq!(wake(machine.poll_timeout()), Some(33_000), "a further 180 does not lengthen it");
    machine.cancelled(timing(Udp), ms(2_000));
    assert_eq!(fire(&mut machine, Udp), (33_000, Step::Fail(Failure::Timeout)));
}
