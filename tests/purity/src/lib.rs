//! The whole shard behind one exported function, built for wasm32-unknown-unknown by `cargo xtask purity`, which then
//! checks that the module imports nothing: no clock, no randomness, no socket can be reached from floors 0 to 4.

use bytes::Bytes;
use model::{Directory, Flow, Instant, Transport};
use std::sync::Arc;
use switch::{Core, CoreConfig, Input, Prompts};

/// Feeds one message to a fresh shard and counts what comes out, so that the linker must keep the whole walk.
#[unsafe(no_mangle)]
pub extern "C" fn outputs_of_one_message(seed: u8, nanos: u64) -> usize {
    let now = Instant::from_unix_nanos(nanos);
    let here = core::net::SocketAddr::from(([127, 0, 0, 1], 5060));
    let flow = Flow::new(Transport::Udp, here, here);
    let directory = Arc::new(Directory::default());
    let mut core = Core::new(CoreConfig::default(), directory, Vec::new(), Prompts::default(), [seed; 32]);
    core.handle(Input::Sip { flow, bytes: Bytes::from_static(b"OPTIONS sip:a@b SIP/2.0\r\n\r\n") }, now);
    core.handle_timeout(now);
    let mut outputs = 0;
    while core.poll_output().is_some() {
        outputs += 1;
    }
    while core.poll_media().is_some() {
        outputs += 1;
    }
    outputs
}
