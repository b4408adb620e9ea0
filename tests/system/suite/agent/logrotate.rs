//! Debian's logrotate in its modes, again and again under load.

use crate::harness::agent::Setup;
use crate::harness::lines::Stream;
use crate::harness::logrotate::Program;
use crate::harness::scene::Scene;
use crate::harness::sluice;
use crate::harness::soak::soak;
use anyhow::ensure;
use std::fs;

const TOPIC: &str = "logs";
/// A program for each of them.
const MODES: [(&str, &str); 9] = [
    ("create", "create"),
    ("copytruncate", "copytruncate"),
    ("compress", "create\n  compress"),
    ("delaycompress", "create\n  compress\n  delaycompress"),
    ("dateext", "create\n  dateext\n  dateformat -%Y%m%d-%s"),
    ("copy-compress", "copytruncate\n  compress\n  dateext\n  dateformat -%Y%m%d-%s"),
    ("copy-delay", "copytruncate\n  compress\n  delaycompress"),
    ("olddir", "create\n  createolddir\n  olddir old\n  compress\n  delaycompress"),
    ("copy-olddir", "copytruncate\n  createolddir\n  olddir old"),
];
/// Between two rotations: more than a second, since the names of `dateext` are told apart by it.
const LINES_PER_ROTATION: u64 = 1_200;

/// Rotated files have names that the globs do not match; the agent runs all the time.
pub fn out_of_the_globs(scene: &Scene) -> anyhow::Result<()> {
    rotate(scene, "logs/*.log", false)
}

/// Rotated files, compressed ones too, have names that the globs match, but for those in a directory of their own; the agent
/// is killed now and then, and sees nothing of some rotations.
pub fn within_the_globs(scene: &Scene) -> anyhow::Result<()> {
    rotate(scene, "logs/*", true)
}

fn rotate(scene: &Scene, glob: &str, kill: bool) -> anyhow::Result<()> {
    let mut random = scene.random("agent::logrotate");
    let broker = sluice::broker(scene)?;
    let setup = Setup::new(scene, &broker.address, TOPIC, &[glob]).input("rotated_dirs: [old]");
    let (logs, aside) = (scene.directory("logs"), scene.directory("logrotate"));
    let start = |(number, (name, modes)): (usize, &(&str, &str))| {
        let stream = Stream::new(u32::try_from(number)?, random.next());
        Program::start(&logs, &aside, name, modes, stream)
    };
    let programs: Vec<Program> = MODES.iter().enumerate().map(start).collect::<anyhow::Result<_>>()?;
    let mut agent = setup.start();
    for round in 0..soak(5, 100) {
        for program in &programs {
            // They write side by side: the first waits for all of them.
            let lines = if std::ptr::eq(program, &programs[0]) { LINES_PER_ROTATION } else { 0 };
            if kill && round > 0 && random.once_in(5) {
                agent.kill()?;
                if random.once_in(2) {
                    program.rotate_after(lines)?;
                    agent = setup.start();
                    continue;
                }
                agent = setup.start();
            }
            program.rotate_after(lines)?;
        }
        let rotated = fs::read_dir(&logs)?.count() + fs::read_dir(logs.join("old"))?.count();
        ensure!(rotated > MODES.len() * (round + 1), "logrotate has not rotated");
    }
    let written = programs.into_iter().map(Program::end).collect::<anyhow::Result<Vec<_>>>()?;
    setup.finish(agent, &written)?;
    Ok(())
}
