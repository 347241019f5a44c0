//! Holds the rules of who may import whom: rooms one way, no circle between the files of a folder, families and methods
//! named by few, `clap` by the command line alone, the GPU backend by the networks' kernels. Code that only tests see may import what it likes.
//!
//! `cargo run --release --example imports` shows what this test looks at.

mod graph;
mod source;

use std::{collections::BTreeSet, path::Path};

use graph::{Crate, between_siblings, circles};

/// Room, and the rooms it may import, besides those that all may.
const ROOMS: &[(&str, &[&str])] = &[
    ("networks", &[]),
    ("checkpoint", &["networks"]),
    ("train", &["networks"]),
    ("metrics", &["networks"]),
    ("data", &["networks"]),
    ("device", &[]),
    ("model", &["checkpoint", "train", "networks", "device"]),
    ("feedback", &["model", "metrics", "train", "data", "networks", "device"]),
    ("unlearn", &["feedback", "model", "train", "metrics", "networks", "device"]),
    ("audit", &["feedback", "model", "data", "metrics", "train", "checkpoint", "networks"]),
    ("remote", &["unlearn", "feedback", "model", "train", "checkpoint", "networks", "device"]),
    ("project", &["feedback", "checkpoint", "networks"]),
    (
        "engine",
        &[
            "project",
            "audit",
            "remote",
            "unlearn",
            "feedback",
            "model",
            "data",
            "metrics",
            "train",
            "checkpoint",
            "networks",
            "device",
        ],
    ),
    (
        "app",
        &[
            "engine", "remote", "project", "audit", "unlearn", "feedback", "model", "metrics", "train", "networks",
            "device",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "engine",
            "project",
            "audit",
            "remote",
            "unlearn",
            "feedback",
            "model",
            "data",
            "metrics",
            "train",
            "checkpoint",
            "networks",
            "device",
        ],
    ),
];

/// What every room may import. These import nothing but each other.
const SHARED: &[&str] = &["sanitize", "atomic_file"];

/// What is named nowhere but in these rooms: a family in its own room and by the readers of its files, a method in its
/// own room and by the commands that set it up.
const PRIVATE: &[(&[&str], &[&str])] = &[
    (&["networks", "stylegan2"], &["networks", "checkpoint"]),
    (&["networks", "dcgan"], &["networks", "checkpoint"]),
    (&["networks", "vit_mae"], &["networks", "checkpoint"]),
    (&["unlearn", "adapt"], &["unlearn", "cli"]),
];

/// Other crates that are named nowhere but in these rooms.
const CRATES: &[(&str, &[&str])] = &[("clap", &["cli"]), ("burn_cubecl", &["networks"])];

/// What breaks a rule today. Exactly these do: whoever mends one takes it off the list.
const KNOWN: &[&str] = &[];

/// A broken rule: a name for it that stays, and where it is.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Broken {
    what: String,
    place: String,
}

fn broken(sources: &Crate) -> Vec<Broken> {
    let mut found: BTreeSet<Broken> = BTreeSet::new();
    let mut add = |what: String, place: String| found.insert(Broken { what, place });
    for room in sources.rooms() {
        if !SHARED.contains(&room) && !ROOMS.iter().any(|(name, _)| *name == room) {
            add(format!("{room}: a room without a rule"), format!("src/{room}"));
        }
    }
    for import in sources.imports() {
        let place = format!("src/{}:{}", import.file, import.line);
        let (Some(from), Some(to)) = (import.from.first(), import.written.first()) else { continue };
        let allowed = ROOMS.iter().find(|(name, _)| name == from).map_or(&[][..], |(_, allowed)| allowed);
        if from != to && !SHARED.contains(&to.as_str()) && !allowed.contains(&to.as_str()) {
            add(format!("{} imports {to}", import.file), place.clone());
        }
        for (private, rooms) in PRIVATE {
            let inside = |path: &[String]| path.len() >= private.len() && private.iter().eq(&path[..private.len()]);
            if inside(&import.written) && !rooms.contains(&from.as_str()) {
                add(format!("{} names {}", import.file, private.join("::")), place.clone());
            }
        }
    }
    for foreign in sources.foreign() {
        for (name, rooms) in CRATES {
            if foreign.name == *name && !foreign.from.first().is_some_and(|room| rooms.contains(&room.as_str())) {
                add(format!("{} names {name}", foreign.file), format!("src/{}:{}", foreign.file, foreign.line));
            }
        }
    }
    for (folder, graph) in sources.folders() {
        let graph = between_siblings(&graph);
        for circle in circles(&graph) {
            let what =
                format!("{}: a circle of {}", if folder.is_empty() { "src" } else { &folder }, circle.join(", "));
            for (from, to) in circle.iter().flat_map(|from| circle.iter().map(move |to| (from, to))) {
                if let Some(place) = graph[from].get(to) {
                    add(what.clone(), format!("{place} ({from} -> {to})"));
                }
            }
        }
    }
    found.into_iter().collect()
}

