//! What a labeler can say: heads (its outputs of scores), each with named classes, and how a person names some of them.
//!
//! The names stand in the ONNX file's metadata under the key `classes`, as a JSON object from an output's name to the
//! names of its classes: `{"hat": ["none", "cap", "beanie"]}`. Without, classes are called by their numbers.

use std::{collections::HashMap, fmt};

use super::labeler_error::LabelerProblem;

/// The key of the file's metadata that holds the names.
pub(super) const METADATA_KEY: &str = "classes";
/// A longer name is cut: names are parts of sentences and tables.
const MAX_NAME: usize = 60;
/// No more classes of one head are listed in a sentence.
const MAX_LISTED: usize = 30;

/// One question a labeler answers: an output of scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The output's name, such as `hat`.
    pub name: String,
    /// The names of its classes, at least two, all different; their numbers from 0 where the file gives no names.
    pub classes: Vec<String>,
}

impl Head {
    /// A head whose classes are called 0 to `count - 1`.
    pub fn numbered(name: &str, count: usize) -> Self {
        Self { name: tidy(name), classes: (0..count).map(|class| class.to_string()).collect() }
    }

    /// A head with the names that the file's metadata gives its classes, if it does.
    pub(super) fn named(name: &str, count: usize, names: &ClassNames) -> Result<Self, LabelerProblem> {
        let Some(classes) = names.0.get(name) else { return Ok(Self::numbered(name, count)) };
        let classes: Vec<String> = classes.iter().map(|class| tidy(class)).collect();
        let distinct = classes.iter().enumerate().all(|(i, class)| !class.is_empty() && !classes[..i].contains(class));
        if classes.len() != count || !distinct {
            return Err(LabelerProblem::Names { head: tidy(name), classes: count });
        }
        Ok(Self { name: tidy(name), classes })
    }

    /// The class called `asked`, or the one with that number.
    fn class(&self, asked: &str) -> Option<usize> {
        self.classes.iter().position(|class| class.eq_ignore_ascii_case(asked)).or_else(|| self.numbered_class(asked))
    }

    fn numbered_class(&self, asked: &str) -> Option<usize> {
        asked.parse().ok().filter(|&class: &usize| class < self.classes.len())
    }

    fn is_numbered(&self) -> bool {
        self.classes.iter().enumerate().all(|(number, class)| *class == number.to_string())
    }

    /// `none, cap, beanie` or `0 to 9`.
    fn list(&self) -> String {
        if self.is_numbered() {
            return format!("0 to {}", self.classes.len().saturating_sub(1));
        }
        let more = if self.classes.len() > MAX_LISTED { ", …" } else { "" };
        let listed: Vec<&str> = self.classes.iter().take(MAX_LISTED).map(String::as_str).collect();
        listed.join(", ") + more
    }
}

/// The names in a file's metadata: by output, those of its classes in order.
#[derive(Debug, Default)]
pub(super) struct ClassNames(HashMap<String, Vec<String>>);

impl ClassNames {
    /// What the metadata's value says; nothing where it is something else, as other programs may use the same key.
    pub fn from_json(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_default())
    }

    /// Whether the classes of this output have names.
    pub fn has(&self, output: &str) -> bool {
        self.0.contains_key(output)
    }
}

/// What is to be forgotten, as a labeler sees it: some classes, not all, of one head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    number: usize,
    head: Head,
    classes: Vec<usize>,
}

impl Target {
    /// Finds what a person wrote among `heads`: a class by name or number, `head=class`, `head!=class` (all others of
    /// that head), or several of these joined by `|` or commas, meaning any of them. A bare name must belong to one
    /// head only; a bare number is a class of the first head unless it is a name.
    pub fn parse(text: &str, heads: &[Head]) -> Result<Self, LabelerProblem> {
        let text = text.trim();
        let mut found: Option<(usize, Vec<usize>)> = None;
        // A name may hold a comma or a bar.
        let whole = heads.iter().any(|head| head.classes.iter().any(|class| class == text));
        let terms: Vec<&str> = if whole { vec![text] } else { text.split(['|', ',']).map(str::trim).collect() };
        for term in terms {
            let (number, classes) = if whole { bare(term, heads)? } else { one_term(term, heads)? };
            match &mut found {
                None => found = Some((number, classes)),
                Some((before, all)) if *before == number => all.extend(classes),
                Some((before, _)) => {
                    let name = |number: usize| heads.get(number).map_or_else(String::new, |head| head.name.clone());
                    return Err(LabelerProblem::TwoHeads { one: name(*before), other: name(number) });
                }
            }
        }
        let no_class = || no_class(text, heads);
        let (number, mut classes) = found.ok_or_else(no_class)?;
        let head = heads.get(number).ok_or_else(no_class)?.clone();
        classes.sort_unstable();
        classes.dedup();
        if classes.len() >= head.classes.len() {
            return Err(LabelerProblem::Everything { asked: tidy(text), head: head.name });
        }
        Ok(Self { number, head, classes })
    }

