//! The service put together: what it keeps, and the order of its layers.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use sec_audit::{AuditEntry, AuditTrail, RequestLogLayer};
use sec_core::{EventKind, PathRules, Secret};
use sec_headers::{CorsLayer, CrossOriginGuardLayer, HeadersLayer, HostGuardLayer};
use sec_sanitize::{DrainLayer, ErrorLayer, SanitizeLimits};
use sec_tokens::{AuthLayer, PasswordPolicy, Passwords, Permissions, TokenService};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_http::timeout::TimeoutLayer;

use crate::comments::Comments;
use crate::config::Settings;
use crate::limits::Limits;
use crate::routes;
use crate::server;
use crate::users::Users;

pub type Failure = Box<dyn Error + Send + Sync>;

/// Everything that the handlers share.
pub struct App {
    pub settings: Settings,
    pub users: Users,
    pub comments: Comments,
    pub passwords: Passwords,
    /// Sign-ups hash apart from log-ins: a flood of the first must not keep anybody from the second.
    pub new_passwords: Passwords,
    pub password_policy: PasswordPolicy,
    pub tokens: TokenService,
    pub permissions: Permissions,
    pub limits: Limits,
    pub input: SanitizeLimits,
    pub trail: AuditTrail,
}

impl App {
    /// Builds every part from its section, and the administrator's account.
    pub async fn new(
        settings: Settings,
        admin_password: Secret<String>,
    ) -> Result<Arc<Self>, Failure> {
        let passwords = Passwords::from_config(&settings.passwords)?;
        let users = Users::default();
        let hash = passwords.hash(admin_password).await?;
        users
            .add(&settings.admin.username, "admin", hash)
            .map_err(|_| "no room for the administrator")?;
        Ok(Arc::new(Self {
            users,
            comments: Comments::default(),
            password_policy: PasswordPolicy::from_config(&settings.passwords)?,
            tokens: TokenService::from_config(&settings.tokens)?,
            permissions: Permissions::sample(),
            limits: Limits::new(&settings.limits)?,
            input: SanitizeLimits::try_from(&settings.input)?,
            trail: AuditTrail::in_memory(&settings.audit)?,
            new_passwords: Passwords::from_config(&settings.passwords)?.concurrency(1, 8)?,
            passwords,
            settings,
        }))
    }

    /// The routes inside of all layers. The order is the point: outermost first.
    pub fn service(self: &Arc<Self>) -> Result<Router, Failure> {
        let settings = &self.settings;
        // What gets or ends a session goes by password and cookie: an access token that has expired must not be in its way.
        let by_token = PathRules::all().exclude("/auth")?;
        let layers = ServiceBuilder::new()
            // Refusals reach clients that are still sending.
            .layer(DrainLayer::new())
            // Who asks for what: everything below reads it.
            .layer(settings.context.layer()?.sink(Arc::new(self.trail.clone())))
            // Sees every answer, refusals included.
            .layer(RequestLogLayer::from_config(&settings.audit.request_log)?)
            // On every answer, also on those to errors.
            .layer(HeadersLayer::from_config(&settings.headers)?)
            // Panics, 404, 405 and axum's own rejections become problems.
            .layer(ErrorLayer::new())
            // Only the hosts that are ours, before anything reads the host's name.
            .layer(HostGuardLayer::from_config(&settings.host)?)
            // Which other origins may read.
            .layer(CorsLayer::from_config(&settings.cors)?)
            // Which other origins may change something: before any state is touched.
            .layer(CrossOriginGuardLayer::from_config(&settings.guard)?)
            // Who is not served at all takes no place and no quota.
            .layer(self.limits.lists.clone())
            // Saturated, it says so at once. Around the limits: who is turned away here loses no quota.
            .layer(self.limits.shed.clone())
            // Before the work of authentication.
            .layer(self.limits.address.clone())
            .layer(self.limits.at_once.clone())
            // Sets the identity; the extractors below decide who may.
            .layer(AuthLayer::new(self.tokens.verifier()).paths(by_token))
            // A body that never ends, a handler that never answers.
            .layer(TimeoutLayer::with_status_code(
                StatusCode::REQUEST_TIMEOUT,
                Duration::from_secs(30),
            ));
        // The limit by account is in the router: inside of the authentication, and where a route has its name.
        // Around the finished router, so that unknown routes are inside as well.
        Ok(Router::new().fallback_service(layers.service(routes::all(self))))
    }

    /// Takes over what may change while requests run: the lists of addresses.
    pub fn reload(&self, settings: &Settings) -> Result<(), Failure> {
        self.limits.replace_lists(&settings.limits.lists)?;
        let entry = AuditEntry::builder(EventKind::RESOURCE_UPDATED);
        let _ = self.trail.record(entry.entity("settings", "limits.lists"));
        Ok(())
    }

    /// Answers requests until `stop` is done.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Failure> {
        let service = self.service()?;
        let _ = self.trail.record(AuditEntry::builder(EventKind::STARTED));
        server::serve(listener, service, stop).await
    }
}
