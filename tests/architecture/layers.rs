//! The floors of ARCHITECTURE.md: a module of the root package uses the modules on lower floors and those
//! left of it on its own floor. The parts do not use each other.

use std::collections::BTreeSet;
use std::path::Path;

use super::paths::{Read, read};

const GROUND: &[&str] = &["event"];
const PARTS: &[&str] = &["authn", "webauthn", "store"];
const HOUSE: &[&str] = &["error", "gate", "mfa"];
const EDGE: &[&str] = &["app", "streams", "http", "config", "cli"];

/// The helpers in `tests/support/` that unit tests include. They use no module of the package.
const TEST_HELPERS: &[&str] = &["property"];

/// The floors from the bottom up, each with its modules from left to right.
const FLOORS: [&[&str]; 4] = [GROUND, PARTS, HOUSE, EDGE];

fn may_use(user: &str, used: &str) -> bool {
    let place = |name: &str| {
        FLOORS.iter().enumerate().find_map(|(floor, modules)| {
            let at = modules.iter().position(|module| *module == name)?;
            Some((floor, at))
        })
    };
    if user == used || TEST_HELPERS.contains(&used) {
        return true;
    }
    let (Some((floor, at)), Some((below, left))) = (place(user), place(used)) else {
        return false;
    };
    let are_parts = FLOORS[floor] == PARTS;
    below < floor || (below == floor && left < at && !are_parts)
}

#[test]
fn every_module_uses_only_modules_below_or_left_of_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = read(&src, Read::Everything);
    let modules: BTreeSet<_> = files.keys().map(|module| module[0].as_str()).collect();
    let known: BTreeSet<_> = FLOORS.concat().into_iter().collect();
    assert_eq!(
        modules, known,
        "a module has no floor, or a floor names a module that does not exist"
    );
    let edges: BTreeSet<_> = files
        .iter()
        .flat_map(|(module, source)| {
            let used = source.paths.iter().filter_map(|path| path.first());
            used.map(|used| (module[0].as_str(), used.as_str()))
        })
        .collect();
    assert!(edges.contains(&("gate", "store")), "no path was read");
    let wrong: Vec<_> = edges
        .into_iter()
        .filter(|(user, used)| !may_use(user, used))
        .collect();
    assert!(
        wrong.is_empty(),
        "these modules use one above them, right of them, or another part: {wrong:?}"
    );
}
