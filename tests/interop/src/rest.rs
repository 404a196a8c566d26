//! A tiny HTTP client: one request, one connection.

use crate::PATIENCE;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// The switch's API.
#[derive(Clone, Debug)]
pub struct Rest {
    address: SocketAddr,
    token: String,
}

/// What was answered.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub text: String,
}

impl Rest {
    /// The API at `http://ADDR:PORT`.
    ///
    /// # Panics
    /// When that is no such URL.
    #[must_use]
    pub fn new(url: &str, token: &str) -> Rest {
        let address = url.trim_start_matches("http://").parse().unwrap_or_else(|e| panic!("{url}: {e}"));
        Rest { address, token: token.to_owned() }
    }

    /// The same for somebody without a token.
    #[must_use]
    pub fn without_token(&self) -> Rest {
        Rest { address: self.address, token: String::new() }
    }

    /// One request; `path` is the whole path.
    ///
    /// # Errors
    /// When the switch is not there.
    pub fn request(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> std::io::Result<Answer> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE * 4))?;
        let token =
            if self.token.is_empty() { String::new() } else { format!("Authorization: Bearer {}\r\n", self.token) };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{token}Connection: close\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, text) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_default();
        Ok(Answer { status, text: text.to_owned() })
    }

    fn json(&self, method: &str, path: &str, body: &[u8], kind: &str) -> Value {
        let answer = self.request(method, &format!("/api/v1{path}"), kind, body).expect("the API answers");
        assert!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text);
        serde_json::from_str(&answer.text).unwrap_or(Value::Null)
    }

    /// GET below `/api/v1`.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn get(&self, path: &str) -> Value {
        self.json("GET", path, b"", "application/json")
    }

    /// POST, PUT or PATCH below `/api/v1`.
    ///
    /// # Panics
    /// When it is refused.
    pub fn write(&self, method: &str, path: &str, body: &Value) -> Value {
        self.json(method, path, body.to_string().as_bytes(), "application/json")
    }

    /// Installs a component; gives its id.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn install(&self, name: &str, version: &str, component: &[u8]) -> i64 {
        let path = format!("/plugins?name={name}&version={version}&unsigned=true");
        let made = self.json("POST", &path, component, "application/wasm");
        made["id"].as_i64().expect("an id")
    }

    /// Every item of a list.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn all(&self, path: &str) -> Vec<Value> {
        let mark = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.get(&format!("{path}{mark}limit=1000{after}"));
            items.extend(page["items"].as_array().into_iter().flatten().cloned());
            match &page["next"] {
                Value::String(next) => after = format!("&after={next}"),
                Value::Number(next) => after = format!("&after={next}"),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return items,
            }
        }
    }

    /// The page for Prometheus.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn metrics(&self) -> String {
        let answer = self.request("GET", "/metrics", "text/plain", b"").expect("the API answers");
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.text
    }

    /// A figure of that page: the sum of the lines that begin with `series`.
    #[must_use]
    pub fn metric(&self, series: &str) -> f64 {
        let page = self.metrics();
        page.lines().filter(|l| l.starts_with(series)).filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}
