//! `unlearn-studio serve` for tests.
#![allow(dead_code)]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use unlearn_studio::remote::{Remote, Token};

/// What its clients know.
pub const SECRET: &str = "a-token-for-the-tests";

pub fn token() -> Token {
    Token::parse(SECRET).expect("a token")
}

/// `unlearn-studio serve` in a process of its own.
pub struct Server {
    pub process: Child,
    pub address: String,
}

impl Server {
    /// At any free port.
    pub fn start() -> Self {
        Self::listening_at("127.0.0.1:0")
    }

    pub fn listening_at(address: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_unlearn-studio"))
            .args(["serve", "--listen", address, "--device", "cpu"])
            .env("UNLEARN_TOKEN", SECRET)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let line = lines.next().expect("a line").expect("UTF-8");
        let address = line.strip_prefix("listening at ").and_then(|rest| rest.strip_suffix(" with CPU"));
        let address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        // Nobody waits for what is not read.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address }
    }

    pub fn remote(&self) -> Remote {
        Remote::connect(&self.address, token()).expect("a server")
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) -> String {
        self.end();
        self.address.clone()
    }

    fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
