//! The documents keep their word: links, anchors and pictures resolve, files that are named exist, and every command that is
//! shown is one that the program and the Makefile know.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files of the project with this extension, by their paths from the root.
fn files(extension: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root().to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the project") {
            let entry = entry.expect("an entry of a folder");
            let (path, name) = (entry.path(), entry.file_name());
            if entry.file_type().expect("a kind of file").is_dir() {
                if !["target", "out", ".git"].iter().any(|made| name == *made) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path.strip_prefix(root()).expect("a path below the root").to_owned());
            }
        }
    }
    found
}

/// All documents, by their paths from the root.
fn documents() -> BTreeMap<PathBuf, Document> {
    let read = |path: &PathBuf| fs::read_to_string(root().join(path)).expect("a document in UTF-8");
    files("md").into_iter().map(|path| (path.clone(), Document::new(&read(&path)))).collect()
}

/// A document, taken apart as far as the tests need it.
#[derive(Default)]
struct Document {
    /// What headings are called in links.
    anchors: BTreeSet<String>,
    /// Targets of links and pictures.
    links: Vec<String>,
    /// Code between backticks.
    code: Vec<String>,
    /// Lines of code blocks, those that end with a backslash joined with the next.
    commands: Vec<String>,
}

impl Document {
    fn new(text: &str) -> Self {
        let mut document = Self::default();
        let (mut prose, mut fenced, mut open) = (String::new(), false, String::new());
        for line in text.lines() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            } else if fenced {
                match line.trim_end().strip_suffix('\\') {
                    Some(begun) => open += begun,
                    None => document.commands.push(std::mem::take(&mut open) + line),
                }
            } else {
                if line.starts_with('#') {
                    document.add_heading(line.trim_start_matches('#').trim());
                }
                prose += line;
                prose.push('\n');
            }
        }
        // Backticks come in pairs: what is between them is code and holds no links.
        let mut plain = String::new();
        for (number, part) in prose.split('`').enumerate() {
            match number % 2 {
                0 => plain += part,
                _ => document.code.push(part.split_whitespace().collect::<Vec<_>>().join(" ")),
            }
        }
        for (opening, closing) in [("](", ')'), ("src=\"", '"')] {
            let after = plain.split(opening).skip(1);
            document.links.extend(after.filter_map(|rest| Some(rest.split_once(closing)?.0.trim().to_owned())));
        }
        document
    }

    /// An anchor as GitHub makes it: lower case, spaces to hyphens, no other punctuation; the second of a name gets `-1`.
    fn add_heading(&mut self, heading: &str) {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let anchor = kept.collect::<String>().to_lowercase().replace(' ', "-");
        let numbered = (1..).map(|number| format!("{anchor}-{number}"));
        let name = std::iter::once(anchor.clone()).chain(numbered).find(|name| !self.anchors.contains(name));
        self.anchors.extend(name);
    }
}

/// The path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut normal, part| {
        match part {
            std::path::Component::ParentDir => drop(normal.pop()),
            std::path::Component::CurDir => {}
            part => normal.push(part),
        }
        normal
    })
}

/// Why a link of the document at `from` leads nowhere.
fn broken(link: &str, from: &Path, documents: &BTreeMap<PathBuf, Document>) -> Option<&'static str> {
    if ["http://", "https://", "mailto:"].iter().any(|scheme| link.starts_with(scheme)) {
        return None;
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let target = match path {
        "" => from.to_owned(),
        path => normal(&from.parent().unwrap_or(Path::new("")).join(path)),
    };
    if !root().join(&target).exists() {
        return Some("no such file");
    }
    let known = |anchor| documents.get(&target).is_some_and(|document| document.anchors.contains(anchor));
    anchor.filter(|&anchor| !known(anchor)).map(|_| "no such heading")
}

