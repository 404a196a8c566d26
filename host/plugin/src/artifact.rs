//! A compiled component: what it is, what it may serve.

use core::fmt;
use std::collections::BTreeSet;

/// An extension point, discovered from a component's exports.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Point {
    /// `strowger:routing/router`.
    Router,
    /// `strowger:call/app`.
    App,
}

impl Point {
    /// Every point.
    pub const ALL: [Point; 2] = [Point::Router, Point::App];

    /// The name operators use: `routing/router`, `call/app`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Point::Router => "routing/router",
            Point::App => "call/app",
        }
    }

    /// The point of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Point> {
        Point::ALL.into_iter().find(|p| p.name() == name)
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// SHA-256 of a component's bytes, printed as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A component, checked and compiled for this process.
#[derive(Debug)]
pub struct Artifact {
    digest: Digest,
    points: BTreeSet<Point>,
    imports: Vec<String>,
    bytes: usize,
}

impl Artifact {
    /// The digest of the component's bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The points it can serve.
    #[must_use]
    pub fn points(&self) -> &BTreeSet<Point> {
        &self.points
    }

    /// The interfaces it imports, by full name.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// The size of the component's file.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
