//! Call apps: a script that runs a call.

use crate::generated::app::exports::strowger::call::app as wit;
use crate::generated::app::strowger::call::control;
use crate::{Attr, Bridged, CallInfo, Collected, Error, Prompt, Result};

/// A call app. One instance runs one call.
pub trait App {
    /// The script. Returning ends it; legs left unbridged are released.
    ///
    /// # Errors
    /// A business outcome, `hung-up` most of the time: the legs are released all the same.
    fn run(call: Call) -> Result<Ended>;
}

/// What a script begins with.
#[derive(Debug)]
pub struct Call {
    /// The caller's leg.
    pub leg: Leg,
    /// The call, as the router saw it.
    pub info: CallInfo,
    /// Arguments from the router.
    pub args: Vec<Attr>,
}

/// How a script ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ended {
    status: Option<u16>,
}

impl Ended {
    /// Releases a caller that was not answered with this status.
    #[must_use]
    pub const fn with(status: u16) -> Ended {
        Ended { status: Some(status) }
    }
}

/// What [`export_app!`](crate::export_app) exports.
#[doc(hidden)]
pub use wit::Guest as AppGuest;

#[doc(hidden)]
pub fn run<A: App>(caller: control::Leg, args: Vec<Attr>) -> Result<Option<u16>> {
    crate::log_panics();
    let leg = Leg(caller);
    let info = leg.info();
    A::run(Call { leg, info, args }).map(|ended| ended.status)
}

/// Exports an [`App`].
#[macro_export]
macro_rules! export_app {
    ($app:ty) => {
        #[doc(hidden)]
        struct StrowgerAppExport;
        impl $crate::AppGuest for StrowgerAppExport {
            fn run(
                caller: $crate::generated::app::strowger::call::control::Leg,
                args: Vec<$crate::Attr>,
            ) -> $crate::Result<Option<u16>> {
                $crate::__run_app::<$app>(caller, args)
            }
        }
        $crate::generated::app::export_app_bindings!(StrowgerAppExport with_types_in $crate::generated::app);
    };
}

/// A party of the call. Dropping it changes nothing.
#[derive(Debug)]
pub struct Leg(pub(crate) control::Leg);

impl Leg {
    /// The call as this leg began it.
    #[must_use]
    pub fn info(&self) -> CallInfo {
        self.0.info()
    }

    /// `early`, `ringing`, `answered`, `ended`: what this app has seen of it.
    #[must_use]
    pub fn state(&self) -> String {
        self.0.state()
    }

    /// Sends 180 Ringing.
    ///
    /// # Errors
    /// As every verb: `hung-up` when the leg ended, and the rest of `call/control`.
    pub fn ring(&self) -> Result<()> {
        self.0.ring()
    }

    /// Answers.
    ///
    /// # Errors
    /// See [`Leg::ring`].
    pub fn answer(&self) -> Result<()> {
        self.0.answer(&[])
    }

    /// Refuses before the answer.
    ///
    /// # Errors
    /// See [`Leg::ring`].
    pub fn refuse(&self, sip: u16, reason: &str) -> Result<()> {
        self.0.refuse(sip, reason)
    }

    /// Ends the leg.
    pub fn hangup(&self) {
        self.0.hangup();
    }

    /// Plays to the end.
    ///
    /// # Errors
    /// See [`Leg::ring`].
    pub fn play(&self, prompts: &[Prompt]) -> Result<()> {
        self.0.play(prompts, "").map(drop)
    }

    /// Plays until done or until one of these digits, which it gives.
    ///
    /// # Errors
    /// See [`Leg::ring`].
    pub fn play_until(&self, prompts: &[Prompt], stop_on: &str) -> Result<Option<String>> {
        self.0.play(prompts, stop_on)
    }

    /// Plays and collects digits.
    ///
    /// # Errors
    /// See [`Leg::ring`].
    pub fn collect(&self, what: Collect) -> Result<Collected> {
        self.0.collect(&what.0)
    }

    /// Sends the leg its own audio back.
    ///
    /// # Errors
    /// See [`Leg::ring`].
    pub fn echo(&self, max_ms: u32) -> Result<()> {
        self.0.echo(max_ms)
    }
}

/// What to collect.
#[derive(Clone, Debug)]
pub struct Collect(control::CollectSpec);

impl Collect {
    /// Exactly so many digits; five seconds for the first, three between two.
    #[must_use]
    pub fn digits(count: u32) -> Collect {
        Collect(control::CollectSpec {
            prompts: Vec::new(),
            min_digits: count,
            max_digits: count,
            terminators: String::new(),
            first_digit_ms: 5_000,
            inter_digit_ms: 3_000,
            attrs: Vec::new(),
        })
    }

    /// Up to so many digits, ended by `#`.
    #[must_use]
    pub fn up_to(count: u32) -> Collect {
        let mut collect = Collect::digits(count);
        collect.0.min_digits = 1;
        collect.0.terminators = "#".to_owned();
        collect
    }

