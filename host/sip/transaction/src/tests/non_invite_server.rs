//! The table of the `non_invite_server` machine: every state against every input.

use super::NonInviteServer;
use crate::class::Class::{Failure as Refused, Provisional, Success};
use crate::step::ServerStep as Step;
use crate::tests::tools::{ms, timing, wake};
use crate::{Failure, Gone};
use bytes::Bytes;
use model::Transport::{Tcp, Udp};

const R100: Bytes = Bytes::from_static(b"100");
const R200: Bytes = Bytes::from_static(b"200");

#[test]
fn copies_are_discarded_before_a_response_and_answered_after() {
    let mut machine = NonInviteServer::new(timing(Udp), ms(0));
    assert_eq!(machine.on_repeat(), Step::Nothing);
    assert_eq!(machine.on_response(Provisional, R100, timing(Udp), ms(10)), Ok(Step::Send(R100)));
    assert_eq!(machine.on_repeat(), Step::Send(R100));
    assert_eq!(machine.on_response(Success, R200, timing(Udp), ms(20)), Ok(Step::Send(R200)));
    assert_eq!(machine.on_repeat(), Step::Send(R200));
}

#[test]
fn timer_j_ends_it_and_is_zero_over_a_stream() {
    for class in [Success, Refused] {
        let mut machine = NonInviteServer::new(timing(Udp), ms(0));
        assert!(machine.on_response(class, R200, timing(Udp), ms(20)).is_ok());
        for late in [Provisional, Success, Refused] {
            assert_eq!(machine.on_response(late, R200, timing(Udp), ms(30)), Err(Gone));
        }
        assert_eq!(wake(machine.poll_timeout()), Some(32_020));
        assert_eq!(machine.on_timeout(ms(32_019)), Step::Nothing);
        assert_eq!(machine.on_timeout(ms(32_020)), Step::Nothing);
        assert!(machine.is_terminated());
        let mut machine = NonInviteServer::new(timing(Tcp), ms(0));
        assert!(machine.on_response(class, R200, timing(Tcp), ms(20)).is_ok());
        assert!(machine.is_terminated());
    }
}

#[test]
fn a_forgotten_request_ends_when_its_client_gives_up() {
    let mut machine = NonInviteServer::new(timing(Udp), ms(0));
    assert!(machine.on_response(Provisional, R100, timing(Udp), ms(10_000)).is_ok());
    assert_eq!(wake(machine.poll_timeout()), Some(32_000));
    assert_eq!(machine.on_timeout(ms(32_000)), Step::Fail(Failure::Timeout));
    assert_eq!(machine.on_response(Success, R200, timing(Udp), ms(32_001)), Err(Gone));
}

#[test]
fn a_transport_error_is_told_once() {
    let mut machine = NonInviteServer::new(timing(Udp), ms(0));
    assert_eq!(machine.on_transport_error(), Step::Fail(Failure::Transport));
    assert_eq!(machine.on_transport_error(), Step::Nothing);
    assert_eq!(machine.on_timeout(ms(32_000)), Step::Nothing, "it was told before");
    assert!(machine.is_terminated());
}
