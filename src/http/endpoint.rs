//! The operations for callers with a token and a tenant: each is parsed from a request, decided and run.

use std::pin::Pin;

use matchit::Params;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::body::ExpectedBody;
use super::error::Error;
use super::respond::Reply;
use super::target::Target;
use crate::app::App;
use crate::error::Error as GatewayError;
use crate::event::RequestEvent;
use crate::gate::{Operation, Permit};
use crate::mfa::admin::{
    AdminDeleteMethod, AdminListMethods, AdminReset, ResetMethods, named_user,
};
use crate::mfa::backup_codes::{BackupCodes, RegenerateCodes};
use crate::mfa::methods::{
    DeleteMethod, Deleted, ListMethods, Method, Methods, RenameBody, RenameMethod,
};
use crate::mfa::registration::{Begin, BeginRegistration, CompleteBody, CompleteRegistration};
use crate::mfa::step_up::{
    AssertionBody, BeginAuthentication, BeginBody, BegunStepUp, CodeBody, CompleteAuthentication,
    StepUpToken, VerifyBackupCode,
};
use cedargate_core::{Member, Tenant, UserId};

/// The parts of a request that an operation is parsed from.
pub(super) struct Arguments<'a> {
    pub(super) target: &'a Target<'a>,
    pub(super) parameters: &'a Params<'static, 'a>,
    pub(super) tenant: Tenant,
    /// The members of the JSON body; empty if the operation reads no body.
    pub(super) body: Map<String, Value>,
}

impl Arguments<'_> {
    fn parameter(&self, name: &str) -> Result<&str, Error> {
        let value = self.parameters.get(name);
        value.ok_or_else(|| Error::internal("a route has no such parameter"))
    }

    fn user(&self) -> Result<UserId, Error> {
        Ok(named_user(self.parameter("user")?, self.tenant)?)
    }
}

/// An operation that a route serves.
pub(super) trait Serve: Operation + Send + Sized + Sync {
    const BODY: ExpectedBody = ExpectedBody::Unread;
    type Answer: JsonSchema + Serialize;

    fn parse(arguments: &Arguments<'_>) -> Result<Self, Error>;

    fn serve(
        app: &App,
        permit: Permit<Self>,
        event: &mut RequestEvent,
    ) -> impl Future<Output = Answered<Self>> + Send;
}

type Answered<O> = Result<<O as Serve>::Answer, GatewayError>;

/// An implementation of [`Serve`] as a value, for the table of routes.
#[derive(Clone, Copy)]
pub(super) struct Endpoint {
    pub(super) body: ExpectedBody,
    /// Parses the operation, asks the gate for a permit and runs the operation.
    pub(super) serve: ServeFn,
}

type ServeFn = for<'a> fn(&'a App, Member, Arguments<'a>, &'a mut RequestEvent) -> ReplyFuture<'a>;
type ReplyFuture<'a> = Pin<Box<dyn Future<Output = Result<Reply, Error>> + Send + 'a>>;

impl Endpoint {
    pub(super) const fn of<O: Serve>() -> Self {
        Self {
            body: O::BODY,
            serve: serve::<O>,
        }
    }
}

fn serve<'a, O: Serve>(
    app: &'a App,
    member: Member,
    arguments: Arguments<'a>,
    event: &'a mut RequestEvent,
) -> ReplyFuture<'a> {
    Box::pin(async move {
        let operation = O::parse(&arguments)?;
        let permit = app.gate.admit(member, operation, event).await?;
        Reply::private(&O::serve(app, permit, event).await?)
    })
}

impl Serve for BeginRegistration {
    const BODY: ExpectedBody = ExpectedBody::Empty;
    type Answer = Begin;

    fn parse(arguments: &Arguments<'_>) -> Result<Self, Error> {
        let method_type = arguments.target.method_type()?;
        Ok(Self { method_type })
    }

    async fn serve(app: &App, permit: Permit<Self>, event: &mut RequestEvent) -> Answered<Self> {
        app.mfa.begin(&app.gate, permit, event).await
    }
}

impl Serve for CompleteRegistration {
    const BODY: ExpectedBody = ExpectedBody::object::<CompleteBody>();
    type Answer = BackupCodes;

    fn parse(arguments: &Arguments<'_>) -> Result<Self, Error> {
        Ok(Self::parse(&arguments.body)?)
    }

    async fn serve(app: &App, permit: Permit<Self>, event: &mut RequestEvent) -> Answered<Self> {
        app.mfa.complete(&app.gate, permit, event).await
    }
}

