//! What one source file says: the modules it declares, the paths it imports, the paths it names.
//!
//! No parser of Rust: comments and literals are passed over, the rest is words and signs. Code that only tests see is left
//! out.

use std::collections::BTreeSet;

/// A word or a sign, and its line.
#[derive(Clone, Debug, PartialEq)]
struct Token {
    text: String,
    line: usize,
}

/// One `a::b::c` of a `use`, or in the code.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    pub segments: Vec<String>,
    pub line: usize,
    /// The name it gets where it stands; `*` for all names; none for a path in the code.
    pub name: Option<String>,
    /// A `pub use`, for others to import from here.
    pub public: bool,
}

/// One module: a file, or a `mod name { ... }` in it.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// From the crate's root.
    pub path: Vec<String>,
    /// Modules in files of their own.
    pub children: Vec<String>,
    /// Of these, the ones for tests.
    pub tests: Vec<String>,
    pub imports: Vec<Path>,
    pub named: Vec<Path>,
    /// Names of what is defined here.
    pub items: BTreeSet<String>,
    /// Every word that stands in the code outside of imports.
    pub words: BTreeSet<String>,
}

/// The modules of one file, the file's own first.
pub fn read(path: &[String], text: &str) -> Vec<Module> {
    let mut modules = Vec::new();
    let tokens = tokens(text);
    module(path.to_vec(), &tokens, &mut modules);
    modules
}

fn module(path: Vec<String>, tokens: &[Token], modules: &mut Vec<Module>) {
    let number = modules.len();
    modules.push(Module { path: path.clone(), ..Module::default() });
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut at = 0;
    let mut public = false;
    while at < tokens.len() {
        match text(at) {
            "#" if text(at + 1) == "[" || text(at + 2) == "[" => {
                let open = if text(at + 1) == "[" { at + 1 } else { at + 2 };
                let close = closing(tokens, open);
                let words: Vec<&str> = tokens[open..close].iter().map(|token| token.text.as_str()).collect();
                if words[1..].first() == Some(&"cfg") && words.contains(&"test") && !words.contains(&"not") {
                    let end = item_end(tokens, close + 1);
                    if let Some(place) = (close..end).find(|&at| text(at) == "mod").filter(|_| text(end - 1) == ";") {
                        modules[number].tests.push(text(place + 1).to_owned());
                    }
                    at = end;
                } else {
                    paths_in_code(&tokens[open..close], &mut modules[number]);
                    at = close + 1;
                }
                public = false;
            }
            "pub" => {
                public = true;
                at = if text(at + 1) == "(" { closing(tokens, at + 1) + 1 } else { at + 1 };
            }
            "use" => {
                let end = (at..tokens.len()).find(|&at| text(at) == ";").unwrap_or(tokens.len());
                use_tree(&tokens[at + 1..end], &[], public, &mut modules[number].imports);
                (at, public) = (end + 1, false);
            }
            "mod" if text(at + 2) == ";" => {
                modules[number].children.push(text(at + 1).to_owned());
                (at, public) = (at + 3, false);
            }
            "mod" if text(at + 2) == "{" => {
                let close = closing(tokens, at + 2);
                let inner = [&path[..], &[text(at + 1).to_owned()]].concat();
                modules[number].items.insert(text(at + 1).to_owned());
                module(inner, &tokens[at + 3..close], modules);
                (at, public) = (close + 1, false);
            }
            word @ ("fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "union" | "macro_rules") => {
                let name = if word == "macro_rules" { at + 2 } else { at + 1 };
                modules[number].items.insert(text(name).to_owned());
                (at, public) = (at + 1, false);
            }
            // A path is one step, whatever words are in it.
            word if is_word(word) => {
                let end = path_end(tokens, at);
                paths_in_code(&tokens[at..end], &mut modules[number]);
                (at, public) = (end, false);
            }
            _ => (at, public) = (at + 1, false),
        }
    }
}

/// The end of the path that begins with this word.
fn path_end(tokens: &[Token], start: usize) -> usize {
    let mut end = start + 1;
    while end + 1 < tokens.len() && tokens[end].text == "::" && is_word(&tokens[end + 1].text) {
        end += 2;
    }
    end
}

/// Paths of more than one word, and words, in tokens that are no imports.
fn paths_in_code(tokens: &[Token], module: &mut Module) {
    let mut at = 0;
    while at < tokens.len() {
        if !is_word(&tokens[at].text) {
            at += 1;
            continue;
        }
        let end = path_end(tokens, at);
        let segments: Vec<String> = tokens[at..end].iter().step_by(2).map(|token| token.text.clone()).collect();
        module.words.extend(segments.iter().cloned());
        if segments.len() > 1 {
            module.named.push(Path { segments, line: tokens[at].line, name: None, public: false });
        }
        at = end;
    }
}

