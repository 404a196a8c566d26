//! What is linked in place of an interface that is not granted: every function says `denied`. The choice is made when a
//! binding is made, so a guest that may not has nothing to reach at all.

use crate::bindings::router::strowger::host::{http, kv, mail, secrets};
use crate::bindings::router::strowger::types::types::Error;
use wasmtime::component::HasData;

/// The stub.
pub(crate) struct Denied;

impl HasData for Denied {
    type Data<'a> = Denied;
}

fn denied<T>(what: &str) -> Result<T, Error> {
    Err(Error::Denied(format!("{what} is not granted to this binding")))
}

impl kv::Host for Denied {
    fn get(&mut self, _: String, _: String) -> Result<Option<Vec<u8>>, Error> {
        denied("host/kv")
    }

    fn put(&mut self, _: String, _: String, _: Vec<u8>, _: Option<u32>) -> Result<(), Error> {
        denied("host/kv")
    }

    fn delete(&mut self, _: String, _: String) -> Result<(), Error> {
        denied("host/kv")
    }

    fn add(&mut self, _: String, _: String, _: i64, _: Option<u32>) -> Result<i64, Error> {
        denied("host/kv")
    }

    fn swap(&mut self, _: String, _: String, _: Option<Vec<u8>>, _: Vec<u8>, _: Option<u32>) -> Result<bool, Error> {
        denied("host/kv")
    }

    fn keys(&mut self, _: String, _: String, _: Option<String>, _: u32) -> Result<Vec<String>, Error> {
        denied("host/kv")
    }
}

impl http::Host for Denied {
    async fn send(&mut self, _: http::Request) -> Result<http::Response, Error> {
        denied("host/http")
    }
}

impl mail::Host for Denied {
    async fn send(&mut self, _: mail::MailSpec) -> Result<(), Error> {
        denied("host/mail")
    }
}

impl secrets::Host for Denied {
    fn get(&mut self, _: String) -> Result<String, Error> {
        denied("host/secrets")
    }
}
