//! What other threads ask of a shard.

use core::net::IpAddr;
use model::{
    Ban, CallId, CallSnapshot, Cause, Directory, FaxCall, Mailbox, Summons, TapeAct, TapeRefusal, TrunkStatus,
};
use net::TlsMaterial;
use std::sync::Arc;
use switch::RegistrarSnapshot;
use tokio::sync::oneshot;

/// One request; the answer goes back by its sender, which may be gone.
#[derive(Debug)]
pub(crate) enum Command {
    /// The tenants' facts have changed.
    Directory(Arc<Directory>, oneshot::Sender<()>),
    /// Every live call.
    Calls(oneshot::Sender<Vec<CallSnapshot>>),
    /// End a call; whether there was one.
    Hangup(CallId, oneshot::Sender<bool>),
    /// Make a call for an account; its id, or why nothing rings; nothing where its brand lives on another shard.
    Summon(Summons, oneshot::Sender<Option<Result<CallId, Cause>>>),
    /// Call a number to send a fax there; the call's id, or why nobody is called; nothing where its brand lives on another
    /// shard.
    Fax(FaxCall, oneshot::Sender<Option<Result<CallId, Cause>>>),
    /// Do something about the recordings of a call; why not, if not.
    Tape(CallId, u16, TapeAct, oneshot::Sender<Result<(), TapeRefusal>>),
    /// What waits in a mailbox.
    Mailbox(Mailbox, oneshot::Sender<()>),
    /// Every binding, and the facts to name its account by.
    Registrations(oneshot::Sender<(RegistrarSnapshot, Arc<Directory>)>),
    /// Certificates and authorities for the connections from now on.
    Secure(TlsMaterial, oneshot::Sender<()>),
    /// How every trunk is.
    Trunks(oneshot::Sender<Vec<TrunkStatus>>),
    /// The sources that are not listened to.
    Bans(oneshot::Sender<Vec<Ban>>),
    /// Listen to a source again; whether it was banned.
    Unban(IpAddr, oneshot::Sender<bool>),
    /// No new calls from now on; it answers when the figures show what is up.
    Drain(oneshot::Sender<()>),
    /// End every call now; how many there were.
    EndAll(oneshot::Sender<usize>),
    /// End the shard; it answers when everything it knows is on the disk.
    Stop(oneshot::Sender<()>),
}
