//! `/policies/explain`.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Body, Bytes};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::app::App;
use cedargate_policy::{Explanation, PreparedRequest, RequestError};

use super::json;
use crate::http::body::{Cause, Unread, read_limited};

/// The largest body that is read: a token can name thousands of groups.
const BODY_BYTES: usize = 1 << 20;

/// Why nothing is explained.
#[derive(Debug, Serialize)]
struct Unexplained {
    #[serde(skip)]
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Unexplained {
    fn invalid(message: String) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: "invalid_request",
            message,
        }
    }
}

/// Answers `POST /policies/explain`: the request of a test case or a line of the decision log comes
/// in, what the policies in force say to it goes out. Nothing is recorded: nobody asked for it.
pub(super) async fn explain<B>(app: &Arc<App>, body: B) -> Response<Full<Bytes>>
where
    B: Body,
    B::Error: Into<Cause>,
{
    let explained = match read(body, app.times.body).await {
        Ok(text) => explained(Arc::clone(app), text).await,
        Err(why) => Err(why),
    };
    match explained {
        Ok(explanation) => json(StatusCode::OK, &explanation),
        Err(why) => json(why.status, &why),
    }
}

async fn read<B>(body: B, time: Duration) -> Result<String, Unexplained>
where
    B: Body,
    B::Error: Into<Cause>,
{
    let bytes = read_limited(body, BODY_BYTES, time)
        .await
        .map_err(|unread| match unread {
            Unread::Late => Unexplained {
                status: StatusCode::REQUEST_TIMEOUT,
                code: "request_timeout",
                message: "The body did not arrive in time.".to_owned(),
            },
            Unread::TooLarge => Unexplained {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                code: "payload_too_large",
                message: format!("Send at most {BODY_BYTES} bytes."),
            },
            Unread::Broken => Unexplained::invalid("The body broke off.".to_owned()),
        })?;
    String::from_utf8(bytes.into())
        .map_err(|_| Unexplained::invalid("The body is not UTF-8.".to_owned()))
}

/// Off the I/O threads: this decides many times over.
async fn explained(app: Arc<App>, text: String) -> Result<Explanation, Unexplained> {
    let work = tokio::task::spawn_blocking(move || {
        let in_force = app.gate.in_force();
        let bundle = in_force.bundle();
        Ok(bundle.explain(&PreparedRequest::parse(bundle, &text)?))
    });
    let explained: Result<_, RequestError> = work.await.map_err(|_| Unexplained {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        code: "internal",
        message: "This is a bug of cedargate; stderr says where it happened.".to_owned(),
    })?;
    explained.map_err(|sentence| {
        Unexplained::invalid(format!(
            "Send {{\"request\", \"entities\", \"strong_acr\"?, \"means\"?}} as in a test case, or a line of the decision log: {sentence}."
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    #[tokio::test(start_paused = true)]
    async fn a_body_is_read_within_its_size_and_time() {
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
