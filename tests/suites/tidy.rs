//! The house rules: size, width and words of every file, and the direction of every dependency.

#![expect(clippy::unwrap_used, reason = "a suite reads the repository that it stands in")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A file that is longer is two files.
const LINES_MAX: usize = 400;

/// `rustfmt.toml` says the same; rustfmt leaves long strings and comments alone.
const COLUMNS_MAX: usize = 100;

/// A function's `main.rs` only starts it.
const MAIN_LINES_MAX: usize = 40;

/// Words that readers stumble over. The glossary has the terms to use instead.
const BANNED: [&str; 12] = [
    "whoever",
    "whomever",
    "whom",
    "nobody",
    "somebody",
    "everybody",
    "deed",
    "deeds",
    "beside",
    "besides",
    "told of",
    "at the worst",
];

/// The crates from the lowest to the highest, and what each may use.
const CRATES: [(&str, &[&str]); 11] = [
    ("shared/core", &[]),
    ("shared/sweep", &["core"]),
    ("shared/config", &["core"]),
    ("shared/telemetry", &["core", "sweep-core", "config"]),
    ("shared/aws", &["core", "sweep-core", "config", "telemetry"]),
    ("functions/capture", &["core", "config", "telemetry", "aws"]),
    ("functions/trail", &["core", "config", "telemetry", "aws"]),
    ("functions/apply", &["core", "config", "telemetry", "aws"]),
    ("functions/sweep", &["core", "sweep-core", "config", "telemetry", "aws"]),
    ("functions/operator", &["core", "config", "telemetry", "aws"]),
    ("tests", &["core", "sweep-core", "config", "telemetry", "aws", "capture", "trail"]),
];

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Folders that a tool writes.
const MADE: [&str; 7] = ["target", "node_modules", ".git", ".local", "dist", "cdk.out", "golden"];

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for item in std::fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !MADE.contains(&name.as_str()) {
                collect(&path, files);
            }
        } else {
            files.push(path);
        }
    }
}

/// Every file with one of these endings: its path from the top, and its text.
fn files(endings: &[&str]) -> Vec<(String, String)> {
    let (top, mut all) = (top(), Vec::new());
    for folder in ["shared", "functions", "infra", "tests"] {
        collect(&top.join(folder), &mut all);
    }
    all.push(top.join("README.md"));
    all.sort();
    let wanted = |path: &&PathBuf| {
        endings.iter().any(|ending| path.extension().is_some_and(|found| found == *ending))
    };
    let text = |path: &PathBuf| {
        let short = path.strip_prefix(&top).unwrap().to_string_lossy().into_owned();
        (short, std::fs::read_to_string(path).unwrap())
    };
    all.iter().filter(wanted).map(text).collect()
}

/// Fails with the list of what breaks a rule.
fn none(rule: &str, found: &[String]) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn no_source_file_has_more_than_400_lines() {
    let long = |(path, text): (String, String)| {
        let lines = text.lines().count();
        let limit = if path.ends_with("src/main.rs") { MAIN_LINES_MAX } else { LINES_MAX };
        (lines > limit).then(|| format!("{path}: {lines} lines, at most {limit}"))
    };
    let found: Vec<String> =
        files(&["rs", "ts", "py", "sh"]).into_iter().filter_map(long).collect();
    none("split these files", &found);
}

#[test]
fn no_line_has_more_than_100_columns() {
    let mut found = Vec::new();
    for (path, text) in files(&["rs", "ts", "py", "sh", "md"]) {
        for (at, line) in text.lines().enumerate() {
            // A table's row, a URL and the path of an import cannot be broken.
            let whole = line.trim_start().starts_with('|')
                || line.contains("://")
                || line.starts_with("use ");
            if line.chars().count() > COLUMNS_MAX && !whole {
                found.push(format!("{path}:{}: {} columns", at + 1, line.chars().count()));
            }
        }
    }
    none("break these lines", &found);
}

/// Lower case, with every other character as one space.
fn words_of(line: &str) -> String {
    let plain = |letter: char| if letter.is_alphabetic() { letter } else { ' ' };
    let text: String = line.to_lowercase().chars().map(plain).collect();
    format!(" {} ", text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn no_text_has_a_banned_word() {
    let mut found = Vec::new();
    for (path, text) in files(&["rs", "ts", "py", "sh", "md"]) {
        if path == "tests/suites/tidy.rs" {
            continue;
        }
        for (at, line) in text.lines().enumerate() {
            let words = words_of(line);
            for word in BANNED {
                if words.contains(&format!(" {word} ")) {
                    found.push(format!("{path}:{}: {word}", at + 1));
                }
            }
        }
    }
    none("use a plain word instead", &found);
}

#[test]
fn a_banned_word_is_found_in_a_comment_a_string_and_a_name() {
    for line in ["/// Told of by nobody.", "say(\"Whom?\")", "let nobody = 1;", "one_deed_more()"] {
        let words = words_of(line);
        assert!(BANNED.iter().any(|word| words.contains(&format!(" {word} "))), "{line}");
    }
    assert!(!BANNED.iter().any(|word| words_of("indeed").contains(&format!(" {word} "))));
}

#[test]
fn dependencies_point_downwards_only() {
    let mut found = Vec::new();
    for (folder, allowed) in CRATES {
        let manifest = std::fs::read_to_string(top().join(folder).join("Cargo.toml")).unwrap();
        let names = manifest.lines().filter_map(|line| line.strip_prefix("poolbridge-"));
        for name in names.filter_map(|name| name.split([' ', '.', '=']).next()) {
            if !allowed.contains(&name) {
                found.push(format!("{folder} uses {name}"));
            }
        }
    }
    none("these dependencies point upwards", &found);
}

/// The modules of a crate that each module names, at the first level of its `src`.
fn uses(folder: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut all = Vec::new();
    collect(folder, &mut all);
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in all.iter().filter(|path| path.extension().is_some_and(|it| it == "rs")) {
        let short = path.strip_prefix(folder).unwrap().to_string_lossy().replace(".rs", "");
        let module = short.split('/').next().unwrap().to_owned();
        if short.contains("tests") || ["lib", "main", "bin"].contains(&module.as_str()) {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code: String = code.collect::<Vec<_>>().join("\n");
        for used in code.split("crate::").skip(1) {
            let name: String =
                used.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect();
            if name != module && (all.iter().any(|path| is_module(path, folder, &name))) {
                uses.entry(module.clone()).or_default().insert(name);
            }
        }
    }
    uses
}

fn is_module(path: &Path, folder: &Path, name: &str) -> bool {
    path == folder.join(format!("{name}.rs")) || path.starts_with(folder.join(name))
}

/// A circle through `start`, if there is one.
fn circle(uses: &BTreeMap<String, BTreeSet<String>>, start: &str) -> Option<String> {
    let mut open = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while let Some(way) = open.pop() {
        for next in uses.get(*way.last()?).into_iter().flatten() {
            if next == start {
                return Some(format!("{} -> {start}", way.join(" -> ")));
            }
            if seen.insert(next.as_str()) {
                open.push(way.iter().copied().chain([next.as_str()]).collect());
            }
        }
    }
    None
}

#[test]
fn no_modules_of_a_crate_use_each_other_in_a_circle() {
    let mut found = Vec::new();
    for (folder, _) in CRATES {
        let uses = uses(&top().join(folder).join("src"));
        let circles = uses.keys().filter_map(|module| circle(&uses, module));
        found.extend(circles.map(|circle| format!("{folder}: {circle}")));
    }
    none("these modules use each other", &found);
}