    /// Played before; a digit stops it.
    #[must_use]
    pub fn prompts(mut self, prompts: &[Prompt]) -> Collect {
        self.0.prompts = prompts.to_vec();
        self
    }

    /// Time for the first digit and between two, in milliseconds.
    #[must_use]
    pub fn wait(mut self, first_ms: u32, inter_ms: u32) -> Collect {
        self.0.first_digit_ms = first_ms;
        self.0.inter_digit_ms = inter_ms;
        self
    }
}

/// Whom to ring.
#[derive(Clone, Debug)]
pub struct Dial(control::DialSpec);

impl Dial {
    /// These accounts or SIP URIs, one after the other, 30 seconds each, with ringback.
    #[must_use]
    pub fn to<S: Into<String>>(targets: impl IntoIterator<Item = S>) -> Dial {
        Dial(control::DialSpec {
            targets: targets.into_iter().map(Into::into).collect(),
            parallel: false,
            ring_timeout_ms: 30_000,
            caller_id: None,
            header_ops: Vec::new(),
            ringback: vec![ringback()],
            attrs: Vec::new(),
        })
    }

    /// All at once.
    #[must_use]
    pub fn together(mut self) -> Dial {
        self.0.parallel = true;
        self
    }

    /// How long each rings, in milliseconds.
    #[must_use]
    pub fn ring(mut self, ms: u32) -> Dial {
        self.0.ring_timeout_ms = ms;
        self
    }

    /// What the caller hears meanwhile.
    #[must_use]
    pub fn hear(mut self, prompts: &[Prompt]) -> Dial {
        self.0.ringback = prompts.to_vec();
        self
    }

    /// The number to present.
    #[must_use]
    pub fn caller_id(mut self, number: &str) -> Dial {
        self.0.caller_id = Some(number.to_owned());
        self
    }
}

/// Rings others for `parent`; the first who answers.
///
/// # Errors
/// `timeout` when nobody answered, `hung-up` with the callee's cause when it refused, or with the parent's.
pub fn dial(parent: &Leg, whom: Dial) -> Result<Leg> {
    control::dial(&parent.0, &whom.0).map(Leg)
}

/// Joins two answered legs until either ends.
///
/// # Errors
/// As every verb.
pub fn bridge(a: &Leg, b: &Leg) -> Result<Bridged> {
    control::bridge(&a.0, &b.0, &control::BridgeSpec { max_s: None, attrs: Vec::new() })
}

/// Joins two answered legs for at most `max_s` seconds.
///
/// # Errors
/// As every verb.
pub fn bridge_for(a: &Leg, b: &Leg, max_s: u32) -> Result<Bridged> {
    control::bridge(&a.0, &b.0, &control::BridgeSpec { max_s: Some(max_s), attrs: Vec::new() })
}

/// Waits.
///
/// # Errors
/// As every verb.
pub fn sleep(ms: u32) -> Result<()> {
    control::sleep_ms(ms)
}

/// A stored prompt.
#[must_use]
pub fn file(name: &str) -> Prompt {
    Prompt::File(name.to_owned())
}

/// A WAV or Ogg Opus file at a URL that is granted, of at most ten minutes and 10 MiB; it is kept for as long as its server
/// says.
#[must_use]
pub fn url(url: &str) -> Prompt {
    Prompt::Other(("url".to_owned(), url.to_owned()))
}

/// A text that is read aloud in a language, or `LANGUAGE/VOICE`; at most 2,000 bytes.
#[must_use]
pub fn speech(language: &str, text: &str) -> Prompt {
    Prompt::Other(("speech".to_owned(), format!("{language}:{text}")))
}

/// What a setting names: `https://..` or `http://..` is a URL, `say:LANGUAGE:TEXT` a text, anything else a stored prompt.
#[must_use]
pub fn prompt(setting: &str) -> Prompt {
    if setting.starts_with("https://") || setting.starts_with("http://") {
        return url(setting);
    }
    match setting.strip_prefix("say:") {
        Some(said) => Prompt::Other(("speech".to_owned(), said.to_owned())),
        None => file(setting),
    }
}

/// A tone: `ring`, `busy`, `beep`, or `FREQ[+FREQ]/ON_MS[/OFF_MS]`.
#[must_use]
pub fn tone(name: &str) -> Prompt {
    Prompt::Tone(name.to_owned())
}

/// The ringing tone.
#[must_use]
pub fn ringback() -> Prompt {
    tone("ring")
}

/// A short beep.
#[must_use]
pub fn beep() -> Prompt {
    tone("beep")
}

/// Silence.
#[must_use]
pub fn silence(ms: u32) -> Prompt {
    Prompt::SilenceMs(ms)
}

/// Whether the error says that the party is gone.
#[must_use]
pub fn is_hung_up(error: &Error) -> bool {
    matches!(error, Error::HungUp(_))
}
