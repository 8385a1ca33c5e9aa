//! The endpoint `/policies/explain`.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Body, Bytes};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::app::App;
use cedargate_policy::{Explanation, PreparedRequest, RequestError};

use super::json;
use crate::http::body::{BoxError, ReadError, read_limited};

/// The largest body that is read, in bytes. A token can name thousands of groups.
const BODY_BYTES: usize = 1 << 20;

/// The answer to a request that cannot be explained.
#[derive(Debug, Serialize)]
struct ExplainError {
    #[serde(skip)]
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ExplainError {
    fn invalid(message: String) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: "invalid_request",
            message,
        }
    }
}

/// Answers `POST /policies/explain`: explains how the policies in force decide on the request of a test
/// case or of a line of the decision log. The explanation is not logged as a decision.
pub(super) async fn explain<B>(app: &Arc<App>, body: B) -> Response<Full<Bytes>>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let explained = match read(body, app.times.body).await {
        Ok(text) => explain_text(Arc::clone(app), text).await,
        Err(error) => Err(error),
    };
    match explained {
        Ok(explanation) => json(StatusCode::OK, &explanation),
        Err(error) => json(error.status, &error),
    }
}

async fn read<B>(body: B, time: Duration) -> Result<String, ExplainError>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let bytes = read_limited(body, BODY_BYTES, time)
        .await
        .map_err(|error| match error {
            ReadError::Late => ExplainError {
                status: StatusCode::REQUEST_TIMEOUT,
                code: "request_timeout",
                message: "The body did not arrive in time.".to_owned(),
            },
            ReadError::TooLarge => ExplainError {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                code: "payload_too_large",
                message: format!("The body is larger than {BODY_BYTES} bytes. Send a smaller one."),
            },
            ReadError::Broken => ExplainError::invalid("The body broke off.".to_owned()),
        })?;
    String::from_utf8(bytes.into())
        .map_err(|_| ExplainError::invalid("The body is not UTF-8.".to_owned()))
}

/// Runs on a blocking thread, because an explanation evaluates the policies many times.
async fn explain_text(app: Arc<App>, text: String) -> Result<Explanation, ExplainError> {
    let work = tokio::task::spawn_blocking(move || {
        let in_force = app.gate.in_force();
        let bundle = in_force.bundle();
        Ok(bundle.explain(&PreparedRequest::parse(bundle, &text)?))
    });
    let explained: Result<_, RequestError> = work.await.map_err(|_| ExplainError {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        code: "internal",
        message:
            "This is a bug in cedargate. Report it with the panic message that cedargate wrote to \
                  stderr."
                .to_owned(),
    })?;
    explained.map_err(|error| {
        ExplainError::invalid(format!(
            "Send {{\"request\", \"entities\", \"strong_acr\"?, \"means\"?}} as in a test \
             case, or a line of the decision log: {error}."
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    #[tokio::test(start_paused = true)]
    async fn body_over_its_size_or_time_is_refused() {
        let time = Duration::from_secs(15);
        let full = |bytes: Vec<u8>| Full::new(Bytes::from(bytes));
        let text = read(full(vec![b' '; BODY_BYTES]), time).await.unwrap();
        assert_eq!(text.len(), BODY_BYTES);
        for (bytes, status) in [
            (vec![b' '; BODY_BYTES + 1], StatusCode::PAYLOAD_TOO_LARGE),
            (vec![0xff], StatusCode::BAD_REQUEST),
        ] {
            assert_eq!(read(full(bytes), time).await.unwrap_err().status, status);
        }
        let never = futures_util::stream::pending::<Result<Frame<Bytes>, std::io::Error>>();
        let late = read(StreamBody::new(never), time).await.unwrap_err();
        assert_eq!(late.status, StatusCode::REQUEST_TIMEOUT);
        let broken =
            futures_util::stream::iter([Err::<Frame<Bytes>, _>(std::io::Error::other("x"))]);
        let broken = read(StreamBody::new(broken), time).await.unwrap_err();
        assert_eq!(broken.message, "The body broke off.");
    }
}
