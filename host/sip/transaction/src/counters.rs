//! What the layer counted: a peer's mistakes become figures, never errors.

/// Figures since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Server transactions created.
    pub servers: u64,
    /// Client transactions created, CANCELs among them.
    pub clients: u64,
    /// Requests received again and absorbed.
    pub requests_repeated: u64,
    /// Requests and responses that we sent again because a timer fired.
    pub resent: u64,
    /// Responses that match no transaction, or none in a state for them; dropped (RFC 6026 section 7.3).
    pub responses_stray: u64,
    /// ACKs that were dropped: for a stateless refusal, or in a state that does not want one.
    pub acks_dropped: u64,
    /// CANCELs that match no INVITE; answered 481.
    pub cancels_unmatched: u64,
    /// INVITEs that came twice by different paths; answered 482.
    pub merged: u64,
    /// Requests answered 503 because too many transactions are alive.
    pub overloaded: u64,
    /// Messages without what a transaction is matched by; dropped.
    pub unusable: u64,
    /// Timers B, F and H that fired, and server transactions nobody answered.
    pub timeouts: u64,
    /// Requests that left by TCP because they were too large for a datagram.
    pub large_by_tcp: u64,
    /// Of those, the ones that went by UDP after all.
    pub large_back_to_udp: u64,
    /// Transactions that their transport failed.
    pub transport_failures: u64,
}
