//! The nouns every floor shares: ids, time, limits, flows, causes, questions, verdicts and CDRs.
//!
//! Floor 0. Nothing here opens a socket, reads a clock or draws randomness by itself.
#![forbid(unsafe_code)]

mod app;
mod ban;
mod billing;
mod cause;
mod cdr;
mod cidr;
mod country;
mod ddi;
mod directory;
mod edit;
mod event;
mod fax;
mod filter;
mod flow;
mod headers;
mod hooks;
mod id;
mod id_map;
mod ids;
mod limits;
mod lookups;
mod mail;
mod mailbox;
mod media;
mod numbering;
mod outgoing;
mod policy;
mod question;
mod recording;
mod resolve;
mod rules;
mod shards;
mod shared;
mod stir;
mod summons;
mod time;
mod translation;
mod trunk;
mod trunk_status;
mod voicemail;

pub use app::{
    APOLOGY, AppArgs, AppError, AppFailure, AppOutcome, AppReply, AppStart, AppVerb, BridgeSpec, Bridged, CollectSpec,
    Collected, ConferSpec, Conferred, DialSpec, ForkEnd, ForkId, ForkIn, ForkOut, ForkSpec, LegHandle, ListenSpec,
    MemberChange, PlaybackSpec, PlayedTo, Prompt, RecordSpec, RecordingDone, Recourse, RoomMember, SoundSource,
    Sounded, Speech,
};
pub use ban::{Ban, Offence};
pub use billing::{
    Charge, GRANT_MAX_S, Grant, LedgerAct, LedgerRefusal, LedgerSaid, Money, RateAnswer, RateKind, RateQuestion,
    RateVerdict, Rated, Usage, WalletView, amount_of, amount_text, is_currency,
};
pub use cause::{Cause, CauseInfo, Severity};
pub use cdr::{CallRecord, Cdr, EndedBy, LegRole, MediaQuality};
pub use cidr::{Cidr, CidrError};
pub use country::Country;
pub use ddi::Ddi;
pub use directory::{
    Account, Brand, Company, DefaultVerdict, DigestAlgorithm, Directory, Extension, Ha1, LookupError, ResourceList,
    RouteTarget, Tenant,
};
pub use edit::{Holder, Row, RowId};
pub use event::{BindingGone, CallEvent, CallSnapshot, Explained, LegSnapshot, LegState, TrunkChange};
pub use fax::{FAX_APP, FaxCall, FaxRules};
pub use filter::{
    Edge, EdgeAt, FilterAnswer, FilterMessage, FilterPolicy, FilterQuestion, FilterReach, FilterVerdict, Filters,
    Names, apply_ops, is_filterable, is_switchs_own,
};
pub use flow::{ConnectionId, Flow, TlsName, Transmit, Transport};
pub use headers::HeaderPolicy;
pub use hooks::{Hooks, RaterPolicy, RegisterAnswer, RegisterAttempt, RegisterQuestion, RegisterVerdict, Told};
pub use id::{
    AccountId, AppId, BindingId, BrandId, CallId, CompanyId, DdiId, ExtensionId, MediaPortId, OutgoingRouteId,
    PluginId, RequestId, RouteGroupId, RoutePatternId, RouteTagId, RuleId, Ticket, TranslationSetId, TrunkId,
};
pub use id_map::{IdHasher, IdMap};
pub use ids::IdSource;
pub use limits::Limits;
pub use lookups::Lookups;
pub use mail::{
    BoxMail, MailAsked, MailFault, MailHost, MailSender, MailTemplate, MailTls, is_mail_address, is_template_name,
};
pub use mailbox::{Mailbox, MessageCounts};
pub use media::{Channels, MediaSecurity};
pub use numbering::{NumberingPlan, PlanError};
pub use outgoing::{
    OutgoingRoute, RatedTrunk, Rates, RouteGroup, RouteNumbers, RoutePattern, RouteScope, RouteTag, RouteWay, Routing,
};
pub use policy::{CompanyPolicy, Countries, CountriesError, NatPing, RegistrationPolicy, SourcePolicy};
pub use question::{
    Answer, Attr, CallInfo, Decision, Endpoint, Handling, Header, HeaderOp, HookReport, MediaPath, Party, Question,
    QuestionKind, Refusal, RingPlan, RingStep, Target,
};
pub use recording::{
    DdiRecording, RecordedBy, RecordingEvent, RecordingFormat, RecordingId, RecordingPlace, RecordingStart, TapeAct,
    TapeRefusal,
};
pub use resolve::{HopTarget, NextHop, ResolveFailure, ResolveQuestion, ResolveTicket, Resolved};
pub use rules::{
    AccountRules, Assistant, BadRule, BrandRules, Calendar, CallAcl, CallAclRule, CallFilter, CivilError, CompanyKind,
    CompanyRules, Condition, ConditionalRoute, Date, DayTime, DdiChoice, EmergencyNumber, Forward, ForwardFrom,
    ForwardWhen, Holiday, Hours, HuntGroup, HuntMember, HuntParty, HuntStrategy, Local, LockThrow, MatchList,
    MatchListError, OutgoingDdiRule, OutgoingDdiRules, Period, Permission, RULE_ENTRIES_MAX, RecordingRules, RouteLock,
    Rule, RuleBody, RuleKind, Schedule, ServiceCodes, Span, StarService, Used, Way, Weekdays, dialled_service,
};
pub use shards::Shards;
pub use shared::SharedMap;
pub use stir::{Attestation, IdentityFailure, ProofQuestion, SIGNATURE_BYTES, Signer, TrunkStir, Verify, Vouched};
pub use summons::Summons;
pub use time::Instant;
pub use translation::{RuleError, RuleList, TranslationLists, TranslationRule, TranslationSet};
pub use trunk::{Trunk, TrunkCredentials, TrunkHeaders, TrunkRegistration, TrunkSecret, TrunkServer, TrunkSource};
pub use trunk_status::{TrunkRegistrationStatus, TrunkServerStatus, TrunkStatus};
pub use voicemail::{
    BoxOwner, BoxReply, BoxSettings, BoxVerb, Clip, Deposit, Folder, Greeting, PinCheck, VoiceBox, VoiceMessage,
};