    /// Which of the labeler's heads it is about, from 0.
    pub fn head_number(&self) -> usize {
        self.number
    }

    /// The head it is about.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The numbers of the classes, ascending.
    pub fn classes(&self) -> &[usize] {
        &self.classes
    }

    /// Whether `class` of its head is to be forgotten.
    pub fn holds(&self, class: usize) -> bool {
        self.classes.contains(&class)
    }
}

/// As [`Target::parse`] takes it: `hat=cap|hat=beanie`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, &class) in self.classes.iter().enumerate() {
            let bar = if position > 0 { "|" } else { "" };
            write!(f, "{bar}{}={}", self.head.name, self.head.classes.get(class).map_or("", String::as_str))?;
        }
        Ok(())
    }
}

/// The head and the classes of `head=class`, `head!=class` or `class`.
fn one_term(term: &str, heads: &[Head]) -> Result<(usize, Vec<usize>), LabelerProblem> {
    let Some((left, asked)) = term.split_once('=') else { return bare(term, heads) };
    let (name, not) = left.strip_suffix('!').map_or((left, false), |name| (name, true));
    let (name, asked) = (name.trim(), asked.trim());
    let number = heads.iter().position(|head| head.name.eq_ignore_ascii_case(name));
    let Some((number, head)) = number.and_then(|number| Some((number, heads.get(number)?))) else {
        return Err(LabelerProblem::NoSuchHead { asked: tidy(name), known: known(heads) });
    };
    let class = head.class(asked).ok_or_else(|| no_class(term, heads))?;
    let classes = if not { (0..head.classes.len()).filter(|&other| other != class).collect() } else { vec![class] };
    Ok((number, classes))
}

/// A class without its head.
fn bare(asked: &str, heads: &[Head]) -> Result<(usize, Vec<usize>), LabelerProblem> {
    let named = |head: &Head| head.classes.iter().position(|class| class.eq_ignore_ascii_case(asked));
    let found: Vec<_> =
        heads.iter().enumerate().filter_map(|(number, head)| Some((number, vec![named(head)?]))).collect();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => heads
            .first()
            .and_then(|head| head.numbered_class(asked))
            .map(|class| (0, vec![class]))
            .ok_or_else(|| no_class(asked, heads)),
        // Numbers without names mean the first head, as ever.
        [first, ..] if heads.iter().all(Head::is_numbered) => Ok(first.clone()),
        several => {
            let choices: Vec<String> = several
                .iter()
                .filter_map(|(number, _)| Some(format!("{}={}", heads.get(*number)?.name, tidy(asked))))
                .collect();
            Err(LabelerProblem::Ambiguous { asked: tidy(asked), choices: choices.join(" or ") })
        }
    }
}

fn no_class(asked: &str, heads: &[Head]) -> LabelerProblem {
    LabelerProblem::NoSuchClass { asked: tidy(asked), known: known(heads) }
}

/// All heads and classes, for a sentence.
fn known(heads: &[Head]) -> String {
    if let [head] = heads
        && head.is_numbered()
    {
        return format!("it has {} classes ({})", head.classes.len(), head.list());
    }
    let heads: Vec<String> = heads.iter().map(|head| format!("{} ({})", head.name, head.list())).collect();
    format!("it knows {}", heads.join(", "))
}

