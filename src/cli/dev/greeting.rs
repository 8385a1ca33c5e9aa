//! The text that `dev` prints when it is ready.

use std::path::Path;

use serde::Serialize;

use super::{DEFAULT_DATA, issuer};
use crate::cli::failure::Failure;
use crate::cli::output;
use cedargate_core::path;

/// The facts that a user or a script needs first.
pub(super) struct Greeting<'a> {
    /// The path with which the program was started.
    pub(super) program: String,
    pub(super) url: String,
    pub(super) admin_url: String,
    pub(super) token: String,
    pub(super) policy_count: usize,
    /// The policy folder; `None` for the shipped policies.
    pub(super) policies: Option<&'a Path>,
    pub(super) data: &'a Path,
}

/// The line that `--json` prints. Members may be added, never removed.
#[derive(Serialize)]
struct Line<'a> {
    url: &'a str,
    admin_url: &'a str,
    issuer: &'a str,
    audience: &'a str,
    tenant: &'a str,
    token: &'a str,
}

/// A tenant that the token does not open.
const OTHER_TENANT: &str = "0e0e0e0e-0000-4000-8000-000000000001";

impl Greeting<'_> {
    pub(super) fn print(&self, json: bool) -> Result<(), Failure> {
        if json {
            output::print_json(&Line {
                url: &self.url,
                admin_url: &self.admin_url,
                issuer: issuer::ISSUER,
                audience: issuer::AUDIENCE,
                tenant: issuer::TENANT,
                token: &self.token,
            })
        } else {
            output::print(&self.text())
        }
    }

    fn text(&self) -> String {
        let Self {
            program,
            url,
            admin_url,
            token,
            policy_count,
            ..
        } = self;
        let policies = match self.policies {
            Some(folder) => format!(
                "{policy_count} in {} (edit one: it is reloaded a second later)",
                folder.display()
            ),
            None => format!("{policy_count}, the shipped ones, built into the program"),
        };
        let data = self.data.display();
        let data_flag = if self.data == Path::new(DEFAULT_DATA) {
            String::new()
        } else {
            format!(" --data '{data}'")
        };
        let (user, tenant, methods) = (issuer::USER, issuer::TENANT, path::METHODS);
        let curl = |tenant| {
            format!(
                "  curl -i {url}{methods} -H \"Authorization: Bearer $TOKEN\" -H 'X-Tenant-ID: {tenant}'"
            )
        };
        let (allowed, refused) = (curl(tenant), curl(OTHER_TENANT));
        format!(
            "\
cedargate dev is ready.

  Page      {url}/
  Admin     {admin_url}/readyz
  Policies  {policies}
  Data      {data}

A token for {user}, valid for four hours:
  TOKEN={token}
To print another token:
  {program} token --user {user} --tenant {tenant}{data_flag}
A request that is allowed:
{allowed}
A request that is refused because it names another tenant:
{refused}

The lines below are the log, one line for each request. Ctrl-C stops the gateway.
"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting() -> Greeting<'static> {
        Greeting {
            program: "target/release/cedargate".into(),
            url: "http://localhost:8080".into(),
            admin_url: "http://127.0.0.1:9090".into(),
            token: "e.y.J".into(),
            policy_count: 9,
            policies: None,
            data: Path::new("elsewhere"),
        }
    }

    #[test]
    fn text_has_commands_to_paste() {
        insta::assert_snapshot!(greeting().text());
    }

    #[test]
    fn policies_of_a_folder_are_counted_with_its_path() {
        let greeting = Greeting {
            policies: Some(Path::new("./policies")),
            ..greeting()
        };
        let line = "  Policies  9 in ./policies (edit one: it is reloaded a second later)\n";
        assert!(greeting.text().contains(line));
    }
}
