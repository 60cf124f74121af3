//! The house rules, each as a test over the tree, and each with a test of its own that shows that it catches a bad
//! sample. What the rules are for stands in `CONTRIBUTING.md`.

#[path = "tidy/conduct.rs"]
mod conduct;
#[path = "tidy/coverage.rs"]
mod coverage;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/sizes.rs"]
mod sizes;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/text.rs"]
mod text;

use source::{Findings, files, sources};

/// Endings of the files that people write.
const TEXT: &[&str] = &[".rs", ".md", ".toml", ".sh", ".gitignore", ".ci/run"];
/// The last rule of `docs/durability.md` and the last fault.
const LAST: &[(char, usize)] = &[('D', 24), ('F', 60)];

#[track_caller]
fn none(findings: Findings) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn a_module_imports_only_from_those_above_it() {
    let sources = sources();
    let lib = sources.iter().find(|source| source.path == "src/lib.rs").expect("a library");
    let exports = imports::exports(lib);
    none(sources.iter().flat_map(|source| imports::check(source, &exports)).collect());
}

#[test]
fn files_and_functions_are_short_and_roots_of_folders_hold_no_logic() {
    none(sources().iter().flat_map(|source| sizes::check(source, sizes::ROOTS_WITH_LOGIC)).collect());
}

#[test]
fn unsafe_stands_only_in_listed_files_and_says_why_it_is_sound() {
    let sources = sources();
    let mut findings: Findings =
        sources.iter().flat_map(|source| conduct::check_unsafe(source, conduct::UNSAFE_FILES)).collect();
    let listed = conduct::UNSAFE_FILES.iter().map(|(path, _)| path);
    let gone = listed.filter(|path| !sources.iter().any(|source| source.path == **path));
    findings.extend(gone.map(|path| format!("{path}: is on UNSAFE_FILES and isn't there")));
    none(findings);
}

#[test]
fn nothing_unfinished_is_left_behind() {
    none(sources().iter().flat_map(conduct::check_leftovers).collect());
}

#[test]
fn threads_clocks_random_numbers_and_files_go_through_the_medium() {
    none(conduct::check_reserved(&sources(), conduct::RESERVED));
}

#[test]
fn the_path_of_the_events_has_no_lock() {
    none(conduct::check_event_path(&sources(), conduct::EVENT_PATH));
}

#[test]
fn text_has_no_stray_white_space_banners_or_machine_paths() {
    none(files(TEXT).iter().flat_map(|(path, text)| text::check_text(path, text)).collect());
}

#[test]
fn links_lead_somewhere() {
    none(files(&[".md"]).iter().flat_map(|(path, text)| text::check_links(path, text)).collect());
}

#[test]
fn the_page_of_tests_and_the_tests_agree() {
    let page = std::fs::read_to_string(source::root().join("docs/testing.md")).expect("docs/testing.md");
    let sources = sources();
    let mut findings = coverage::check(&page, &sources, LAST);
    findings.extend(coverage::check_variables(&page, &sources));
    none(findings);
}
