//! `host/secrets`, and the type that keeps them out of logs.

use crate::bindings::router::strowger::host::secrets::Host;
use crate::bindings::router::strowger::types::types::Error;
use crate::guest::Guest;
use crate::tape::{Cue, SECRET};
use core::fmt;

/// A secret of a binding. Shows nothing of itself but to the guest it was granted to and in an `Authorization` field.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret.
    #[must_use]
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Guest {
    /// A granted secret.
    pub(crate) fn secret(&self, name: &str) -> Result<&Secret, Error> {
        let denied = || Error::Denied(format!("secret {:?} is not granted", super::cut(name, 64)));
        self.bound.powers.secrets.get(name).ok_or_else(denied)?.as_ref().ok_or(Error::NotFound)
    }
}

impl Host for Guest {
    fn get(&mut self, name: String) -> Result<String, Error> {
        let cue = self.cue::<Result<String, Error>>("secrets.get", &(&name,));
        if let Cue::Known(said) = cue {
            // Whoever replays may have one of his own.
            let own = self.bound.powers.secrets.get(&name).cloned().flatten();
            return said.map(|masked| own.map_or(masked, |own| own.reveal().to_owned()));
        }
        let said = self.secret(&name).map(|secret| secret.reveal().to_owned());
        // Whatever it is, however short: a recording holds none.
        let shown = said.as_ref().map(|_| SECRET.to_owned()).map_err(Clone::clone);
        self.keep(cue, &shown);
        said
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_does_not_show() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2".to_owned()))), "Some(Secret(..))");
    }
}
