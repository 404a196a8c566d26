//! Gives a mail to a host: one connection each.

use crate::Letter;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use lettre::address::Envelope;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use model::{MailHost, MailTls};

/// Time for one address to take a connection.
const REACHED: Duration = Duration::from_secs(10);
/// Time for the host's answer to our farewell.
const FAREWELL: Duration = Duration::from_secs(2);
/// Addresses of a host that are tried, one after the other.
const ADDRESSES_MAX: usize = 4;

/// Which addresses a host may have.
pub type Reach = fn(IpAddr) -> bool;

/// The mail was not taken, or nobody knows.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unsent {
    /// Another try may help.
    #[error("{0}")]
    Passing(String),
    /// None will: the host has refused it for good.
    #[error("{0}")]
    Final(String),
}

/// A host, and how it is spoken to.
#[derive(Clone)]
pub struct Post<'a> {
    /// The host.
    pub host: &'a MailHost,
    /// The password of its user.
    pub password: Option<&'a str>,
    /// Where it may be.
    pub reach: Reach,
    /// Time for the whole exchange.
    pub deadline: Duration,
}

impl core::fmt::Debug for Post<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Post").field("host", self.host).finish_non_exhaustive()
    }
}

impl Post<'_> {
    /// Gives the host a mail. Of what breaks off after the mail was said nobody knows whether it was taken: that is
    /// [`Unsent::Passing`], and the next try says the same mail.
    ///
    /// # Errors
    /// [`Unsent`], in the host's words.
    pub async fn send(&self, letter: Letter) -> Result<(), Unsent> {
        let message = letter.write().map_err(|e| Unsent::Final(e.to_string()))?;
        let late = |_| Unsent::Passing(format!("the mail host did not end within {} s", self.deadline.as_secs()));
        let exchange = self.exchange(message.envelope().clone(), message.formatted());
        let mut taken = tokio::time::timeout(self.deadline, exchange).await.map_err(late)??;
        // It has the mail: what it says to a farewell changes nothing.
        let _farewell = tokio::time::timeout(FAREWELL, taken.quit()).await;
        Ok(())
    }

    async fn exchange(&self, envelope: Envelope, mail: Vec<u8>) -> Result<AsyncSmtpConnection, Unsent> {
        let mut host = self.connected().await?;
        match host.send(&envelope, &mail).await {
            Ok(_) => Ok(host),
            Err(error) if error.is_permanent() && !is_of_us(&error) => Err(Unsent::Final(words(&error))),
            Err(error) => Err(Unsent::Passing(words(&error))),
        }
    }

    /// A connection over which mail may be said. Whatever is wrong before that the operator sets right: the mail waits.
    async fn connected(&self) -> Result<AsyncSmtpConnection, Unsent> {
        let passing = |e: SmtpError| Unsent::Passing(format!("{}: {}", self.host.host, words(&e)));
        let addresses = self.addresses().await?;
        let own = ClientId::Domain(self.own_name().to_owned());
        let (wrapped, upgraded) = match self.host.tls {
            MailTls::None => (None, None),
            MailTls::Starttls => (None, Some(self.tls().map_err(passing)?)),
            MailTls::Tls => (Some(self.tls().map_err(passing)?), None),
        };
        // By addresses: what was looked at is what is connected to.
        let opened = AsyncSmtpConnection::connect_tokio1(addresses.as_slice(), Some(REACHED), &own, wrapped, None);
        let mut host = opened.await.map_err(passing)?;
        if let Some(tls) = upgraded {
            host.starttls(tls, &own).await.map_err(passing)?;
        }
        if let Some(user) = &self.host.user {
            let who = Credentials::new(user.clone(), self.password.unwrap_or_default().to_owned());
            host.auth(&[Mechanism::Plain, Mechanism::Login], &who).await.map_err(passing)?;
        }
        Ok(host)
    }

    /// The addresses of the host that may be spoken to, in their order.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, Unsent> {
        let name = &self.host.host;
        let found = tokio::net::lookup_host((name.as_str(), self.host.port)).await;
        let found = found.map_err(|e| Unsent::Passing(format!("{name} has no address: {e}")))?;
        let open: Vec<SocketAddr> = found.filter(|at| (self.reach)(at.ip())).take(ADDRESSES_MAX).collect();
        if open.is_empty() {
            return Err(Unsent::Passing(format!("{name} has no address that a brand's mail host may have")));
        }
        Ok(open)
    }

    /// What we call ourselves (EHLO): the domain that the mail is from.
    fn own_name(&self) -> &str {
        self.host.from.rsplit_once('@').map_or("localhost", |(_, domain)| domain)
    }

    fn tls(&self) -> Result<TlsParameters, SmtpError> {
        let mut with = TlsParameters::builder(self.host.host.clone());
        if let Some(pem) = &self.host.ca {
            with = with.add_root_certificate(Certificate::from_pem(pem.as_bytes())?);
        }
        with.build_rustls()
    }
}

/// Whether the host refuses us, not the mail: its user or password, or a connection that it finds not secret enough
/// (RFC 4954 section 6). The operator sets that right, and the mail is still to be sent.
fn is_of_us(error: &SmtpError) -> bool {
    error.status().is_some_and(|code| [530, 534, 535, 538].contains(&u16::from(code)))
}

/// An error with what is behind it, on one line and not too long.
fn words(error: &SmtpError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    crate::line(&text, 500)
}
