//! The path patterns of the API. Each is the id of a `Gate::Route` entity.

/// Starts an enrolment.
pub const REGISTER: &str = "/v1/users/me/mfa/webauthn/register";
/// Finishes an enrolment.
pub const REGISTER_COMPLETE: &str = "/v1/users/me/mfa/webauthn/register/complete";
/// Starts a step-up.
pub const AUTHENTICATE: &str = "/v1/users/me/mfa/webauthn/authenticate";
/// Finishes a step-up.
pub const AUTHENTICATE_COMPLETE: &str = "/v1/users/me/mfa/webauthn/authenticate/complete";
/// The caller's authenticators.
pub const METHODS: &str = "/v1/users/me/mfa";
/// One of the caller's authenticators.
pub const METHOD: &str = "/v1/users/me/mfa/{id}";
/// The caller's backup codes.
pub const BACKUP_CODES: &str = "/v1/users/me/mfa/backup-codes";
/// Uses one of the caller's backup codes.
pub const BACKUP_CODES_VERIFY: &str = "/v1/users/me/mfa/backup-codes/verify";
/// Another user's authenticators.
pub const ADMIN_METHODS: &str = "/v1/admin/users/{user}/mfa";
/// One of another user's authenticators.
pub const ADMIN_METHOD: &str = "/v1/admin/users/{user}/mfa/{id}";
/// The public keys of step-up tokens (a JWK set, RFC 7517).
pub const KEYS: &str = "/.well-known/jwks.json";
/// The OpenAPI description.
pub const OPENAPI: &str = "/v1/openapi.json";
/// The related origins of a relying party (WebAuthn Level 3 §5.11).
pub const RELATED_ORIGINS: &str = "/.well-known/webauthn";
/// The id of the `Gate::Route` that stands for every other path.
pub const UNKNOWN: &str = "unknown";

/// The ids of all `Gate::Route` entities.
pub const ALL: [&str; 14] = [
    REGISTER,
    REGISTER_COMPLETE,
    AUTHENTICATE,
    AUTHENTICATE_COMPLETE,
    METHODS,
    METHOD,
    BACKUP_CODES,
    BACKUP_CODES_VERIFY,
    ADMIN_METHODS,
    ADMIN_METHOD,
    OPENAPI,
    KEYS,
    RELATED_ORIGINS,
    UNKNOWN,
];
