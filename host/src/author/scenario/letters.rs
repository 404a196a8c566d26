//! Mail in a scenario: a list of what is to be sent, in its order.

use super::form::MailForm;
use model::{AppError, MailAsked, MailSender};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

#[derive(Debug, Default)]
struct State {
    left: VecDeque<MailForm>,
    strange: Option<String>,
}

/// Takes mail in place of the switch's queue.
#[derive(Debug, Default)]
pub(super) struct Letters(Mutex<State>);

impl Letters {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be sent from now on.
    pub(super) fn expect(&self, mails: &[MailForm]) {
        *self.state() = State { left: mails.iter().cloned().collect(), strange: None };
    }

    /// The first mail that was otherwise than the scenario says.
    pub(super) fn strange(&self) -> Option<String> {
        self.state().strange.clone()
    }

    /// What was to be sent, and was not.
    pub(super) fn missing(&self) -> Option<String> {
        self.state().left.front().map(|next| format!("no mail was sent to {}", next.to.join(", ")))
    }

    fn take(&self, from: &MailSender, asked: &MailAsked) -> Result<(), AppError> {
        let own = |to: &String| if to.contains('@') { to.clone() } else { "own".to_owned() };
        let may = |to: &String| from.may.iter().any(|held| bundle::mail_covers(held, &own(to)));
        if !asked.to.iter().all(may) {
            return Err(AppError::Denied("this address is not granted to this binding".to_owned()));
        }
        let mut state = self.state();
        let to = asked.to.join(", ");
        let next = state.left.pop_front();
        let why = match &next {
            None => Some(format!("it sends a mail to {to}, and none is expected")),
            Some(next) => difference(next, asked),
        };
        if let Some(why) = why {
            state.strange.get_or_insert(why);
            return Err(AppError::Unavailable("no such mail in the scenario".to_owned()));
        }
        match next.and_then(|next| next.error).as_deref() {
            None => Ok(()),
            Some("not-found") => Err(AppError::NotFound),
            Some("denied") => Err(AppError::Denied("no-mail-host".to_owned())),
            Some("limit-exceeded") => Err(AppError::LimitExceeded("mails-per-binding-hour-max".to_owned())),
            Some(_) => Err(AppError::Unavailable("as the scenario says".to_owned())),
        }
    }
}

/// In what a mail differs from what is expected.
fn difference(wanted: &MailForm, asked: &MailAsked) -> Option<String> {
    let told = |what: &str, is: String, wanted: String| Some(format!("a mail: {what} is {is}, expected {wanted}"));
    if wanted.to != asked.to {
        return told("to", asked.to.join(", "), wanted.to.join(", "));
    }
    if let Some(template) = wanted.template.as_ref().filter(|t| **t != asked.template) {
        return told("template", asked.template.clone(), template.clone());
    }
    for (name, value) in &wanted.fields {
        let is = asked.fields.iter().find(|(field, _)| field == name).map(|(_, is)| is.as_str());
        if is != Some(value) {
            return told(name, is.unwrap_or("not there").to_owned(), value.clone());
        }
    }
    if let Some(media) = wanted.media.as_ref().filter(|m| **m != asked.media) {
        return told("media", asked.media.join(", "), media.join(", "));
    }
    if wanted.key.is_some() && wanted.key != asked.key {
        return told("key", asked.key.clone().unwrap_or_default(), wanted.key.clone().unwrap_or_default());
    }
    None
}

impl plugin::Mailer for Letters {
    fn send(&self, from: MailSender, mail: MailAsked) -> oneshot::Receiver<Result<(), AppError>> {
        let (answer, receiver) = oneshot::channel();
        let _nobody_waits = answer.send(self.take(&from, &mail));
        receiver
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{BrandId, CompanyId};

    fn letters(yaml: &str) -> Letters {
        let forms: Vec<MailForm> = serde_saphyr::from_str(yaml).expect("a list of mails");
        let letters = Letters::default();
        letters.expect(&forms);
        letters
    }

    fn send(letters: &Letters, to: &str, name: &str) -> Result<(), AppError> {
        let from = MailSender {
            brand: BrandId(1),
            company: CompanyId(1),
            binding: "x".to_owned(),
            may: ["own".to_owned(), "*@example.com".to_owned()].into(),
        };
        let fields = vec![("caller".to_owned(), name.to_owned())];
        let asked = MailAsked { to: vec![to.to_owned()], template: "message".to_owned(), fields, ..Default::default() };
        letters.take(&from, &asked)
    }

    #[test]
    fn a_mail_is_expected_in_its_order_and_by_what_is_named() {
        let two = "- { to: [\"1002\"], template: message, fields: { caller: anna } }\n- { to: [a@example.com], error: not-found }\n";
        let good = letters(two);
        assert_eq!(send(&good, "1002", "anna"), Ok(()));
        assert_eq!(good.missing().as_deref(), Some("no mail was sent to a@example.com"));
        assert_eq!(send(&good, "a@example.com", "anna"), Err(AppError::NotFound));
        assert_eq!((good.missing(), good.strange()), (None, None));
        assert!(send(&good, "1002", "anna").is_err());
        assert_eq!(good.strange().as_deref(), Some("it sends a mail to 1002, and none is expected"));
        let other = letters(two);
        assert!(send(&other, "1002", "bert").is_err());
        assert_eq!(other.strange().as_deref(), Some("a mail: caller is bert, expected anna"));
        let refused = send(&letters(two), "a@example.org", "anna");
        assert!(matches!(refused, Err(AppError::Denied(_))), "the plugin's needs name nobody there: {refused:?}");
    }
}
