//! The whole system under test: the real binary in a temporary folder, real clients, real servers, kill -9.
//!
//! One binary with its own `main`, so that a test which could not run says so: `SKIPPED name: reason`. With
//! `SLUICE_REAL=require` such a test fails. `SLUICE_SEED=N` repeats what a random test printed. `SLUICE_BINARY=PATH` tests
//! that program instead of the one of this build: a release build in the long forms (`SLUICE_SOAK=full`).

mod harness;
mod real;
mod suite;

use harness::scene::{self, Scene, Skipped};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

/// A test: gets a scene of its own, and fails by an error or a panic.
type Test = fn(&Scene) -> anyhow::Result<()>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    // Building an HTTP client asks for the process's TLS provider, although all that is talked to here is plain HTTP.
    rustls::crypto::ring::default_provider().install_default().expect("nobody has installed a provider before main");
    let skipped = Arc::new(Mutex::new(Vec::new()));
    let trials = suite::all().into_iter().map(|(name, test)| trial(name, test, skipped.clone())).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    real::end_all();
    for line in skipped.lock().expect("no test panics while it holds the list").iter() {
        println!("SKIPPED {line}");
    }
    conclusion.exit_code()
}

fn trial(name: String, test: Test, skipped: Arc<Mutex<Vec<String>>>) -> Trial {
    Trial::ignorable_test(name.clone(), move || match scene::run(&name, test) {
        Ok(()) => Ok(Completion::Completed),
        Err(error) => match error.downcast_ref::<Skipped>() {
            Some(Skipped { reason }) if !real::is_required() => {
                skipped.lock().expect("no test panics while it holds the list").push(format!("{name}: {reason}"));
                Ok(Completion::ignored_with(reason))
            }
            _ => Err(Failed::from(format!("{error}"))),
        },
    })
}
