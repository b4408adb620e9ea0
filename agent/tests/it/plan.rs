//! What would be read, and from where: before anything was, in the middle, and after changes while no agent ran.

use crate::fixture::{Fixture, caught_up, glob};
use agent::{From, HostIdentity, Kind, Plan, PlannedFile, Start};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

const DRAIN: Duration = Duration::from_secs(10);

fn plan(fixture: &Fixture) -> Plan {
    agent::plan(&fixture.config, SystemTime::now()).expect("can be planned")
}

fn of<'a>(plan: &'a Plan, name: &str) -> &'a PlannedFile {
    let found = plan.files.iter().find(|file| file.path.file_name().is_some_and(|file| file == name));
    found.unwrap_or_else(|| panic!("no {name} in {plan:?}"))
}

fn why(file: &PlannedFile) -> &str {
    match &file.start {
        Start::Beginning { why } | Start::Never { why } => why,
        other => panic!("{other:?} has no reason"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_start_everything_is_new_and_nothing_is_written() {
    let mut fixture = Fixture::new();
    fixture.config.topic = "{dir}-{name}".to_owned();
    fixture.append("a.log", "{\"a\":1}\n");
    let mut gzip = GzEncoder::new(File::create(fixture.path("b.log")).expect("made"), Compression::fast());
    gzip.write_all(b"compressed\n").and_then(|()| gzip.try_finish()).expect("written");
    fs::create_dir(fixture.path("c.log")).expect("made");
    fs::hard_link(fixture.path("a.log"), fixture.path("d.log")).expect("linked");
    let outside = fixture.folder.path().join("outside");
    fs::write(&outside, "x\n").expect("written");
    symlink(&outside, fixture.path("e.log")).expect("linked");
    fixture.config.inputs[0].paths.push(glob(&fixture.folder, "*.nothing"));
    let plan = plan(&fixture);
    let (a, b) = (of(&plan, "a.log"), of(&plan, "b.log"));
    let (first, second) = if why(a) == "new" { (a, of(&plan, "d.log")) } else { (of(&plan, "d.log"), a) };
    assert_eq!((first.kind, first.id, first.size), (Some(Kind::Plain), None, 8));
    assert_eq!((first.dataset.as_deref(), first.start.position()), (Some("json"), Some(0)));
    assert!(why(second).starts_with("the same file as"), "{second:?}");
    assert_eq!((b.kind, b.topic.as_str(), why(b)), (Some(Kind::Gzip), "logs-b", "new"));
    assert!(why(of(&plan, "e.log")).starts_with("a link out of"));
    assert_eq!(plan.unmatched, [glob(&fixture.folder, "*.nothing")]);
    assert!(!fixture.config.checkpoints.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_file_goes_on_at_its_checkpoint_also_while_an_agent_runs() {
    let fixture = Fixture::new();
    fixture.append("a.log", "one\n");
    let agent = fixture.start().await;
    fixture.until(|| agent.files().iter().any(|file| file.acknowledged == 4)).await;
    let id = agent.files()[0].id;
    let at = |position| Start::Checkpoint { position, acknowledged: 4 };
    let look = plan(&fixture);
    assert_eq!((of(&look, "a.log").id, &of(&look, "a.log").start), (Some(id), &at(4)));

    // A batch that is on its way when the agent is killed.
    fixture.broker.stall(true);
    fixture.append("a.log", "two\nhalf");
    fixture.until(|| fixture.broker.waiting() == 1).await;
    drop(agent);
    let before: Vec<_> = fs::read_dir(&fixture.config.checkpoints).expect("a folder").collect();
    let look = plan(&fixture);
    assert_eq!((of(&look, "a.log").size, &of(&look, "a.log").start), (12, &at(8)));
    let after: Vec<_> = fs::read_dir(&fixture.config.checkpoints).expect("a folder").collect();
    assert_eq!(before.len(), after.len());

    // Renamed out of the globs, and another one under its name.
    fixture.rename("a.log", "a.old");
    fixture.append("a.log", "three\n");
    let look = plan(&fixture);
    assert_eq!((of(&look, "a.old").id, &of(&look, "a.old").start), (Some(id), &at(8)));
    assert_eq!((of(&look, "a.log").id, why(of(&look, "a.log"))), (None, "new"));
    let known = agent::checkpointed(&fixture.config.checkpoints).expect("readable");
    assert_eq!((known.len(), known[0].acknowledged, known[0].size, known[0].nameless), (1, 4, 12, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_plan_says_is_what_the_agent_does() {
    let mut fixture = Fixture::new();
    fixture.config.from = From::End;
    fixture.append("a.log", "before\n");
    assert_eq!(of(&plan(&fixture), "a.log").start, Start::End { position: 7 });
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.append("a.log", "after\n");
    fixture.expect(&["after"]).await;
    agent.stop(DRAIN).await;

    // Truncated and grown beyond its position while no agent runs.
    fs::write(fixture.path("a.log"), "quite another content\n").expect("written");
    let look = plan(&fixture);
    assert!(why(of(&look, "a.log")).contains("begins with other bytes"), "{look:?}");

    let old = SystemTime::now() + Duration::from_secs(3600);
    fixture.config.inputs[0].ignore_older = Some(Duration::from_secs(60));
    fixture.append("b.log", "old\n");
    let look = agent::plan(&fixture.config, old).expect("can be planned");
    assert!(why(of(&look, "b.log")).contains("ignore_older_s"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_machine_would_give_new_identities_and_send_nothing_again() {
    let host = |machine| Some(HostIdentity { machine: Some(machine), ..HostIdentity::default() });
    let mut fixture = Fixture::new();
    fixture.config.host_identity = host(1);
    fixture.append("a.log", "one\n");
    let agent = fixture.start().await;
    fixture.until(|| agent.files().iter().any(|file| file.acknowledged == 4)).await;
    fixture.broker.stall(true);
    fixture.append("a.log", "two\n");
    fixture.until(|| fixture.broker.waiting() == 1).await;
    drop(agent);
    let own = plan(&fixture);
    assert_eq!((own.copied, of(&own, "a.log").id.is_some()), (None, true));
    fixture.config.host_identity = host(2);
    let copy = plan(&fixture);
    assert_eq!((copy.copied.is_some(), of(&copy, "a.log").id), (true, None));
    assert_eq!(of(&copy, "a.log").start, Start::Checkpoint { position: 4, acknowledged: 4 });
}