fn names(broken: &[Broken]) -> BTreeSet<&str> {
    broken.iter().map(|broken| broken.what.as_str()).collect()
}

#[test]
fn imports_run_one_way() {
    let sources = Crate::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(sources.imports().len() > 500, "only {} imports were found", sources.imports().len());
    let broken = broken(&sources);
    let (found, known) = (names(&broken), KNOWN.iter().copied().collect::<BTreeSet<_>>());
    let mut report = String::new();
    for broken in broken.iter().filter(|broken| !known.contains(broken.what.as_str())) {
        report += &format!("{}: {}\n", broken.place, broken.what);
    }
    for mended in known.difference(&found) {
        report += &format!("no longer broken, take it off KNOWN: {mended}\n");
    }
    assert!(report.is_empty(), "\n{report}\nall that is broken: {found:#?}");
}

/// The names of what is broken in these files.
fn broken_in(sources: &[(&str, &str)]) -> Vec<String> {
    let broken = broken(&Crate::new(sources.iter().copied()));
    names(&broken).into_iter().map(str::to_owned).collect()
}

#[test]
fn what_is_allowed_is_let_through() {
    let sources = [
        ("lib.rs", "pub mod app; pub mod engine; pub mod networks; pub mod sanitize; pub mod device;"),
        ("main.rs", "use unlearn_studio::cli; fn main() {}"),
        ("sanitize.rs", "pub fn sanitize() {}"),
        ("device.rs", "pub struct Device;"),
        ("networks/mod.rs", "mod flat; pub use flat::Flat; use crate::sanitize::sanitize;"),
        ("networks/flat.rs", "pub struct Flat; impl Flat { fn new() -> Self { Self::other() } }"),
        ("engine/mod.rs", "mod run; mod model; pub use model::Model; pub struct Engine;"),
        ("engine/model.rs", "use crate::networks::Flat; pub struct Model;"),
        // Up to what the folder's own file hands on, and what it defines.
        ("engine/run.rs", "use super::{Engine, Model}; use crate::{device::Device, networks};"),
        ("app/mod.rs", "use crate::engine::{Engine, Model}; fn f() { networks::Flat::new() } use crate::networks;"),
        // In comments, texts and tests anything may stand.
        (
            "train/mod.rs",
            r##"// use crate::app::X;
            /* use crate::app::X; /* crate::app::X */ crate::app::X */
            const TEXT: &str = "use crate::app::X;\" crate::app::X"; const RAW: &str = r#"crate::app::X" "#;
            const QUOTE: char = '"'; fn lifetime<'a>(x: &'a str) -> &'static str { crate::networks::Flat::new() }
            #[cfg(test)] use crate::app::{X, Y};
            #[cfg(test)] mod tests { use super::*; use crate::app::X; mod inner { use crate::app::X; } }
            #[cfg(test)] mod more;
            "##,
        ),
        ("train/more.rs", "use crate::app::X;"),
    ];
    assert_eq!(broken_in(&sources), [""; 0]);
}

#[test]
fn a_room_that_imports_against_the_rules_is_found() {
    for (text, broken) in [
        ("use crate::app::X;", true),
        ("use crate::{app::X, networks};", true),
        ("use crate::{networks, app};", true),
        ("use crate::{\n    networks::{self, Flat},\n    app::{self as window, X as Y},\n};", true),
        ("pub(super) use crate::app::*;", true),
        ("use super::super::app::X;", true),
        ("fn f() { crate::app::run(); }", true),
        ("fn f(x: &crate::app::X) -> Option<crate::app::X> { None }", true),
        ("#[derive(crate::app::X)] struct S;", true),
        ("mod inner { use crate::app::X; }", true),
        ("mod inner { use super::super::super::app::X; }", true),
        ("#[cfg(not(test))] use crate::app::X;", true),
        ("#[cfg(unix)] fn f() { crate::app::X; }", true),
        ("#[cfg(test)] fn f() {} use crate::app::X;", true),
        ("use crate::networks::Flat;", false),
        ("use app::X; use other::app::X; fn f() { let app = X; app.networks() }", false),
    ] {
        let sources = [
            ("train/mod.rs", "mod trainer;"),
            ("train/trainer.rs", text),
            ("app/mod.rs", "pub struct X; pub fn run() {}"),
            ("networks/mod.rs", "pub struct Flat;"),
        ];
        let expected: &[&str] = if broken { &["train/trainer.rs imports app"] } else { &[] };
        assert_eq!(broken_in(&sources), expected, "{text}");
    }
    assert_eq!(broken_in(&[("sanitize.rs", "use crate::app::X;"), ("app.rs", "")]), ["sanitize.rs imports app"]);
    assert_eq!(broken_in(&[("attic/mod.rs", "")]), ["attic: a room without a rule"]);
}

