//! The error of requests that no bundle can decide.

/// The reason why a test case, a line of the decision log or an authorization request cannot be decided.
///
/// The message names the member that is wrong, if there is one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// A required member is missing.
    #[error("{member:?} is missing")]
    Missing {
        /// The name of the member.
        member: String,
    },
    /// A member is malformed, or does not conform to the schema.
    #[error("{member:?}{problem}")]
    Invalid {
        /// The name of the member.
        member: String,
        /// The rest of the message, which follows the name: `: …` or ` is not …`.
        problem: String,
    },
    /// A problem that does not belong to one member.
    #[error("{0}")]
    Other(String),
}

impl RequestError {
    pub(crate) fn missing(member: &str) -> Self {
        RequestError::Missing {
            member: member.to_owned(),
        }
    }

    /// Returns an error whose message is the quoted name of the member followed by `problem`.
    pub(crate) fn invalid(member: &str, problem: impl Into<String>) -> Self {
        RequestError::Invalid {
            member: member.to_owned(),
            problem: problem.into(),
        }
    }

    /// Returns the name of the member that is missing or invalid.
    pub fn member(&self) -> Option<&str> {
        match self {
            RequestError::Missing { member } | RequestError::Invalid { member, .. } => Some(member),
            RequestError::Other(_) => None,
        }
    }
}

impl From<String> for RequestError {
    fn from(message: String) -> Self {
        RequestError::Other(message)
    }
}

impl From<&str> for RequestError {
    fn from(message: &str) -> Self {
        RequestError::Other(message.to_owned())
    }
}
