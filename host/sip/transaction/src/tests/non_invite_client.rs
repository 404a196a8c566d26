//! The table of the `non_invite_client` machine: every state against every input.

use super::NonInviteClient;
use crate::Failure;
use crate::class::Class::{Failure as Refused, Provisional, Success};
use crate::step::ClientStep as Step;
use crate::tests::tools::{ms, timing, wake};
use model::Transport::{Tcp, Udp};

fn fire(machine: &mut NonInviteClient, transport: model::Transport) -> (u64, Step) {
    let at = wake(machine.poll_timeout()).expect("a timer");
    (at, machine.on_timeout(timing(transport), ms(at)))
}

#[test]
fn timer_e_doubles_up_to_t2_until_timer_f() {
    let mut machine = NonInviteClient::new(timing(Udp), ms(0));
    for at in [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500] {
        assert_eq!(fire(&mut machine, Udp), (at, Step::Resend));
    }
    assert_eq!(fire(&mut machine, Udp), (32_000, Step::Fail(Failure::Timeout)));
    assert!(machine.is_terminated());
}

#[test]
fn in_proceeding_timer_e_is_t2_and_timer_f_stays() {
    let mut machine = NonInviteClient::new(timing(Udp), ms(0));
    assert_eq!(machine.on_response(Provisional, timing(Udp), ms(100)), Step::Deliver);
    for at in [500, 4_500, 8_500, 12_500, 16_500, 20_500, 24_500, 28_500] {
        assert_eq!(fire(&mut machine, Udp), (at, Step::Resend));
    }
    assert_eq!(machine.on_response(Provisional, timing(Udp), ms(29_000)), Step::Deliver);
    assert_eq!(fire(&mut machine, Udp), (32_000, Step::Fail(Failure::Timeout)));
}

#[test]
fn over_a_stream_there_is_timer_f_only_and_k_is_zero() {
    let mut machine = NonInviteClient::new(timing(Tcp), ms(0));
    assert_eq!(wake(machine.poll_timeout()), Some(32_000));
    assert_eq!(machine.on_response(Success, timing(Tcp), ms(100)), Step::Deliver);
    assert!(machine.is_terminated());
}

#[test]
fn the_final_response_goes_up_once_and_timer_k_absorbs_copies() {
    for class in [Success, Refused] {
        let mut machine = NonInviteClient::new(timing(Udp), ms(0));
        machine.on_response(Provisional, timing(Udp), ms(50));
        assert_eq!(machine.on_response(class, timing(Udp), ms(100)), Step::Deliver);
        for copy in [Provisional, Success, Refused] {
            assert_eq!(machine.on_response(copy, timing(Udp), ms(200)), Step::Nothing);
        }
        assert_eq!(machine.on_transport_error(), Step::Nothing);
        assert_eq!(fire(&mut machine, Udp), (5_100, Step::Nothing));
        assert!(machine.is_terminated());
        assert_eq!(machine.on_response(class, timing(Udp), ms(5_200)), Step::Stray);
    }
}

#[test]
fn transport_errors_are_told() {
    for provisional in [false, true] {
        let mut machine = NonInviteClient::new(timing(Udp), ms(0));
        if provisional {
            machine.on_response(Provisional, timing(Udp), ms(1));
        }
        assert_eq!(machine.on_transport_error(), Step::Fail(Failure::Transport));
        assert!(machine.is_terminated());
    }
}
