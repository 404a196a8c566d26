//! Gives the queue's mails to their hosts, one try after the other.

use super::{MailTrialError, Postbox, fresh_id};
use crate::{fax, recordings};
use core::future::Future;
use core::net::IpAddr;
use core::time::Duration;
use mail::{Attachment, Letter, Post, Unsent};
use model::{BoxOwner, CompanyId, Instant};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use store::{Mail, MailFile, MailTry, StoreError, UsedMailHost};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How often is looked for mail whose time has come; one that is asked for here is looked at at once.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// So long tries that are under way may end when the switch stops.
const PARTING: Duration = Duration::from_secs(5);
/// How often old mails are forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// How often is counted how many there are.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// Time for a mail host on trial: somebody waits.
const TRIAL_MAX: Duration = Duration::from_secs(20);
/// Most hosts whose trials are counted; past it no other is tried.
const HOSTS_TRIED_MAX: usize = 1_000;
/// How long trials are counted together.
const HOUR: Duration = Duration::from_secs(3_600);

/// What is done now and then.
struct Chore {
    every: Duration,
    done: Option<tokio::time::Instant>,
}

impl Chore {
    const fn every(every: Duration) -> Chore {
        Chore { every, done: None }
    }

    /// Whether its time has come; if so, it counts as done.
    fn is_due(&mut self) -> bool {
        let due = self.done.is_none_or(|at| at.elapsed() >= self.every);
        if due {
            self.done = Some(tokio::time::Instant::now());
        }
        due
    }
}