#[test]
fn links_anchors_and_pictures_resolve() {
    let documents = documents();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (path, document) in &documents {
        for link in &document.links {
            count += 1;
            wrong.extend(broken(link, path, &documents).map(|why| format!("{}: {link}: {why}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 50, "only {count} links were found");
}

#[test]
fn a_broken_link_is_noticed() {
    let text = "# One `two` (3)\n# One two 3\n![p](a.png) [q](b.md#c) `[no](link)`\n```\n[no](link)\nx \\\n  y\n```\n";
    let document = Document::new(text);
    assert_eq!(document.links, ["a.png", "b.md#c"]);
    assert_eq!(document.anchors, ["one-two-3".to_owned(), "one-two-3-1".to_owned()].into());
    assert_eq!(document.commands, ["[no](link)", "x   y"]);
    let documents = BTreeMap::from([(PathBuf::from("README.md"), document)]);
    let broken = |link| broken(link, Path::new("docs/x.md"), &documents);
    assert_eq!(broken("../README.md#one-two-3"), None);
    assert_eq!(broken("../README.md#three"), Some("no such heading"));
    assert_eq!(broken("README.md"), Some("no such file"));
    assert_eq!(broken("https://example.org/none"), None);
}

#[test]
fn every_guide_is_reached_from_the_readme() {
    let documents = documents();
    let linked: BTreeSet<&str> = documents[Path::new("README.md")].links.iter().map(String::as_str).collect();
    let guides: Vec<&Path> = documents.keys().map(PathBuf::as_path).filter(|path| path.starts_with("docs")).collect();
    assert!(guides.len() > 8, "{guides:?}");
    for guide in guides {
        assert!(
            linked.contains(guide.to_str().expect("a path in UTF-8")),
            "README.md does not link {}",
            guide.display()
        );
    }
}

#[test]
fn files_that_are_named_exist() {
    const ROOMS: [&str; 9] =
        ["src/", "tests/", "scripts/", "assets/", "benches/", "docs/", "packaging/", "fuzz/", "shaders/"];
    // Made by whoever follows the text.
    const MADE: [&str; 1] = ["fuzz/corpus"];
    let sources = files("rs");
    let mut wrong = Vec::new();
    for (path, document) in documents() {
        // What was is history.
        if path == Path::new("CHANGELOG.md") {
            continue;
        }
        let words = document.code.iter().chain(&document.commands).flat_map(|code| code.split_whitespace());
        for word in words.map(|word| word.trim_matches(|c: char| "'\",;:()".contains(c))) {
            let is_pattern = word.contains(|c: char| "*{$".contains(c)) || word.contains("NAME");
            if is_pattern || MADE.iter().any(|made| word.starts_with(made)) {
                continue;
            }
            let exists = match ROOMS.iter().any(|room| word.starts_with(room)) {
                true => [path.parent(), Some(Path::new(""))]
                    .into_iter()
                    .flatten()
                    .any(|at| root().join(at).join(word).exists()),
                // The end of a path is enough, where the rest is clear.
                false => !word.ends_with(".rs") || sources.iter().any(|source| source.ends_with(word)),
            };
            if !exists {
                wrong.push(format!("{}: there is no {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The words of a shell's line.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote, mut word) = (Vec::new(), None, None::<String>);
    for c in line.chars() {
        match (quote, c) {
            (None, '#') if word.is_none() => break,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if c == open => quote = None,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[test]
fn commands_that_are_shown_can_be_given() {
    let makefile = fs::read_to_string(root().join("Makefile")).expect("the Makefile");
    let is_target = |name: &str| makefile.lines().any(|line| line.starts_with(&format!("{name}:")));
    let (mut wrong, mut programs, mut makes) = (Vec::new(), 0, 0);
    for (path, document) in documents() {
        for line in &document.commands {
            let words = words(line);
            if words.first().is_some_and(|word| word == "unlearn-studio") && !line.contains('[') {
                programs += 1;
                if let Err(error) = unlearn_studio::cli::command().try_get_matches_from(&words) {
                    wrong.push(format!("{}: {line}: {error}", path.display()));
                }
            }
        }
        let lines = document.commands.iter().chain(&document.code);
        for target in lines.filter_map(|line| line.strip_prefix("make ")?.split_whitespace().next()) {
            makes += 1;
            if !is_target(target) {
                wrong.push(format!("{}: the Makefile has no {target}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(programs > 25 && makes > 10, "{programs} commands and {makes} of make were found");
    assert_eq!(words("a  'b c'\"d\" # e"), ["a", "b cd"]);
}

#[test]
fn packages_are_of_this_version() {
    let packager = fs::read_to_string(root().join("packaging/Packager.toml")).expect("packaging/Packager.toml");
    let version = concat!("version = \"", env!("CARGO_PKG_VERSION"), "\"");
    assert!(packager.lines().any(|line| line == version), "packaging/Packager.toml does not say {version}");
}
