//! Holds answers against the oracle: in which order the requests were carried out, and which states they
//! leave.

use std::slice;

use super::super::promises;
use super::super::requests::{Outcome, Request};
use super::super::rules::{Model, Right};
use super::Case;

impl Case<'_> {
    /// The states that these outcomes lead to, in one order or the other.
    pub(super) fn explained(
        &self,
        requests: &[Request],
        outcomes: &[Outcome],
    ) -> Result<Vec<Model>, String> {
        let mut states: Vec<Model> = Vec::new();
        let (mut expected, mut broken) = (Vec::new(), Vec::new());
        for before in &self.states {
            let orders: &[&[usize]] = match requests {
                [_] => &[&[0]],
                _ => &[&[0, 1], &[1, 0]],
            };
            for order in orders {
                let paths = paths(before, requests, outcomes, order, &mut expected);
                for (path, after) in paths {
                    let promise = std::iter::zip(*order, &path)
                        .find_map(|(at, from)| {
                            self.broken(from, before, &requests[*at], &outcomes[*at])
                        })
                        .or_else(|| promises::of_state(&after));
                    match promise {
                        Some(promise) => broken.push(promise),
                        None if !states.contains(&after) => states.push(after),
                        None => {}
                    }
                }
            }
        }
        match (states.is_empty(), broken.first()) {
            (false, _) => Ok(states),
            (true, Some(promise)) => Err(self.report.broken(promise)),
            (true, None) => Err(self.report.unexpected(&expected)),
        }
    }

    /// The promise that a good answer breaks: on what was there when the request was carried out and,
    /// if it raced, on what was there before.
    fn broken(
        &self,
        from: &Model,
        before: &Model,
        request: &Request,
        outcome: &Outcome,
    ) -> Option<&'static str> {
        if outcome.status != 200 {
            return None;
        }
        let now = promises::of_request(from, request, &self.origins)?;
        match request.act.is_decided_once() {
            true => promises::of_request(before, request, &self.origins),
            false => Some(now),
        }
    }
}

/// The ways from a state by the right answers that were given, each with the state that every request
/// was carried out on. Adds the answers that would have been right.
fn paths(
    before: &Model,
    requests: &[Request],
    outcomes: &[Outcome],
    order: &[usize],
    expected: &mut Vec<String>,
) -> Vec<(Vec<Model>, Model)> {
    let mut paths = vec![(Vec::new(), before.clone())];
    for (turn, at) in order.iter().enumerate() {
        let mut further = Vec::new();
        for (path, state) in paths {
            let right = if turn == 0 {
                state.answers(&requests[*at])
            } else {
                state.answers_after_race(before, &requests[*at])
            };
            for (_, after) in right_for(&outcomes[*at], right, &state, expected) {
                let path = [path.as_slice(), slice::from_ref(&state)].concat();
                further.push((path, after));
            }
        }
        paths = further;
    }
    paths
}

/// Those of the right answers that were given. A store that did not answer in time has made the change
/// or has not, if it says that this is not known; else it has not.
fn right_for(
    outcome: &Outcome,
    right: Vec<Right>,
    state: &Model,
    expected: &mut Vec<String>,
) -> Vec<Right> {
    if outcome.status == 503 {
        let mut possible = vec![(outcome.clone(), state.clone())];
        if !outcome.shows.is_empty() {
            possible.extend(right);
        }
        return possible;
    }
    for (right, _) in &right {
        let right = right.to_string();
        if !expected.contains(&right) {
            expected.push(right);
        }
    }
    right
        .into_iter()
        .filter(|(one, _)| one == outcome)
        .collect()
}
