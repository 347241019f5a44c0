//! Names of functions that a pickle calls only to do harm.

/// Modules and functions no checkpoint has a use for, but that an attacker has. Nothing is ever called here; a file
/// that would do so elsewhere deserves to be named.
const HOSTILE_MODULES: &[&str] = &[
    "os",
    "posix",
    "nt",
    "subprocess",
    "sys",
    "shutil",
    "socket",
    "runpy",
    "importlib",
    "ctypes",
    "pty",
    "webbrowser",
    "urllib",
    "http",
    "code",
    "pickle",
    "timeit",
    "multiprocessing",
    "_pickle",
    "_posixsubprocess",
    "_thread",
    "aiohttp",
    "asyncio",
    "atexit",
    "bdb",
    "builtin",
    "cProfile",
    "cloudpickle",
    "commands",
    "dill",
    "distutils",
    "doctest",
    "ensurepip",
    "ftplib",
    "gc",
    "inspect",
    "io",
    "joblib",
    "linecache",
    "marshal",
    "operator",
    "pdb",
    "pip",
    "profile",
    "requests",
    "signal",
    "smtplib",
    "tempfile",
];
/// Builtins that make plain values; all others can do harm.
const HARMLESS_BUILTINS: &[&str] = &[
    "bool",
    "bytearray",
    "bytes",
    "complex",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "long",
    "object",
    "range",
    "set",
    "slice",
    "str",
    "tuple",
];
/// Functions of harmless packages that load and run what they are given.
const HOSTILE_FUNCTIONS: &[&str] = &[
    "torch.load",
    "torch.serialization.load",
    "torch.jit.load",
    "torch.compile",
    "numpy.load",
    "functools.reduce",
    "numpy.testing._private.utils.runstring",
    "torch._inductor.codecache.compile_file",
    "torch_utils.persistence._src_to_module",
    "types.CodeType",
    "types.FunctionType",
];
/// Packages with nothing but such functions.
const HOSTILE_PACKAGES: &[&str] = &["torch.hub.", "torch.package.", "torch.utils.cpp_extension.", "torch.distributed."];

/// Whether `class` (`module.name`) is one that only an attacker has a use for.
pub(super) fn is_hostile(class: &str) -> bool {
    match class.split_once('.') {
        Some(("builtins" | "__builtin__", name)) => !HARMLESS_BUILTINS.contains(&name),
        Some((module, _)) if HOSTILE_MODULES.contains(&module) => true,
        Some(_) => {
            HOSTILE_FUNCTIONS.contains(&class) || HOSTILE_PACKAGES.iter().any(|package| class.starts_with(package))
        }
        None => false,
    }
}