/// The leaves of `a::{b, c::*, d as e}`.
fn use_tree(tokens: &[Token], before: &[String], public: bool, found: &mut Vec<Path>) {
    let mut segments = before.to_vec();
    let mut at = 0;
    let mut line = tokens.first().map_or(0, |token| token.line);
    let mut name = None;
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            "::" => {}
            "{" => {
                let close = closing(tokens, at);
                for branch in split(&tokens[at + 1..close]) {
                    use_tree(branch, &segments, public, found);
                }
                return;
            }
            "*" => name = Some("*".to_owned()),
            "as" => {
                name = tokens.get(at + 1).map(|token| token.text.clone());
                break;
            }
            word => {
                line = tokens[at].line;
                segments.push(word.to_owned());
            }
        }
        at += 1;
    }
    // `a::{self}` imports `a`.
    if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
        segments.pop();
    }
    let name = name.or_else(|| segments.last().cloned());
    if !segments.is_empty() {
        found.push(Path { segments, line, name, public });
    }
}

/// Parts between the commas that stand in no braces.
fn split(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_usize;
    let parts = tokens.split(move |token| {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        depth == 0 && token.text == ","
    });
    parts.filter(|part| !part.is_empty()).collect()
}

/// The bracket that closes the one at `open`.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len() - 1
}

/// Behind the item that begins here: its semicolon or its block.
fn item_end(tokens: &[Token], start: usize) -> usize {
    let mut at = start;
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            ";" => return at + 1,
            "{" => {
                let close = closing(tokens, at);
                // A `use` goes on to its semicolon.
                return close + if tokens.get(close + 1).is_some_and(|token| token.text == ";") { 2 } else { 1 };
            }
            "(" | "[" => at = closing(tokens, at) + 1,
            _ => at += 1,
        }
    }
    at
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn tokens(text: &str) -> Vec<Token> {
    let letters: Vec<char> = text.chars().collect();
    let get = |at: usize| letters.get(at).copied().unwrap_or('\0');
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < letters.len() {
        let start = at;
        match get(at) {
            '/' if get(at + 1) == '/' => {
                while at < letters.len() && get(at) != '\n' {
                    at += 1;
                }
            }
            '/' if get(at + 1) == '*' => at = comment_end(&letters, at),
            '"' => at = string_end(&letters, at),
            // A lifetime has no closing quote behind its first letter.
            '\'' if get(at + 1) == '\\' || get(at + 2) == '\'' => {
                at += if get(at + 1) == '\\' { 3 } else { 2 };
                while at < letters.len() && get(at) != '\'' {
                    at += 1;
                }
                at += 1;
            }
            '\'' => {
                at += 1;
                while is_letter(get(at)) {
                    at += 1;
                }
            }
            ':' if get(at + 1) == ':' => {
                at += 2;
                found.push(Token { text: "::".to_owned(), line });
            }
            c if is_letter(c) => {
                while is_letter(get(at)) {
                    at += 1;
                }
                let word: String = letters[start..at].iter().collect();
                let raw = matches!(word.as_str(), "r" | "br" | "cr") && matches!(get(at), '"' | '#');
                if raw && let Some(end) = raw_string_end(&letters, at) {
                    at = end;
                } else if !(matches!(word.as_str(), "b" | "c") && matches!(get(at), '"' | '\'')) {
                    found.push(Token { text: word, line });
                }
            }
            c => {
                at += 1;
                if !c.is_whitespace() {
                    found.push(Token { text: c.to_string(), line });
                }
            }
        }
        line += letters[start..at.min(letters.len())].iter().filter(|&&c| c == '\n').count();
    }
    found
}

fn comment_end(letters: &[char], start: usize) -> usize {
    let (mut depth, mut at) = (0_usize, start);
    while at < letters.len() {
        match letters.get(at..at + 2) {
            Some(['/', '*']) => (depth, at) = (depth + 1, at + 2),
            Some(['*', '/']) => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

fn string_end(letters: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < letters.len() && letters[at] != '"' {
        at += if letters[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The end of a raw string whose marks begin here; `r#name` is none.
fn raw_string_end(letters: &[char], start: usize) -> Option<usize> {
    let marks = letters[start..].iter().take_while(|&&c| c == '#').count();
    (letters.get(start + marks) == Some(&'"')).then_some(())?;
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', marks)).collect();
    let from = start + marks + 1;
    let place = letters[from..].windows(end.len()).position(|part| part == end)?;
    Some(from + place + end.len())
}