impl Serve for BeginAuthentication {
    const BODY: ExpectedBody = ExpectedBody::optional::<BeginBody>();
    type Answer = BegunStepUp;

    fn parse(arguments: &Arguments<'_>) -> Result<Self, Error> {
        Ok(Self::parse(&arguments.body)?)
    }

    async fn serve(app: &App, permit: Permit<Self>, event: &mut RequestEvent) -> Answered<Self> {
        app.mfa.begin_authentication(&app.gate, permit, event).await
    }
}

impl Serve for CompleteAuthentication {
    const BODY: ExpectedBody = ExpectedBody::object::<AssertionBody>();
    type Answer = StepUpToken;

    fn parse(arguments: &Arguments<'_>) -> Result<Self, Error> {
        Ok(Self::parse(&arguments.body)?)
    }

    async fn serve(app: &App, permit: Permit<Self>, event: &mut RequestEvent) -> Answered<Self> {
        app.mfa.complete_authentication(&permit, event).await
    }
}

impl Serve for ListMethods {
    type Answer = Methods;

    fn parse(_: &Arguments<'_>) -> Result<Self, Error> {
        Ok(Self)
    }

    async fn serve(app: &App, permit: Permit<Self>, _: &mut RequestEvent) -> Answered<Self> {
        Ok(app.mfa.list(&permit))
    }
}

impl Serve for RenameMethod {
    const BODY: ExpectedBody = ExpectedBody::object::<RenameBody>();
    type Answer = Method;

    fn parse(arguments: &Arguments<'_>) -> Result<Self, Error> {
        Ok(Self::parse(arguments.parameter("id")?, &arguments.body)?)
    }

    async fn serve(app: &App, permit: Permit<Self>, event: &mut RequestEvent) -> Answered<Self> {
        app.mfa.rename(&permit, event).await
    }
}

impl Serve for DeleteMethod {
    type Answer = Deleted;

    fn parse(arguments: &Arguments<'_>) -> Result<Self, Error> {
        Ok(Self::of(arguments.parameter("id")?))
    }

    async fn serve(app: &App, permit: Permit<Self>, event: &mut RequestEvent) -> Answered<Self> {
        app.mfa.delete(&app.gate, permit, event).await
    }
}

impl Serve for RegenerateCodes {
    const BODY: ExpectedBody = ExpectedBody::Empty;
    type Answer = BackupCodes;

    fn parse(_: &Arguments<'_>) -> Result<Self, Error> {
        Ok(Self)
    }

    async fn serve(app: &App, permit: Permit<Self>, event: &mut RequestEvent) -> Answered<Self> {
        app.mfa.regenerate_codes(&app.gate, permit, event).await
    }
}

impl Serve for VerifyBackupCode {
    const BODY: ExpectedBody = ExpectedBody::object::<CodeBody>();
    type Answer = StepUpToken;

    fn parse(arguments: &Arguments<'_>) -> Result<Self, Error> {
        Ok(Self::parse(&arguments.body)?)
    }

    async fn serve(app: &App, permit: Permit<Self>, event: &mut RequestEvent) -> Answered<Self> {
        app.mfa.verify_code(&app.gate, permit, event).await
    }
}

impl Serve for AdminListMethods {
    type Answer = Methods;

    fn parse(arguments: &Arguments<'_>) -> Result<Self, Error> {
        Ok(Self(arguments.user()?))
    }

    async fn serve(app: &App, permit: Permit<Self>, _: &mut RequestEvent) -> Answered<Self> {
        app.mfa.admin_list(&permit).await
    }
}

impl Serve for AdminDeleteMethod {
    type Answer = Deleted;

    fn parse(arguments: &Arguments<'_>) -> Result<Self, Error> {
        Ok(Self::of(arguments.user()?, arguments.parameter("id")?))
    }

    async fn serve(app: &App, permit: Permit<Self>, event: &mut RequestEvent) -> Answered<Self> {
        app.mfa.admin_delete(&permit, event).await
    }
}

impl Serve for AdminReset {
    type Answer = ResetMethods;

    fn parse(arguments: &Arguments<'_>) -> Result<Self, Error> {
        Ok(Self(arguments.user()?))
    }

    async fn serve(app: &App, permit: Permit<Self>, event: &mut RequestEvent) -> Answered<Self> {
        app.mfa.admin_reset(&permit, event).await
    }
}
