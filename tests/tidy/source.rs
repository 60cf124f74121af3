//! Reads the tree and prepares Rust text for the rules: comments and literals blanked, test code told from the rest.
//! Simple handling of text, not a parser: it relies on rustfmt's layout.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold no text of this project: build products, data, seeds.
const SKIPPED: &[&str] = &[
    ".git",
    "target",
    "orchestrix-demo",
    "benches/peers/target",
    "examples/data",
    "fuzz/artifacts",
    "fuzz/corpus",
    "fuzz/coverage",
    "fuzz/target",
    "tests/fixtures",
    "tests/link/target",
];

/// What a rule found, in the form `path:line: what`.
pub(crate) type Findings = Vec<String>;

/// One file of Rust.
pub(crate) struct Source {
    /// From the root of the tree, with `/` between parts.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text with comments and the insides of literals blanked; every byte keeps its place.
    pub(crate) code: String,
    /// `code` without the items under `#[cfg(test)]`; empty for a file of tests.
    pub(crate) live: String,
}

impl Source {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let (path, text) = (path.into(), text.into());
        let code = blank(&text);
        let live = if is_test_path(&path) { String::new() } else { without_tests(&code) };
        Self { path, text, code, live }
    }

    /// `path:line` of a byte of the text.
    pub(crate) fn at(&self, byte: usize) -> String {
        format!("{}:{}", self.path, line_of(&self.text, byte))
    }
}

/// The root of the tree.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file under the root with one of these endings, as path and text, sorted by path.
pub(crate) fn files(endings: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).expect("a folder of the tree") {
            let entry = entry.expect("an entry of a folder");
            let path = folder.join(entry.file_name());
            let name = path.to_str().expect("names are UTF-8").to_owned();
            let kind = entry.file_type().expect("the kind of an entry");
            if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
                folders.push(path);
            } else if kind.is_file() && endings.iter().any(|ending| name.ends_with(ending)) {
                found.push((name, fs::read_to_string(root().join(&path)).expect("UTF-8 text")));
            }
        }
    }
    found.sort();
    found
}

/// Every file of Rust.
pub(crate) fn sources() -> Vec<Source> {
    files(&[".rs"]).into_iter().map(|(path, text)| Source::new(path, text)).collect()
}

/// Whether the file belongs to a crate: this one, or that of its derive.
pub(crate) fn is_in_crate(path: &str) -> bool {
    path.starts_with("src/") || path.starts_with("derive/src/")
}

/// Whether the file belongs to the library of a crate.
pub(crate) fn is_library(path: &str) -> bool {
    is_in_crate(path) && !path.starts_with("src/bin/")
}

/// Whether the file holds nothing but tests.
pub(crate) fn is_test_path(path: &str) -> bool {
    path.starts_with("tests/")
        || is_in_crate(path) && (path.ends_with("tests.rs") || path.contains("/tests/"))
}

pub(crate) fn line_of(text: &str, byte: usize) -> usize {
    text[..byte].matches('\n').count() + 1
}

pub(crate) fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Places where `pattern` stands in `code` and isn't the end of a longer word.
pub(crate) fn places<'a>(code: &'a str, pattern: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(pattern)
        .map(|(at, _)| at)
        .filter(|&at| at == 0 || !is_word_byte(code.as_bytes()[at - 1]))
}

/// Places where the whole word stands.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    places(code, word)
        .filter(move |at| !code.as_bytes().get(at + word.len()).is_some_and(|&next| is_word_byte(next)))
}

/// The identifier that begins at `text`, possibly empty.
pub(crate) fn identifier(text: &str) -> &str {
    &text[..text.bytes().position(|byte| !is_word_byte(byte)).unwrap_or(text.len())]
}

/// The place after the bracket that closes the one at `open`.
pub(crate) fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// The place of the first of `ends` after `from` that stands in no bracket.
pub(crate) fn first_outside(code: &str, from: usize, ends: &[u8]) -> Option<usize> {
    let mut at = from;
    while let Some(&byte) = code.as_bytes().get(at) {
        match byte {
            _ if ends.contains(&byte) => return Some(at),
            b'(' | b'[' | b'{' => at = closing(code, at),
            _ => at += 1,
        }
    }
    None
}

