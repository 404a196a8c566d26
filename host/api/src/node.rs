//! The real switch behind [`Switch`]: the shell's handle.

use crate::switch::{Asked, Component, Gone, MailTrialError, Migrated, Priced, Switch, Trial};
use bundle::Fault;
use core::net::IpAddr;
use model::{
    AppError, Ban, BindingId, BoxOwner, BoxReply, BoxVerb, CallId, CallSnapshot, Cause, Charge, Instant, Mailbox,
    Summons, TapeAct, TapeRefusal, TrunkStatus,
};
use shell::{CallScope, Handle, LifecycleError, Registration};
use std::sync::Arc;
use store::UsedMailHost;

impl From<shell::Gone> for Gone {
    fn from(_: shell::Gone) -> Self {
        Gone
    }
}

impl Switch for Handle {
    fn calls(&self) -> Asked<'_, Result<Vec<CallSnapshot>, Gone>> {
        Box::pin(async { Ok(Handle::calls(self, CallScope::Platform).await?) })
    }

    fn hangup(&self, call: CallId) -> Asked<'_, Result<bool, Gone>> {
        Box::pin(async move { Ok(Handle::hangup(self, call).await?) })
    }

    fn summon(&self, wanted: Summons) -> Asked<'_, Result<Result<CallId, Cause>, Gone>> {
        Box::pin(async move { Ok(Handle::summon(self, wanted).await?) })
    }

    fn tape(&self, call: CallId, leg: u16, act: TapeAct) -> Asked<'_, Result<Result<(), TapeRefusal>, Gone>> {
        Box::pin(async move { Ok(Handle::tape(self, call, leg, act).await?) })
    }

    fn recordings(&self) -> shell::Archive {
        Handle::recordings(self).clone()
    }

    fn fax_room(&self) -> shell::FaxRoom {
        Handle::fax_room(self).clone()
    }

    fn fax_queued(&self) {
        Handle::fax_queued(self);
    }

    fn mailbox(&self, mailbox: Mailbox) -> Asked<'_, Result<(), Gone>> {
        Box::pin(async move { Ok(Handle::mailbox(self, mailbox).await?) })
    }

    fn voice_box(&self, whose: BoxOwner, verb: BoxVerb) -> Asked<'_, Result<BoxReply, AppError>> {
        Box::pin(async move { Handle::voice_box(self, &whose, verb).await })
    }

    fn try_mail(&self, host: UsedMailHost, to: String) -> Asked<'_, Result<(), MailTrialError>> {
        Box::pin(async move {
            Handle::try_mail(self, &host, &to).await.map_err(|error| match error {
                shell::MailTrialError::TooOften => MailTrialError::TooOften,
                shell::MailTrialError::Refused(why) => MailTrialError::Refused(why),
            })
        })
    }

    fn registrations(&self) -> Asked<'_, Result<Vec<Registration>, Gone>> {
        Box::pin(async { Ok(Handle::registrations(self).await?) })
    }

    fn trunks(&self) -> Asked<'_, Result<Vec<TrunkStatus>, Gone>> {
        Box::pin(async { Ok(Handle::trunks(self).await?) })
    }

    fn bans(&self) -> Asked<'_, Result<Vec<Ban>, Gone>> {
        Box::pin(async { Ok(Handle::bans(self).await?) })
    }

    fn unban(&self, source: IpAddr) -> Asked<'_, Result<bool, Gone>> {
        Box::pin(async move { Ok(Handle::unban(self, source).await?) })
    }

    fn check(&self, component: Vec<u8>) -> Asked<'_, Result<Component, String>> {
        Box::pin(async move {
            let artifact = self.compile(component).await.map_err(|error| error.to_string())?;
            let points = artifact.points().iter().map(ToString::to_string).collect();
            Ok(Component { digest: artifact.digest().to_string(), points, lifecycle: artifact.has_lifecycle() })
        })
    }

    fn validate_config(&self, component: Vec<u8>, json: String) -> Asked<'_, Result<Vec<Fault>, LifecycleError>> {
        Box::pin(Handle::validate_config(self, component, json))
    }

    fn migrate_config(&self, component: Vec<u8>, version: String, json: String) -> Asked<'_, Migrated> {
        Box::pin(Handle::migrate_config(self, component, version, json))
    }

    fn live(&self) -> Asked<'_, Result<(), String>> {
        Box::pin(async { Handle::live(self).await.map_err(|error| error.to_string()) })
    }

    fn quote(&self, priced: Priced) -> Asked<'_, Result<Charge, String>> {
        let Priced { brand, company, number, trunk, at, billed_ms } = priced;
        let quote = shell::Quote { brand, company, number, trunk, at_ms: at.unix_millis(), billed_ms };
        Box::pin(async move { Handle::quote(self, quote).await })
    }

    fn trial(&self, binding: BindingId) -> Option<Trial> {
        let f = Handle::trial(self, binding)?;
        Some(Trial {
            rolled_back: f.rolled_back,
            calls: f.calls,
            failures: f.failures,
            same: f.same,
            different: f.different,
            differences: f.differences,
        })
    }

    fn binding(&self, binding: BindingId) -> Option<shell::BindingState> {
        self.plugins().state_of(binding)
    }

    fn binding_log(&self, binding: BindingId) -> Option<Arc<shell::GuestLog>> {
        self.plugins().log_of(binding)
    }

    fn record_plugin(&self, binding: BindingId, sample: shell::Sample) -> Result<(), shell::RecordRefusal> {
        self.plugins().record(binding, sample)
    }

    fn plugin_recording(&self, binding: BindingId) -> Option<shell::RecordingState> {
        self.plugins().recording(binding)
    }

    fn plugin_recording_file(&self, binding: BindingId) -> Option<String> {
        self.plugins().recording_file(binding)
    }

    fn forget_plugin_recording(&self, binding: BindingId) -> bool {
        self.plugins().forget_recording(binding)
    }

    fn unready(&self) -> Vec<String> {
        self.health().unready()
    }

    fn warnings(&self) -> Vec<String> {
        self.health().warnings()
    }

    fn metrics(&self) -> String {
        self.metrics_text()
    }

    fn events(&self) -> &shell::LiveEvents {
        Handle::events(self)
    }

    fn now(&self) -> Instant {
        Handle::now(self)
    }
}
