//! The nouns every floor shares: ids, time, limits, flows, causes, questions, verdicts and CDRs.
//!
//! Floor 0. Nothing here opens a socket, reads a clock or draws randomness by itself.
#![forbid(unsafe_code)]

mod app;
mod cause;
mod cdr;
mod cidr;
mod directory;
mod event;
mod flow;
mod headers;
mod id;
mod ids;
mod limits;
mod lookups;
mod media;
mod question;
mod resolve;
mod time;

pub use app::{
    AppArgs, AppError, AppFailure, AppOutcome, AppReply, AppStart, AppVerb, BridgeSpec, Bridged, CollectSpec,
    Collected, DialSpec, LegHandle, Prompt,
};
pub use cause::{Cause, CauseInfo, Severity};
pub use cdr::{CallRecord, Cdr, EndedBy, LegRole, MediaQuality};
pub use cidr::{Cidr, CidrError};
pub use directory::{
    Account, Brand, Company, Ddi, DefaultVerdict, DigestAlgorithm, Directory, Extension, Ha1, LookupError, RouteTarget,
    Tenant,
};
pub use event::{CallEvent, CallSnapshot, LegSnapshot, LegState};
pub use flow::{ConnectionId, Flow, TlsName, Transmit, Transport};
pub use headers::HeaderPolicy;
pub use id::{
    AccountId, AppId, BindingId, BrandId, CallId, CompanyId, DdiId, ExtensionId, MediaPortId, PluginId, RequestId,
    Ticket,
};
pub use ids::IdSource;
pub use limits::Limits;
pub use lookups::Lookups;
pub use media::MediaSecurity;
pub use question::{
    Answer, Attr, CallInfo, Decision, Endpoint, Handling, Header, HeaderOp, HookReport, MediaPath, Party, Question,
    QuestionKind, Refusal, RingPlan, RingStep, Target,
};
pub use resolve::{HopTarget, NextHop, ResolveFailure, ResolveQuestion, ResolveTicket, Resolved};
pub use time::Instant;
