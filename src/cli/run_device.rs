//! The compute device of verbs that run methods, which may be another machine's.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, ValueEnum};

use super::{args::DeviceName, unusable::Unusable};
use crate::{
    device::{DeviceChoice, Kind},
    engine::Devices,
    remote::{Remote, Token, TokenError},
};

/// Where the token stands if no file is named.
const VARIABLE: &str = "UNLEARN_TOKEN";

/// Where a token comes from.
#[derive(Clone, Debug, Args)]
pub(super) struct TokenArgs {
    /// File with the token that both machines know, 16 characters at least; without it, the token is what the environment's
    /// UNLEARN_TOKEN says.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl TokenArgs {
    /// The token that was given, if one was.
    pub(super) fn token(&self) -> anyhow::Result<Option<Token>> {
        if let Some(file) = &self.token_file {
            return Ok(Some(Token::read(file)?));
        }
        let Some(text) = std::env::var_os(VARIABLE) else { return Ok(None) };
        let token = text.to_str().ok_or(TokenError::Unfit).and_then(Token::parse);
        Ok(Some(token.map_err(|error| Unusable(format!("{VARIABLE}: {error}")))?))
    }
}

/// The compute device of a run.
#[derive(Clone, Debug, Args)]
pub(super) struct RunDeviceArgs {
    /// Compute device: auto (the best GPU, else the CPU), gpu, cpu, or remote:HOST:PORT, where `unlearn-studio serve` runs.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: RunDevice,
    #[command(flatten)]
    token: TokenArgs,
}

/// A device as it is written.
#[derive(Clone, Debug)]
enum RunDevice {
    Here(DeviceName),
    Remote(String),
}

impl FromStr for RunDevice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(address) = text.strip_prefix("remote:") {
            return Ok(Self::Remote(address.to_owned()));
        }
        let here = DeviceName::from_str(text, true).map(Self::Here);
        here.map_err(|_| "it is auto, gpu, cpu or remote:HOST:PORT".to_owned())
    }
}

impl RunDeviceArgs {
    /// Finds the device, wherever it is.
    pub(super) fn open(&self) -> anyhow::Result<Devices> {
        match &self.device {
            RunDevice::Here(name) => Ok(DeviceChoice::from(*name).open()?.into()),
            RunDevice::Remote(address) => {
                let missing = || {
                    Unusable(format!(
                        "which token? Give --token-file, or set {VARIABLE}, to what `unlearn-studio serve` printed"
                    ))
                };
                let token = self.token.token()?.ok_or_else(missing)?;
                Ok(Remote::connect(address, token)?.into())
            }
        }
    }
}

/// What a terminal is told of a device.
pub(super) fn note(devices: &Devices) -> String {
    let card = devices.card();
    let software = if card.kind == Kind::Software { " (a software adapter: slower than --device cpu)" } else { "" };
    format!("device: {}{software}", card.name)
}
