//! Scope x plugin x point: which plugin is asked for whom, in what order, with what configuration.

use crate::{Artifact, Point};
use model::{BindingId, BrandId, CompanyId};
use std::sync::Arc;

/// Whom a binding serves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Scope {
    /// The brand; a binding never reaches across brands.
    pub brand: BrandId,
    /// One company of it, or all.
    pub company: Option<CompanyId>,
}

/// One active binding, as the store knows it.
#[derive(Clone, Debug)]
pub struct BindingSpec {
    /// The row.
    pub id: BindingId,
    /// The name: routers hand calls to apps by it, attributes bear it as prefix.
    pub name: String,
    /// Whom it serves.
    pub scope: Scope,
    /// Which of the artifact's points it uses.
    pub point: Point,
    /// Lower is asked earlier, within its layer (brand before company).
    pub priority: i32,
    /// The plugin's id and version, `extensions@0.1.0`, for reports.
    pub plugin: String,
    /// The compiled component.
    pub artifact: Arc<Artifact>,
    /// The configuration document.
    pub config_json: String,
}
