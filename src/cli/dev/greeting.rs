//! What `dev` says when it is ready.

use std::path::Path;

use serde::Serialize;

use super::{DEFAULT_DATA, issuer};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::model::path;

/// What a person or a script needs.
pub(super) struct Greeting<'a> {
    /// How the program was called.
    pub(super) program: String,
    pub(super) url: String,
    pub(super) admin_url: String,
    pub(super) token: String,
    /// How many policies decide.
    pub(super) count: usize,
    /// The policy folder; none for the shipped policies.
    pub(super) policies: Option<&'a Path>,
    pub(super) data: &'a Path,
}

/// The one line of `--json`. Members are only ever added.
#[derive(Serialize)]
struct Line<'a> {
    url: &'a str,
    admin_url: &'a str,
    issuer: &'a str,
    audience: &'a str,
    tenant: &'a str,
    token: &'a str,
}

/// A tenant that the token is not for.
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
            count,
            ..
        } = self;
        let policies = match self.policies {
            Some(folder) => format!(
                "{count} in {} (edit one: it counts a second later)",
                folder.display()
            ),
            None => format!("{count}, the shipped ones, from inside the program"),
        };
        let data = self.data.display();
        let at_data = if self.data == Path::new(DEFAULT_DATA) {
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

A token for {user}, good for four hours:
  TOKEN={token}
Another one:
  {program} token --user {user} --tenant {tenant}{at_data}
Allowed:
{allowed}
Refused, another tenant's header:
{refused}

Each request is a line below. Ctrl-C ends it.
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
            count: 9,
            policies: None,
            data: Path::new("elsewhere"),
        }
    }

    #[test]
    fn a_person_gets_commands_to_paste() {
        insta::assert_snapshot!(greeting().text());
    }

    #[test]
    fn the_policies_of_a_folder_are_counted_too() {
        let of_folder = Greeting {
            policies: Some(Path::new("./policies")),
            ..greeting()
        };
        let line = "  Policies  9 in ./policies (edit one: it counts a second later)\n";
        assert!(of_folder.text().contains(line));
    }
}
