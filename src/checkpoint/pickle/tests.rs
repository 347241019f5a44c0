//! Pickles byte by byte, and what they are read as.

use serde_json::json;

use super::{Pickle, PickleError};

fn read(bytes: &[u8]) -> Result<Pickle, PickleError> {
    Pickle::read(&mut std::io::Cursor::new(bytes), bytes.len() as u64)
}

#[test]
fn plain_values() {
    for (bytes, value) in [
        (&b"N."[..], json!(null)),
        (b"\x88.", json!(true)),
        (b"K\x07.", json!(7)),
        (b"M\x00\x01.", json!(256)),
        (b"J\xff\xff\xff\xff.", json!(-1)),
        (b"\x8a\x02\x00\x80.", json!(-32768)),
        (b"G\x3f\xb9\x99\x99\x99\x99\x99\x9a.", json!(0.1)),
        (b"X\x02\0\0\0\xc3\xa9.", json!("é")),
        (b"\x8c\x01a.", json!("a")),
        (b"(K\x01K\x02t.", json!([1, 2])),
        (b"K\x01K\x02K\x03\x87.", json!([1, 2, 3])),
        (b"](K\x01K\x02e.", json!([1, 2])),
        (b"]K\x01a.", json!([1])),
        (b"}(U\x01aK\x01K\x05Nu.", json!({"a": 1, "5": null})),
        // The memo refers to the list itself, so what is appended later shows in both places.
        (b"]q\0h\0\x86q\x01h\0K\x01a0.", json!([[1], [1]])),
        (b"ccollections\nOrderedDict\n)RU\x01aK\x01s.", json!({"a": 1})),
        (b"cargparse\nNamespace\n)\x81}U\x01aK\x01sb.", json!({"a": 1})),
        (b"cdnnlib.util\nEasyDict\n)\x81U\x01aK\x01s.", json!({"a": 1})),
        (b"ccollections\nOrderedDict\n((l(S'a'\nI1\nlatR.", json!({"a": 1})),
        // Protocol 0.
        (b"(dp0\nS'a'\np1\nI7\nsV\xc3\xa9\nF0.5\nsS'b'\nI01\nsg1\nL5L\ns.", json!({"a": 5, "\u{e9}": 0.5, "b": true})),
        // A value that is not plain is left out of its dictionary.
        (b"}(U\x01acx\ny\n)RU\x01bK\x02u.", json!({"b": 2})),
    ] {
        let pickle = read(bytes).expect("a pickle");
        assert_eq!(pickle.to_json(pickle.root()), Some(value), "{}", bytes.escape_ascii());
    }
}

#[test]
fn nonsense_is_refused() {
    for bytes in [
        &b""[..],
        b".",
        b"N",
        b"K.",
        b"e.",
        b"t.",
        b"(.",
        b"(\x85.",
        b"NN\x87.",
        b"h\0.",
        b"q\0.",
        b"Nb.",
        b"KKa.",
        b"X\xff\xff\xff\x7fa.",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa.",
        b"cos",
        b"cos\nsys",
        b"}(Nu.",
        b"\xff.",
        b"NN\x93.",
        b"R.",
        b"Q.",
        b"0.",
        b"1.",
        b"2.",
        b"I7",
        b"gx\n.",
        b"(o.",
        b"(ios\nsystem",
    ] {
        assert!(read(bytes).is_err(), "{}", bytes.escape_ascii());
    }
}

#[test]
fn values_that_contain_themselves_have_no_json() {
    let pickle = read(b"]q\0h\0a.").expect("a pickle");
    assert_eq!(pickle.to_json(pickle.root()), None);
}

#[test]
fn harmful_names_are_found_wherever_they_stand() {
    for (bytes, name) in [
        (&b"cos\nsystem\nX\x02\0\0\0ls\x85R."[..], Some("os.system")),
        (b"\x8c\x05posix\x8c\x06system\x93.", Some("posix.system")),
        (b"}U\x01ac__builtin__\neval\ns.", Some("__builtin__.eval")),
        (b"(S'ls'\nios\nsystem\n.", Some("os.system")),
        (b"(cbuiltins\nexec\nS'ls'\no.", Some("builtins.exec")),
        (b"ctorch\nload\n.", Some("torch.load")),
        (b"ctorch.hub\nload\n.", Some("torch.hub.load")),
        (b"cbuiltins\nset\n.", None),
        (b"ctorch.storage\n_load_from_bytes\n.", None),
        (b"ctorch._utils\n_rebuild_tensor_v2\n.", None),
    ] {
        assert_eq!(read(bytes).expect("a pickle").hostile_name(), name);
    }
}
