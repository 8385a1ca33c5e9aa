//! Coverage as an LCOV trace file (geninfo(1)). A line of a policy counts the decisions that the policy
//! determined, and a line of a clause counts its evaluations. Each clause has two branches, taken when it
//! is true and when it is false.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cedargate_policy_tools::coverage::{Coverage, TextCoverage};

pub(super) fn report(coverage: &Coverage) -> String {
    let mut files: BTreeMap<&str, Vec<&TextCoverage>> = BTreeMap::new();
    for text in &coverage.texts {
        files.entry(&text.file).or_default().push(text);
    }
    let mut lcov = String::new();
    for (file, texts) in files {
        let _ = writeln!(lcov, "TN:\nSF:{file}");
        branches(&mut lcov, &texts);
        lines(&mut lcov, &texts);
        lcov.push_str("end_of_record\n");
    }
    lcov
}

fn branches(lcov: &mut String, texts: &[&TextCoverage]) {
    let clauses: Vec<_> = texts.iter().flat_map(|text| &text.clauses).collect();
    let mut hit = 0;
    for (block, clause) in clauses.iter().enumerate() {
        let evaluated = clause.seen_true + clause.seen_false > 0;
        for (branch, taken) in [clause.seen_true, clause.seen_false]
            .into_iter()
            .enumerate()
        {
            hit += usize::from(taken > 0);
            let line = clause.lines.start;
            let taken = if evaluated {
                taken.to_string()
            } else {
                "-".to_owned()
            };
            let _ = writeln!(lcov, "BRDA:{line},{block},{branch},{taken}");
        }
    }
    let _ = writeln!(lcov, "BRF:{}\nBRH:{hit}", clauses.len() * 2);
}

fn lines(lcov: &mut String, texts: &[&TextCoverage]) {
    let mut lines: BTreeMap<usize, usize> = BTreeMap::new();
    for text in texts {
        for line in text.lines.clone() {
            let clauses = text
                .clauses
                .iter()
                .filter(|clause| clause.lines.contains(&line));
            let evaluated = clauses.map(|clause| clause.seen_true + clause.seen_false);
            let count = evaluated.max().unwrap_or(text.determined);
            let counted = lines.entry(line).or_default();
            *counted = count.max(*counted);
        }
    }
    for (line, count) in &lines {
        let _ = writeln!(lcov, "DA:{line},{count}");
    }
    let hit = lines.values().filter(|count| **count > 0).count();
    let _ = writeln!(lcov, "LF:{}\nLH:{hit}", lines.len());
}
