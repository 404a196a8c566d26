//! What goes into a shard and what comes out.

use crate::others::Word;
use bytes::Bytes;
use model::{
    Answer, AppError, AppFailure, AppId, AppOutcome, AppReply, AppStart, AppVerb, CallEvent, CallId, CallRecord,
    Directory, FilterAnswer, FilterQuestion, Flow, ForkId, ForkIn, ForkOut, IdentityFailure, LockThrow, Mailbox,
    ProofQuestion, Question, RateAnswer, RateQuestion, RecordingEvent, Recourse, RegisterAnswer, RegisterQuestion,
    RequestId, ResolveQuestion, Resolved, Ticket, Transmit,
};
use sip_message::Message;
use std::sync::Arc;

/// Something happened in the world.
#[derive(Clone, Debug)]
pub enum Input {
    /// One datagram, or one framed message of a stream.
    Sip {
        /// Where it came from.
        flow: Flow,
        /// The bytes.
        bytes: Bytes,
    },
    /// Another shard of the node has read a message that is ours.
    Handed {
        /// Where it came from.
        flow: Flow,
        /// What was read, sound and within the guard's rates.
        message: Message,
    },
    /// What was to be handed over found no room, and nobody will send it again.
    NotHanded {
        /// Where it came from.
        flow: Flow,
        /// It.
        message: Message,
    },
    /// Another shard of the node tells what all are to know.
    Told(Word),
    /// A stream was closed or refused, or a datagram could not be sent.
    FlowFailed {
        /// Which.
        flow: Flow,
    },
    /// The plugin chain answered a question.
    Answered {
        /// Which.
        ticket: Ticket,
        /// The answer.
        answer: Answer,
    },
    /// The registration chain answered a question.
    RegisterAnswered {
        /// Which.
        ticket: Ticket,
        /// The answer.
        answer: RegisterAnswer,
    },
    /// The filters answered a question.
    Filtered {
        /// Which.
        ticket: Ticket,
        /// The answer.
        answer: FilterAnswer,
    },
    /// Whether a token of [`Output::Prove`] holds is known.
    Proved {
        /// Which.
        ticket: Ticket,
        /// It does, or why not.
        proof: Result<(), IdentityFailure>,
    },
    /// The rater answered a question.
    Rated {
        /// Which.
        ticket: Ticket,
        /// The answer.
        answer: RateAnswer,
    },
    /// A lookup of [`Output::Resolve`] is done.
    Resolved(Resolved),
    /// The other end of a leg's line speaks.
    Fork {
        /// Which line.
        fork: ForkId,
        /// What it says.
        said: ForkIn,
    },
    /// A call app asks for a verb.
    AppRequest {
        /// Which app.
        app: AppId,
        /// Carried back in the reply.
        request: RequestId,
        /// The verb.
        verb: AppVerb,
    },
    /// A call app ended.
    AppEnded {
        /// Which.
        app: AppId,
        /// How.
        outcome: Result<AppOutcome, AppFailure>,
        /// What its binding has for the caller, where it failed.
        recourse: Option<Recourse>,
    },
    /// How late the shard is; told at least ten times a second while messages come.
    Load(admission::Load),
    /// The store has news: the whole new snapshot.
    Directory(Arc<Directory>),
    /// What waits in a mailbox, whole.
    Mailbox(Mailbox),
    /// An operator ends a call.
    Hangup {
        /// Which.
        call: CallId,
    },
    /// No new calls from now on.
    Drain,
    /// End every call now: the last act of a drain.
    EndAll,
}

/// What the shard wants of the world. Outputs are carried out in order.
#[derive(Clone, Debug)]
pub enum Output {
    /// To the durable outbox, before any later output is carried out.
    Record(CallRecord),
    /// Send.
    Transmit(Transmit),
    /// A message that another shard of the node is to have.
    HandOver {
        /// Which.
        shard: u8,
        /// Where it came from.
        flow: Flow,
        /// It.
        message: Message,
    },
    /// What every other shard of the node is to be told.
    Tell(Word),
    /// A recording of a leg begins, has more sound, or is over.
    Recording(RecordingEvent),
    /// For the other end of a leg's line.
    Fork {
        /// Which line.
        fork: ForkId,
        /// What it is told.
        told: ForkOut,
    },
    /// Ask the plugin chain; [`Input::Answered`] by the question's deadline, or the default verdict stands.
    Ask(Question),
    /// Ask the rater; [`Input::Rated`] by the question's deadline, or its policy of failure stands.
    Rate(Box<RateQuestion>),
    /// Look up a next hop; [`Input::Resolved`] by `Limits::resolve_deadline_ms`, or it has failed.
    Resolve(ResolveQuestion),
    /// Find out whether somebody whom we trust vouches for a caller; [`Input::Proved`] by the question's deadline, or
    /// nobody does.
    Prove(Box<ProofQuestion>),
    /// Ask the registration chain; [`Input::RegisterAnswered`] by the question's deadline, or the registrar decides alone.
    AskRegister(RegisterQuestion),
    /// Ask the filters about one message; [`Input::Filtered`] by the question's deadline, or it passes as it is, or not at
    /// all where one of them is mandatory.
    Filter(Box<FilterQuestion>),
    /// Start a call app.
    AppStart {
        /// Its id.
        app: AppId,
        /// What to run.
        start: AppStart,
    },
    /// A verb is done.
    AppReply {
        /// The app.
        app: AppId,
        /// The verb's request.
        request: RequestId,
        /// How it went.
        result: Result<AppReply, AppError>,
    },
    /// Drop the app's instance.
    AppStop {
        /// The app.
        app: AppId,
    },
    /// Keep that a route lock was thrown by phone; [`Input::Directory`] comes when calls shall go by it.
    Throw(LockThrow),
    /// Tell whoever listens.
    Event(CallEvent),
}

impl From<call::Output> for Output {
    fn from(output: call::Output) -> Output {
        match output {
            call::Output::Ask(question) => Output::Ask(question),
            call::Output::AppStart { app, start } => Output::AppStart { app, start },
            call::Output::AppReply { app, request, result } => Output::AppReply { app, request, result },
            call::Output::AppStop { app } => Output::AppStop { app },
            call::Output::Rate(question) => Output::Rate(question),
            call::Output::Prove(question) => Output::Prove(question),
            call::Output::Record(record) => Output::Record(record),
            call::Output::Recording(event) => Output::Recording(event),
            call::Output::Throw(throw) => Output::Throw(throw),
            call::Output::Event(event) => Output::Event(event),
        }
    }
}
