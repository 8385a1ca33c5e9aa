//! Policies that change while a gateway serves: the policies in force, and the reports to
//! operators.

mod broken;
mod canaries;
mod changes;
mod dev;
mod endpoints;
mod under_load;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::client::{Answer, Client, METHODS};
use crate::support::deployment::{Deployment, TENANT};
use crate::support::gateway::Gateway;
use crate::support::poll::until;

const FAILED: &str = "the policies do not load, so the previous ones stay in force";
const LOADED: &str = "the policies were loaded";
const MENDED: &str = "the policies load again: they are the same as before";

/// A policy that permits what the shipped ones permit anyway. It is determining for each list of
/// methods and changes no answer.
fn marker(id: &str) -> String {
    format!(
        "@id(\"{id}\")\npermit (principal, action == Gate::Action::\"listMfaMethods\", resource)\n\
         when {{ resource in principal.account }};\n"
    )
}

/// A gateway and the folder of its policies.
struct Site {
    deployment: Deployment,
    gateway: Gateway,
    operator: Client,
}

impl Site {
    fn serve(deployment: Deployment) -> Self {
        let gateway = deployment.serve();
        let operator = Client::new(&gateway.admin_url);
        Self {
            deployment,
            gateway,
            operator,
        }
    }

    /// A gateway with the shipped policies.
    fn shipped() -> Self {
        Self::serve(Deployment::embedded())
    }

    fn home(&self) -> &Path {
        self.deployment.home()
    }

    /// A path in the policy folder.
    fn policy(&self, name: &str) -> PathBuf {
        self.home().join("policies").join(name)
    }

    /// Writes a file in one step. Otherwise a busy machine could load half of it.
    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        replace(&self.policy(name), |new| fs::write(new, text).unwrap());
    }

    fn user(&self, name: &str) -> Client {
        Client::new(&self.gateway.url).with(self.deployment.token(name), TENANT)
    }

    /// The determining policies of a list of methods that is requested now, and their revision.
    async fn decided(&self) -> (Vec<String>, String) {
        let answer = self.user("alice").get(METHODS).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let event = self.gateway.event(answer.header("x-request-id"));
        let policies = event["policies"].as_array().unwrap().iter();
        let policies = policies.map(|id| id.as_str().unwrap().to_owned()).collect();
        (policies, text(&event["decisions"][0]["revision"]))
    }

    async fn is_decided_by(&self, id: &str) -> bool {
        self.decided().await.0.iter().any(|policy| policy == id)
    }

    /// Waits until requests are decided by this policy.
    async fn until_decided_by(&self, id: &str) {
        until(id, async || self.is_decided_by(id).await).await;
    }

    async fn reload(&self) -> Answer {
        self.operator.post_text("/policies/reload", "").await
    }

    async fn policies(&self) -> Value {
        let answer = self.operator.get("/policies").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    async fn readiness(&self) -> (String, Vec<String>) {
        let answer = self.operator.get("/readyz").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let reasons = answer.body["reasons"].as_array().unwrap().iter();
        (text(&answer.body["status"]), reasons.map(text).collect())
    }

    async fn until_ready(&self) {
        until("it is ready", async || {
            self.readiness().await == ("ready".to_owned(), Vec::new())
        })
        .await;
    }

    /// Waits until readiness is stale and returns the reason.
    async fn until_stale(&self) -> String {
        let mut reason = String::new();
        until("it is stale", async || {
            let (status, reasons) = self.readiness().await;
            reason = reasons.join(" ");
            status == "stale"
        })
        .await;
        reason
    }

    /// The value of a metric.
    async fn sample(&self, name: &str) -> u64 {
        self.gateway.metric(name).await.unwrap()
    }

    async fn loads(&self, outcome: &str) -> u64 {
        let name = format!(r#"cedargate_policy_reloads_total{{outcome="{outcome}"}}"#);
        self.sample(&name).await
    }

    /// The lines of the log with this message.
    fn logged(&self, message: &str) -> Vec<Value> {
        let written = self.gateway.written();
        let lines = written
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        lines
            .filter(|line: &Value| line["message"] == message)
            .collect()
    }
}

fn text(value: &Value) -> String {
    let text = value.as_str();
    text.unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}

/// Replaces a file in one step, by a rename.
fn replace(path: &Path, make: impl FnOnce(&Path)) {
    let new = path.with_file_name(".new");
    make(&new);
    fs::rename(new, path).unwrap();
}