impl Postbox {
    /// Sends what is due until `stop` holds true; `changed` hears of boxes whose message was put away.
    pub(crate) async fn run<F>(self, changed: impl Fn(BoxOwner) -> F + Send + Sync, mut stop: watch::Receiver<bool>)
    where
        F: Future<Output = ()> + Send,
    {
        let mut tasks: JoinSet<Option<BoxOwner>> = JoinSet::new();
        let mut told = false;
        let (mut sweep, mut count) = (Chore::every(SWEEP_EVERY), Chore::every(COUNT_EVERY));
        while !*stop.borrow_and_update() {
            match self.begin(&mut tasks).await {
                Ok(()) => told = false,
                Err(error) if !told => {
                    tracing::warn!(%error, "mail waits for the database");
                    told = true;
                }
                Err(_) => {}
            }
            if sweep.is_due() {
                self.sweep().await;
            }
            if count.is_due() {
                self.count_now().await;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.inner.asked.notified() => {}
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                    if let Ok(Some(owner)) = ended {
                        changed(owner).await;
                    }
                }
                () = async { drop(stop.wait_for(|stop| *stop).await) } => break,
            }
        }
        // Who is cut off here is tried again, and the host may have two of the same.
        let ends = async { while tasks.join_next().await.is_some() {} };
        let _cut_off = tokio::time::timeout(PARTING, ends).await;
    }

    /// Begins what is due, as far as there is room.
    async fn begin(&self, tasks: &mut JoinSet<Option<BoxOwner>>) -> Result<(), StoreError> {
        let limits = &self.inner.limits;
        // A third more than a try may take, for what is written after it.
        let lease = Duration::from_secs(u64::from(limits.mail_deadline_s)) * 4 / 3 + LOOK_EVERY;
        while tasks.len() < limits.mails_at_once_max {
            let holder = format!("{}-{}", self.inner.holder, fresh_id().unwrap_or_default());
            let now = self.inner.clock.now();
            let of_brand = limits.mails_of_brand_at_once_max;
            let Some(mail) = self.inner.db.mails().claim(&holder, (now, lease), of_brand).await? else { break };
            let own = self.clone();
            tasks.spawn(async move { own.attempt(mail, &holder).await });
        }
        Ok(())
    }

    /// One try; gives the box whose message was put away.
    async fn attempt(&self, mail: Mail, holder: &str) -> Option<BoxOwner> {
        let of = MailTry { mail: mail.id, holder };
        let (outcome, whole) = self.give(&mail).await;
        let (mails, figures) = (self.inner.db.mails(), &self.inner.figures);
        let now = self.inner.clock.now();
        let written = match &outcome {
            Ok(()) => {
                figures.sent.fetch_add(1, Ordering::Relaxed);
                tracing::info!(mail = mail.id, company = mail.what.company.0, tries = mail.tries, "a mail was sent");
                // What did not arrive whole is not put away.
                match mails.sent(of, now, mail.what.delete_after && whole).await {
                    Ok(changed) => return changed,
                    Err(error) => Err(error),
                }
            }
            Err(Unsent::Passing(why)) if !self.is_too_old(&mail, now) => {
                figures.put_off.fetch_add(1, Ordering::Relaxed);
                let pause = self.pause(mail.tries);
                tracing::warn!(mail = mail.id, why, again_in = ?pause, "a mail waits");
                mails.later(of, now + pause, why).await
            }
            Err(Unsent::Passing(why) | Unsent::Final(why)) => {
                figures.dead.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(mail = mail.id, company = mail.what.company.0, why, "a mail is dead");
                mails.dead(of, now, why).await
            }
        };
        if let Err(error) = written {
            tracing::warn!(mail = mail.id, %error, "what became of a mail is not written: it will be tried again");
        }
        None
    }

    fn is_too_old(&self, mail: &Mail, now: Instant) -> bool {
        mail.since_at + Duration::from_secs(u64::from(self.inner.limits.mail_give_up_s)) <= now
    }

    fn pause(&self, tries: u32) -> Duration {
        let limits = &self.inner.limits;
        let first = u64::from(limits.mail_retry_first_s.max(1));
        let doubled = first.saturating_mul(2_u64.saturating_pow(tries.saturating_sub(1).min(32)));
        Duration::from_secs(doubled.min(u64::from(limits.mail_retry_max_s.max(1))))
    }

    /// Gives a mail to its brand's host; whether everything went with it.
    async fn give(&self, mail: &Mail) -> (Result<(), Unsent>, bool) {
        let used = match self.inner.db.mail_hosts().of_brand(mail.what.brand).await {
            Ok(Some(used)) => used,
            Ok(None) => {
                return (Err(Unsent::Passing("neither the brand nor the platform has a mail host".to_owned())), false);
            }
            Err(error) => return (Err(Unsent::Passing(error.to_string())), false),
        };
        let (attachments, missing) = self.sounds(mail).await;
        if missing > 0 && self.is_elsewhere(mail).await {
            return (Err(Unsent::Passing("its sound is not on this node".to_owned())), false);
        }
        let mut text = mail.what.text.clone();
        if missing > 0 {
            let what = if mail.what.files.iter().any(is_fax) { "fax" } else { "sound" };
            text.push_str(&format!("\nThe {what} is not with this mail: it was deleted meanwhile, or is too large.\n"));
        }
        let letter = Letter {
            id: mail.what.message_id.clone(),
            at: mail.made_at,
            from: (used.host.from_name.clone(), used.host.from.clone()),
            to: mail.what.to.clone(),
            subject: mail.what.subject.clone(),
            text,
            attachments,
        };
        let deadline = Duration::from_secs(u64::from(self.inner.limits.mail_deadline_s));
        (self.post(&used, deadline).send(letter).await, missing == 0)
    }

    /// Whether a sound that is not here is still a message's, so that another node has it. Who waits in vain for that node
    /// gets the mail without in the end.
    async fn is_elsewhere(&self, mail: &Mail) -> bool {
        if self.is_too_old(mail, self.inner.clock.now()) {
            return false;
        }
        let kept = self.inner.db.voice_boxes().files(mail.what.company).await.unwrap_or_default();
        let here = |file: &MailFile| recordings::file_of(&self.inner.messages, mail.what.company, &file.file).exists();
        mail.what.files.iter().any(|file| kept.contains(&file.file) && !here(file))
    }

    fn post<'a>(&self, used: &'a UsedMailHost, deadline: Duration) -> Post<'a> {
        let anywhere: mail::Reach = |_: IpAddr| true;
        let guarded = used.is_brands && !self.inner.settings.brand_private_addresses;
        Post {
            host: &used.host,
            password: used.password.as_ref().map(store::PlainSecret::reveal),
            reach: if guarded { plugin::is_public } else { anywhere },
            deadline,
        }
    }

    /// Sends a mail to `to` at once by this host, past the queue: whoever asks hears what the host says.
    ///
    /// # Errors
    /// [`MailTrialError`].
    pub(crate) async fn trial(&self, used: &UsedMailHost, to: &str) -> Result<(), MailTrialError> {
        let now = self.inner.clock.now();
        if !self.may_try(&used.host.host, now) {
            return Err(MailTrialError::TooOften);
        }
        let id = fresh_id().map_err(|_| MailTrialError::Refused("the kernel gives no randomness".to_owned()))?;
        let domain = used.host.from.rsplit_once('@').map_or("strowger.invalid", |(_, domain)| domain);
        let letter = Letter {
            id: format!("{id}@{domain}"),
            at: now,
            from: (used.host.from_name.clone(), used.host.from.clone()),
            to: to.to_owned(),
            subject: "A mail for trial".to_owned(),
            text: format!("The mail host {} takes mail from this switch.\n", used.host.host),
            attachments: Vec::new(),
        };
        self.post(used, TRIAL_MAX).send(letter).await.map_err(|e| MailTrialError::Refused(e.to_string()))
    }

    /// Whether this host may be tried once more; if so, it counts.
    fn may_try(&self, host: &str, now: Instant) -> bool {
        let mut trials = self.inner.trials.lock().unwrap_or_else(PoisonError::into_inner);
        trials.retain(|_, (since, _)| *since + HOUR > now);
        if trials.len() >= HOSTS_TRIED_MAX && !trials.contains_key(host) {
            return false;
        }
        let (_, count) = trials.entry(host.to_owned()).or_insert((now, 0));
        *count = count.saturating_add(1);
        *count <= self.inner.limits.mail_trials_per_hour_max
    }

    /// The sounds that go with a mail, and how many do not.
    async fn sounds(&self, mail: &Mail) -> (Vec<Attachment>, usize) {
        let (folder, max) = (self.inner.messages.clone(), self.inner.limits.mail_bytes_max);
        let (company, files) = (mail.what.company, mail.what.files.clone());
        let all = files.len();
        let read = move || read_sounds(&folder, company, files, max);
        let found = tokio::task::spawn_blocking(read).await.unwrap_or_default();
        let missing = all - found.len();
        (found, missing)
    }

    /// Counts how many there are.
    pub(super) async fn count_now(&self) {
        // What cannot be counted now stays as it was.
        if let Ok(counts) = self.inner.db.mails().count().await {
            self.inner.figures.show(&counts);
        }
    }

    async fn sweep(&self) {
        let kept = Duration::from_secs(86_400) * self.inner.limits.mail_keep_days;
        if let Err(error) = self.inner.db.mails().sweep(self.inner.clock.now() - kept).await {
            tracing::warn!(%error, "old mails stay for now");
        }
    }
}

/// Whether a file is a fax, and no sound of a message.
fn is_fax(file: &MailFile) -> bool {
    file.name == super::FAX_FILE
}

/// Where it lies, and what it is; faxes are beside the messages.
fn place_of(messages: &Path, company: CompanyId, file: &MailFile) -> (PathBuf, &'static str) {
    if is_fax(file) {
        let faxes = messages.with_file_name(fax::FOLDER);
        return (fax::file_of(&faxes, company, &file.file, fax::FaxKind::Pdf), "application/pdf");
    }
    (recordings::file_of(messages, company, &file.file), "audio/wav")
}

fn read_sounds(folder: &Path, company: CompanyId, files: Vec<MailFile>, max: u64) -> Vec<Attachment> {
    let mut left = max;
    let mut found = Vec::new();
    for file in files {
        let (path, kind) = place_of(folder, company, &file);
        let fits = std::fs::metadata(&path).is_ok_and(|about| about.len() <= left);
        if let Some(bytes) = fits.then(|| std::fs::read(&path).ok()).flatten() {
            left = left.saturating_sub(bytes.len() as u64);
            found.push(Attachment { name: file.name, kind: kind.to_owned(), bytes });
        }
    }
    found
}