#[test]
fn a_line_is_given() {
    let sources =
        [("train.rs", "//! \"\n\n/* \n */ const A: &str = \"\n\";\nuse crate::{\n    app,\n};\n"), ("app.rs", "")];
    let broken = broken(&Crate::new(sources.into_iter()));
    assert_eq!(broken[0].place, "src/train.rs:7");
}

#[test]
fn circles_in_a_folder_are_found() {
    let circle = |folder: &str, files: &[(&str, &str)]| -> Vec<String> {
        let names: Vec<String> = files.iter().map(|(name, _)| format!("{folder}/{name}.rs")).collect();
        let sources: Vec<_> = names.iter().map(String::as_str).zip(files.iter().map(|(_, text)| *text)).collect();
        broken_in(&sources)
    };
    let root = "mod a; mod b; mod c; pub use b::B; pub struct Own;";
    // Directly, by a path in the code, through what the folder hands on, around three files, through a folder within.
    let two = ["engine: a circle of a, b"];
    assert_eq!(circle("engine", &[("mod", root), ("a", "use super::b::B;"), ("b", "use super::a::A;")]), two);
    assert_eq!(circle("engine", &[("mod", root), ("a", "use super::B;"), ("b", "fn f() { super::a::f() }")]), two);
    let by_name = "use crate::engine::a; pub struct B; fn f() { a::f() }";
    assert_eq!(circle("engine", &[("mod", root), ("a", "use crate::engine::{Own, B};"), ("b", by_name)]), two);
    let all = [("mod", root), ("a", "use super::b::*;"), ("b", "use super::c;"), ("c", "use super::a::A;")];
    assert_eq!(circle("engine", &all), ["engine: a circle of a, b, c"]);
    let deep = [("mod", root), ("a", "use super::b::x::X;"), ("b/mod", "mod x;"), ("b/x", "use super::super::a;")];
    assert_eq!(circle("engine", &deep), two);
    let inner = [("mod", "mod b;"), ("b", "mod x; mod y;"), ("b/x", "use super::y::Y;"), ("b/y", "use super::x::X;")];
    assert_eq!(circle("engine", &inner), ["engine/b: a circle of x, y"]);
    // What only looks like one: the folder's own file; a type that stands in a third.
    assert_eq!(circle("engine", &[("mod", "mod a; fn f() { a::f() } pub struct X;"), ("a", "use super::X;")]), [""; 0]);
    let third = [("mod", root), ("a", "use super::{c::C, b::B};"), ("b", "use super::c::C;"), ("c", "pub struct C;")];
    assert_eq!(circle("engine", &third), [""; 0]);
}

#[test]
fn circles_of_rooms_are_found() {
    let sources = [("engine.rs", "use crate::unlearn::X;"), ("unlearn.rs", "use crate::engine::Y;")];
    assert_eq!(broken_in(&sources), ["src: a circle of engine, unlearn", "unlearn.rs imports engine"]);
}

#[test]
fn what_is_private_is_named_by_few() {
    let networks = ("networks/mod.rs", "pub mod stylegan2; mod families; pub use families::read;");
    let family = ("networks/stylegan2/mod.rs", "pub mod grow; pub struct Generator;");
    let families = ("networks/families.rs", "use super::stylegan2::Generator; pub fn read() {}");
    let found = |file: &str, text: &str| {
        broken_in(&[networks, family, families, ("networks/stylegan2/grow.rs", "use super::Generator;"), (file, text)])
    };
    for text in [
        "use crate::networks::stylegan2::Generator;",
        "use crate::networks::stylegan2::grow;",
        "use crate::networks::{self, stylegan2 as family};",
        "use crate::networks; fn f() -> networks::stylegan2::Generator {}",
    ] {
        assert_eq!(found("engine/model.rs", text), ["engine/model.rs names networks::stylegan2"], "{text}");
        assert_eq!(found("checkpoint/pt.rs", text), [""; 0], "{text}");
    }
    assert_eq!(found("engine/model.rs", "use crate::networks::read;"), [""; 0]);

    let method = ("unlearn/adapt/mod.rs", "pub struct Ewc;");
    let found = |file: &str| broken_in(&[method, (file, "use crate::unlearn::adapt::Ewc;")]);
    assert_eq!(found("engine/run.rs"), ["engine/run.rs names unlearn::adapt"]);
    assert_eq!([found("unlearn/mod.rs"), found("cli/unlearn.rs")], [[""; 0], [""; 0]]);

    for text in ["use clap::Args;", "#[derive(Clone, clap::ValueEnum)] enum E {}", "fn f() { clap::Error::new() }"] {
        assert_eq!(broken_in(&[("engine/run.rs", text)]), ["engine/run.rs names clap"], "{text}");
        assert_eq!(broken_in(&[("cli.rs", text)]), [""; 0]);
    }
}
