//! What the engine is made of: settings, ports, prompts.

use core::net::SocketAddr;
use core::time::Duration;
use model::MediaPortId;
use rtp::codec::Codecs;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Settings of an engine.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// A watched stream that hears nothing for this long gives [`crate::Event::Silent`].
    pub media_timeout: Duration,
    /// How long a port rests after its stream was closed, so that late packets of the old call meet nobody.
    pub quarantine: Duration,
    /// How long after the first packet from elsewhere a better source may still take over; then the
    /// source is locked until an offer or answer moves the described address (the rules are in `latch.rs`).
    pub learn_window: Duration,
    /// Stored prompts by name.
    pub prompts: Prompts,
    /// Who makes decoders and encoders.
    pub codecs: Arc<dyn Codecs>,
    /// Most members of one conference.
    pub members_max: usize,
}

impl Default for MediaConfig {
    fn default() -> Self {
        MediaConfig {
            media_timeout: Duration::from_secs(60),
            quarantine: Duration::from_secs(5),
            learn_window: Duration::from_secs(3),
            prompts: Prompts::default(),
            codecs: Arc::new(rtp::codec::Own),
            members_max: 500,
        }
    }
}

/// One bound RTP/RTCP pair, with the addresses that peers can reach it by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MediaPort {
    /// Its place in the list given to [`crate::Engine::new`].
    pub id: MediaPortId,
    /// RTP, as advertised.
    pub rtp: SocketAddr,
    /// RTCP, as advertised.
    pub rtcp: SocketAddr,
}

impl MediaPort {
    /// The pair as SDP wants it.
    #[must_use]
    pub const fn addr(&self) -> sdp::MediaAddr {
        sdp::MediaAddr { rtp: self.rtp, rtcp: self.rtcp }
    }
}

/// Sound by name: 16-bit linear, 8 kHz, mono.
#[derive(Clone, Default, Debug)]
pub struct Prompts(BTreeMap<String, Arc<[i16]>>);

impl Prompts {
    /// No prompts.
    #[must_use]
    pub fn new() -> Self {
        Prompts::default()
    }

    /// Adds or replaces one. A play that began keeps the sound it began with.
    pub fn insert(&mut self, name: impl Into<String>, pcm: impl Into<Arc<[i16]>>) {
        self.0.insert(name.into(), pcm.into());
    }

    /// The sound under this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<[i16]>> {
        self.0.get(name)
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl<N: Into<String>, S: Into<Arc<[i16]>>> FromIterator<(N, S)> for Prompts {
    fn from_iter<I: IntoIterator<Item = (N, S)>>(list: I) -> Self {
        Prompts(list.into_iter().map(|(name, pcm)| (name.into(), pcm.into())).collect())
    }
}