/// A foreign name on one line of a terminal.
fn tidy(name: &str) -> String {
    name.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(name: &str, classes: &[&str]) -> Head {
        Head { name: name.to_owned(), classes: classes.iter().map(|&class| class.to_owned()).collect() }
    }

    fn wardrobe() -> Vec<Head> {
        vec![
            head("skin", &["pale", "brown"]),
            head("hat", &["none", "cap", "beanie"]),
            head("glasses", &["none", "round", "square"]),
        ]
    }

    #[test]
    fn classes_are_found_by_name_number_and_head() {
        let table = [
            ("hat=cap", 1, vec![1], "hat=cap"),
            ("cap", 1, vec![1], "hat=cap"),
            (" Beanie ", 1, vec![2], "hat=beanie"),
            ("hat=cap|hat=beanie", 1, vec![1, 2], "hat=cap|hat=beanie"),
            ("beanie, hat = cap", 1, vec![1, 2], "hat=cap|hat=beanie"),
            ("hat!=none", 1, vec![1, 2], "hat=cap|hat=beanie"),
            ("glasses != round", 2, vec![0, 2], "glasses=none|glasses=square"),
            ("cap,cap", 1, vec![1], "hat=cap"),
            ("glasses=2", 2, vec![2], "glasses=square"),
            ("1", 0, vec![1], "skin=brown"),
            ("GLASSES=None", 2, vec![0], "glasses=none"),
        ];
        for (text, number, classes, written) in table {
            let target = Target::parse(text, &wardrobe()).unwrap();
            assert_eq!((target.head_number(), target.classes().to_vec()), (number, classes.clone()), "{text}");
            assert_eq!(target.to_string(), written);
            assert_eq!(Target::parse(written, &wardrobe()).unwrap(), target);
            assert!((0..3).all(|class| target.holds(class) == classes.contains(&class)));
        }
        // Numbers are names before they are numbers; a comma may be part of a name.
        let odd = [head("digit", &["7", "0", "a, b"])];
        for (text, classes) in [("7", vec![0]), ("0", vec![1]), ("2", vec![2]), ("a, b", vec![2]), ("7|0", vec![0, 1])]
        {
            assert_eq!(Target::parse(text, &odd).unwrap().classes(), classes, "{text}");
        }
        let two = [Head::numbered("one", 3), Head::numbered("two", 4)];
        assert_eq!(Target::parse("2", &two).unwrap().to_string(), "one=2");
    }

    #[test]
    fn what_is_not_there_gets_one_sentence() {
        let known = "it knows skin (pale, brown), hat (none, cap, beanie), glasses (none, round, square)";
        let no_class = |asked| format!("{known}; there is no class {asked}");
        let two = |one, other| format!("{one} and {other} are different outputs; what is to be forgotten is of one");
        let table = [
            ("fez", no_class("fez")),
            ("hat=fez", no_class("hat=fez")),
            ("7", no_class("7")),
            ("-1", no_class("-1")),
            ("", no_class("")),
            ("cap,", no_class("")),
            ("scarf=red", format!("{known}; it has no output scarf")),
            ("!=cap", format!("{known}; it has no output ")),
            ("none", "none is a class of several outputs: write hat=none or glasses=none".to_owned()),
            ("hat=cap|round", two("hat", "glasses")),
            ("pale|brown", "pale|brown is every class of skin, so nothing would be kept".to_owned()),
            ("hat!=cap,cap", "hat!=cap,cap is every class of hat, so nothing would be kept".to_owned()),
        ];
        for (text, expected) in table {
            assert_eq!(Target::parse(text, &wardrobe()).unwrap_err().to_string(), expected, "{text}");
        }
        let numbered = Target::parse("12", &[Head::numbered("scores", 10)]).unwrap_err().to_string();
        assert_eq!(numbered, "it has 10 classes (0 to 9); there is no class 12");
        let wide = Target::parse("x", &[head("wide", &["a"; 40])]).unwrap_err().to_string();
        assert!(wide.ends_with("a, a, …); there is no class x") && wide.len() < 150, "{wide}");
    }

    #[test]
    fn names_come_from_metadata_and_are_checked() {
        let names = ClassNames::from_json(r#"{"hat": ["none", "c\u0007ap"], "glasses": ["a", "a"], "beard": [""]}"#);
        assert_eq!(Head::named("hat", 2, &names).unwrap(), head("hat", &["none", "c ap"]));
        assert_eq!(Head::named("mouth", 3, &names).unwrap(), head("mouth", &["0", "1", "2"]));
        for (name, count) in [("hat", 3), ("glasses", 2), ("beard", 1)] {
            let error = Head::named(name, count, &names).unwrap_err().to_string();
            assert_eq!(error, format!("its metadata does not give each of the {count} classes of {name} its own name"));
        }
        // The same key, used by others for other things.
        for text in ["", "cat,dog", r#"["cat"]"#, r#"{"0": "cat"}"#, &"[".repeat(10_000)] {
            assert!(ClassNames::from_json(text).0.is_empty(), "{text}");
        }
    }
}