/// Overwrites everything but newlines with spaces.
fn wipe(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

/// Blanks comments and the insides of strings and characters; their quotes stay.
pub(crate) fn blank(text: &str) -> String {
    let mut code = text.as_bytes().to_vec();
    let mut at = 0;
    while at < code.len() {
        let rest = &text.as_bytes()[at..];
        let starts_word = at == 0 || !is_word_byte(code[at - 1]);
        let (skip, len, tail) = if rest.starts_with(b"//") {
            (0, rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len()), 0)
        } else if rest.starts_with(b"/*") {
            (0, comment_len(rest), 0)
        } else if let Some(hashes) = raw_string_hashes(rest).filter(|_| starts_word) {
            let open = rest.iter().position(|&byte| byte == b'"').expect("an opening quote") + 1;
            let end = format!("\"{}", "#".repeat(hashes));
            let len = text[at + open..].find(&end).unwrap_or(rest.len() - open);
            (open, len, end.len())
        } else if rest[0] == b'"' {
            (1, quoted_len(&rest[1..], b'"'), 1)
        } else if rest[0] == b'\'' && is_character(&text[at + 1..]) {
            (1, quoted_len(&rest[1..], b'\''), 1)
        } else {
            at += 1;
            continue;
        };
        wipe(&mut code[at + skip..at + skip + len]);
        at += skip + len + tail;
    }
    String::from_utf8(code).expect("whole characters were blanked")
}

fn comment_len(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// Number of `#` of the raw string that begins here.
fn raw_string_hashes(rest: &[u8]) -> Option<usize> {
    let prefix = [&b"br"[..], b"cr", b"r"].into_iter().find(|prefix| rest.starts_with(prefix))?.len();
    let hashes = rest[prefix..].iter().take_while(|&&byte| byte == b'#').count();
    (rest.get(prefix + hashes) == Some(&b'"')).then_some(hashes)
}

fn quoted_len(rest: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    at.min(rest.len())
}

/// Whether the text after an apostrophe is a character, not a lifetime.
fn is_character(rest: &str) -> bool {
    let mut chars = rest.chars();
    match chars.next() {
        Some('\\') => true,
        Some(_) => chars.next() == Some('\''),
        None => false,
    }
}

/// Blanks every item under `#[cfg(test)]` and everything in a file that begins with `#![cfg(test)]`.
fn without_tests(code: &str) -> String {
    if code.contains("#![cfg(test)]") {
        return String::new();
    }
    let mut live = code.as_bytes().to_vec();
    for (from, attribute) in code.match_indices("#[cfg(test)]") {
        let mut at = from + attribute.len();
        while code[at..].trim_start().starts_with("#[") {
            at = closing(code, at + code[at..].find('[').expect("it was seen"));
        }
        let end = first_outside(code, at, b";{").unwrap_or(code.len() - 1);
        let end = if code.as_bytes()[end] == b'{' { closing(code, end) } else { end + 1 };
        wipe(&mut live[from..end]);
    }
    String::from_utf8(live).expect("whole characters were blanked")
}

#[test]
fn blanks_comments_and_literals_and_keeps_places() {
    let text = "let a = \"// no {\"; // yes }\nlet b = '\\''; /* x /* y */ z */ let c = r#\"\"quoted\"\"#;\nfn f<'a>() {}";
    let code = blank(text);
    assert_eq!(code.len(), text.len());
    assert_eq!(code.matches('\n').count(), 2);
    for gone in ["no", "yes", "x", "z */", "quoted", "}\n"] {
        assert!(!code.contains(gone), "{gone:?} is still in {code:?}");
    }
    assert!(code.contains("fn f<'a>() {}") && code.contains("let c = r#"), "{code:?}");
}

#[test]
fn tells_test_code_from_the_rest() {
    let source = Source::new(
        "src/log/a.rs",
        "fn live() {}\n#[cfg(test)]\n#[path = \"x\"]\nmod tests {\n    fn dead() { if true {} }\n}\nfn also_live() {}\n#[cfg(test)]\nmod more;\n",
    );
    assert!(source.live.contains("fn live") && source.live.contains("fn also_live"));
    assert!(!source.live.contains("dead") && !source.live.contains("more"));
    assert!(source.code.contains("dead"));
    assert!(Source::new("src/log/tests.rs", "fn f() {}").live.is_empty());
    assert!(Source::new("src/log/b.rs", "//! Tests.\n#![cfg(test)]\nfn f() {}").live.is_empty());
}
