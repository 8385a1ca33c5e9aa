//! A caller of the API over a real socket.

use std::error::Error as _;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{HeaderMap, Request};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

pub const PASSKEY: &str = "webauthn_passkey";
pub const FIDO: &str = "webauthn_fido";

pub const REGISTER: &str = "/v1/users/me/mfa/webauthn/register";
pub const COMPLETE: &str = "/v1/users/me/mfa/webauthn/register/complete";
pub const METHODS: &str = "/v1/users/me/mfa";
pub const AUTHENTICATE: &str = "/v1/users/me/mfa/webauthn/authenticate";
pub const AUTHENTICATE_COMPLETE: &str = "/v1/users/me/mfa/webauthn/authenticate/complete";
pub const BACKUP_CODES: &str = "/v1/users/me/mfa/backup-codes";
pub const BACKUP_CODES_VERIFY: &str = "/v1/users/me/mfa/backup-codes/verify";

/// An answer with its whole body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// An answer with these bytes as its body, parsed if they are JSON.
    pub fn read(status: u16, headers: HeaderMap, body: &[u8]) -> Self {
        let body = serde_json::from_slice(body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()));
        Self {
            status,
            headers,
            body,
        }
    }

    /// The error's code.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("")
    }

    /// The status and the code.
    pub fn says(&self) -> (u16, &str) {
        (self.status, self.code())
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// The reason that there is no answer.
#[derive(Debug)]
pub enum Broken {
    /// The port has no listener, so nothing was sent.
    NotConnected,
    /// The connection was shutting down before the request was sent, so it was not processed (for
    /// HTTP/2: RFC 9113 §6.8).
    GoneAway,
    /// The connection broke after the request was sent, or perhaps sent.
    Midway(String),
}

/// A caller: a user in a tenant, or nobody.
#[derive(Clone)]
pub struct Client {
    http: HyperClient<HttpConnector, Full<Bytes>>,
    url: String,
    token: Option<String>,
    tenant: Option<String>,
    /// The request ids of all answers to this client and its clones.
    answered: Arc<Mutex<Vec<String>>>,
}

impl Client {
    /// A caller without a token at this URL.
    pub fn new(url: &str) -> Self {
        let http = HyperClient::builder(TokioExecutor::new()).build_http();
        Self {
            http,
            url: url.to_owned(),
            token: None,
            tenant: None,
            answered: Arc::default(),
        }
    }

    /// A caller without a token that speaks HTTP/2 from the first byte.
    pub fn http2(url: &str) -> Self {
        let http = HyperClient::builder(TokioExecutor::new())
            .http2_only(true)
            .build_http();
        Self {
            http,
            ..Self::new(url)
        }
    }

    pub fn with(&self, token: impl Into<String>, tenant: impl Into<String>) -> Self {
        Self {
            token: Some(token.into()),
            tenant: Some(tenant.into()),
            ..self.clone()
        }
    }

    pub fn tenant(&self, tenant: impl Into<String>) -> Self {
        Self {
            tenant: Some(tenant.into()),
            ..self.clone()
        }
    }

    pub fn request(&self, method: &str, target: &str) -> hyper::http::request::Builder {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.url));
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(tenant) = &self.tenant {
            request = request.header("x-tenant-id", tenant);
        }
        request
    }

    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        self.try_send(request).await.unwrap()
    }

    /// Sends a request to a gateway that may be gone.
    pub async fn try_send(&self, request: Request<Full<Bytes>>) -> Result<Answer, Broken> {
        let response = self.http.request(request).await.map_err(|error| {
            let text = format!("{error:?}");
            let cause = error
                .source()
                .and_then(|it| it.downcast_ref::<hyper::Error>());
            let unsent = cause.is_some_and(hyper::Error::is_canceled);
            if error.is_connect() {
                Broken::NotConnected
            } else if unsent || text.contains("GoAway(b\"\", NO_ERROR, Remote)") {
                Broken::GoneAway
            } else {
                Broken::Midway(text)
            }
        })?;
        let (head, body) = response.into_parts();
        let body = body.collect().await;
        let body = body.map_err(|error| Broken::Midway(format!("{error:?}")))?;
        let answer = Answer::read(head.status.as_u16(), head.headers, &body.to_bytes());
        self.answered(&answer);
        Ok(answer)
    }

    /// Remembers the id of an answer.
    pub fn answered(&self, answer: &Answer) {
        let id = answer.header("x-request-id").to_owned();
        self.answered.lock().unwrap().push(id);
    }

    /// The ids of all answers to this client and its clones, sorted.
    pub fn request_ids(&self) -> Vec<String> {
        let mut ids = self.answered.lock().unwrap().clone();
        ids.sort_unstable();
        ids
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.send(self.request("GET", target).body(Full::default()).unwrap())
            .await
    }

    pub async fn delete(&self, target: &str) -> Answer {
        let request = self.request("DELETE", target);
        self.send(request.body(Full::default()).unwrap()).await
    }

    pub async fn patch(&self, target: &str, body: &Value) -> Answer {
        let request = self
            .request("PATCH", target)
            .header(CONTENT_TYPE, "application/json");
        let body = Full::new(body.to_string().into());
        self.send(request.body(body).unwrap()).await
    }

    /// A POST without a body.
    pub async fn post_empty(&self, target: &str) -> Answer {
        self.send(self.request("POST", target).body(Full::default()).unwrap())
            .await
    }

    pub async fn post(&self, target: &str, body: &Value) -> Answer {
        self.post_text(target, body.to_string()).await
    }

    pub async fn post_text(&self, target: &str, body: impl Into<Bytes>) -> Answer {
        let request = self
            .request("POST", target)
            .header(CONTENT_TYPE, "application/json");
        self.send(request.body(Full::new(body.into())).unwrap())
            .await
    }

    /// Asks to start an enrolment.
    pub async fn register(&self, method_type: &str) -> Answer {
        let target = format!("{REGISTER}?method_type={method_type}");
        self.post_empty(&target).await
    }

    /// Starts an enrolment and returns its creation options.
    pub async fn begin(&self, method_type: &str) -> Value {
        let answer = self.register(method_type).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["options"].clone()
    }

    pub async fn complete(&self, method_type: &str, credential: &Value) -> Answer {
        self.complete_as(method_type, credential, "my key").await
    }

    pub async fn complete_as(&self, method_type: &str, credential: &Value, name: &str) -> Answer {
        let request = self.completion(method_type, credential, name);
        self.send(request).await
    }

    /// Completes a passkey enrolment at a gateway that may be gone.
    pub async fn try_complete(&self, credential: &Value) -> Result<Answer, Broken> {
        self.try_send(self.completion("webauthn_passkey", credential, "my key"))
            .await
    }

    fn completion(
        &self,
        method_type: &str,
        credential: &Value,
        name: &str,
    ) -> Request<Full<Bytes>> {
        let body =
            json!({ "credential": credential, "device_name": name, "method_type": method_type });
        let request = self
            .request("POST", COMPLETE)
            .header(CONTENT_TYPE, "application/json");
        request.body(Full::new(body.to_string().into())).unwrap()
    }
}
