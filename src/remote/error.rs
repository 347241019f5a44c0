//! What can go wrong between two machines, each in one sentence.

/// Why a run elsewhere could not begin or broke off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// An address that is none.
    #[error("{0}: an address is HOST:PORT, such as 127.0.0.1:7447")]
    Address(String),
    /// Nobody listens there, or no way leads there.
    #[error(
        "{address}: nobody answers there ({reason}); start `unlearn-studio serve` on that machine, and the SSH tunnel if there is one"
    )]
    Unreachable {
        /// The address.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// Somebody else listens there.
    #[error("{address}: what answers there is no `unlearn-studio serve`")]
    Stranger {
        /// The address.
        address: String,
    },
    /// Two versions that do not go together.
    #[error("{address}: the other end is {theirs}, this is {ours}; install the same version on both machines")]
    Version {
        /// The address.
        address: String,
        /// The other end's.
        theirs: String,
        /// This end's.
        ours: String,
    },
    /// The other end knows another token.
    #[error("{address}: the token is wrong; `unlearn-studio serve` prints the right one when it starts")]
    Token {
        /// The address.
        address: String,
    },
    /// The server will not do it.
    #[error("{address}: {reason}")]
    Refused {
        /// The address.
        address: String,
        /// Why, in one clause.
        reason: String,
    },
    /// Nothing comes any more.
    #[error(
        "{address}: nothing has come from there for {seconds} s; the line dropped, or the machine is not there any more"
    )]
    Silent {
        /// The address.
        address: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The line ended.
    #[error("{address}: the line dropped ({reason})")]
    Dropped {
        /// The address.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// Something came that makes no sense.
    #[error("{address}: what comes from there makes no sense ({reason})")]
    Garbled {
        /// The address.
        address: String,
        /// Why, in one clause.
        reason: String,
    },
    /// A method could not begin, or could not go on; the sentence is its own.
    #[error("{0}")]
    Method(String),
    /// Something failed on this machine.
    #[error("{0}")]
    Here(String),
}
