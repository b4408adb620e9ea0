//! How the command ends when something is wrong: the error, its causes, and a hint at the way out.

use std::process::ExitCode;

/// Exit code of a wrong command line or config, as clap's own.
const EXIT_USAGE: u8 = 2;

/// An error that the operator can mend, with the way to do it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    message: String,
    hint: String,
}

impl Failure {
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }

    /// The way out.
    pub fn hint(&self) -> &str {
        &self.hint
    }

    /// Prints `error` with its causes and its hint to standard error.
    pub fn report(error: &anyhow::Error) -> ExitCode {
        // `up | head` ends its reader early; that is not worth a message.
        let broken_pipe = |cause: &(dyn std::error::Error + 'static)| {
            cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
        };
        if error.chain().any(broken_pipe) {
            return ExitCode::SUCCESS;
        }
        eprintln!("error: {error:#}");
        match error.chain().find_map(|cause| cause.downcast_ref::<Failure>()) {
            Some(failure) => {
                eprintln!("hint: {}", failure.hint);
                ExitCode::from(EXIT_USAGE)
            }
            None => ExitCode::FAILURE,
        }
    }
}
