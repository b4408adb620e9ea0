//! Every built-in pattern over some hundred texts: the captures are those of Elasticsearch's own grok library.
//!
//! Of its answers a byte each is kept in the repository; where a JDK and Elasticsearch are there it is asked again.
//! `SLUICE_RECORD=1` writes the bytes anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::super::definitions::built_in;
use super::super::*;
use super::REFUSED;
use super::sample::{self, Random};

const TEXTS_PER_PATTERN: usize = 200;
/// Patterns made at random, with looks around, and texts for each.
const RANDOM_PATTERNS: usize = 150;
const TEXTS_PER_RANDOM_PATTERN: usize = 8;
/// Says that Elasticsearch had no answer: it was interrupted after a second.
const NO_ANSWER: u8 = 0;
/// Of each case the answer's hash, in the order of the cases.
const RECORDED: &[u8] = include_bytes!("recorded");
struct Case {
    compatibility: Compatibility,
    pattern: String,
    text: String,
    ours: String,
}

/// All cases with our answers.
fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = std::thread::scope(|scope| {
        let modes = [Compatibility::Disabled, Compatibility::EcsV1];
        let threads = modes.map(|compatibility| scope.spawn(move || built_in_cases(compatibility)));
        threads.into_iter().flat_map(|thread| thread.join().expect("every text gets an answer")).collect()
    });
    for number in 0..RANDOM_PATTERNS {
        let mut random = Random::new(&format!("random {number}"));
        let patterns = [super::oracle::pattern(&mut random, 1, true)];
        let definitions = Definitions::new(Vec::new(), Compatibility::Disabled);
        let Ok(grok) = Grok::compile(&patterns, &definitions) else { continue };
        let (nodes, ..) = parse(&patterns, &definitions).expect("it was parsed before");
        for number in 0..TEXTS_PER_RANDOM_PATTERN {
            let text = sample::text(&nodes[0], number, &mut random);
            let ours = answer(&grok, &text);
            cases.push(Case { compatibility: Compatibility::Disabled, pattern: patterns[0].clone(), text, ours });
        }
    }
    cases
}

fn built_in_cases(compatibility: Compatibility) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut names: Vec<&str> = built_in(compatibility).keys().copied().collect();
    names.sort_unstable();
    for name in names {
        let patterns = [format!("%{{{name}:it}}")];
        let definitions = Definitions::new(Vec::new(), compatibility);
        let refused = compatibility == Compatibility::EcsV1 && REFUSED.contains(&name);
        let grok = match Grok::compile(&patterns, &definitions) {
            Ok(grok) => grok,
            Err(_) if refused => continue,
            Err(error) => panic!("{name}: {error}"),
        };
        assert!(!refused, "{name} is not refused");
        let (nodes, ..) = parse(&patterns, &definitions).expect("it was parsed before");
        let mut random = Random::new(&format!("{compatibility:?} {name}"));
        for number in 0..TEXTS_PER_PATTERN {
            let text = sample::text(&nodes[0], number, &mut random);
            let ours = answer(&grok, &text);
            cases.push(Case { compatibility, pattern: patterns[0].clone(), text, ours });
        }
    }
    cases
}

/// The captures in the order of their names, as the Java class prints them.
fn answer(grok: &Grok, text: &str) -> String {
    let found = match grok.find(text) {
        Ok(Some(found)) => found,
        Ok(None) => return "-".to_owned(),
        Err(error) => return format!("!{error}"),
    };
    let mut fields = BTreeMap::new();
    for (field, value) in found.values() {
        match value {
            Ok(value) => drop(fields.insert(grok.fields()[field].name.as_str(), value.to_java_string())),
            Err(_) => return "!".to_owned(),
        }
    }
    fields.iter().fold("+".to_owned(), |mut answer, (name, value)| {
        let _ = write!(answer, "\t{}={}", escape(name), escape(value));
        answer
    })
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

fn hash(answer: &str) -> u8 {
    // What went wrong is said in other words there.
    let answer = if answer.starts_with('!') { "!" } else { answer };
    (xxhash_rust::xxh3::xxh3_64(answer.as_bytes()) % 255) as u8 + 1
}

#[test]
fn captures_are_those_of_elasticsearch() {
    let cases = cases();
    let Some(theirs) = ask_elasticsearch(&cases) else {
        assert_eq!(
            RECORDED.len(),
            cases.len(),
            "the recorded answers belong to other cases: SLUICE_RECORD=1 makes new ones"
        );
        let differ: Vec<&Case> = cases
            .iter()
            .zip(RECORDED)
            .filter(|(case, hash_of_theirs)| **hash_of_theirs != NO_ANSWER && **hash_of_theirs != hash(&case.ours))
            .map(|(case, _)| case)
            .collect();
        report(&differ, |case| format!("{} on {:?}: got {:?}", case.pattern, case.text, case.ours));
        return;
    };
    let hashes: Vec<u8> = theirs
        .iter()
        .map(
            |theirs| {
                if theirs.starts_with("!grok pattern matching was interrupted") { NO_ANSWER } else { hash(theirs) }
            },
        )
        .collect();
    if std::env::var_os("SLUICE_RECORD").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/grok/tests/recorded");
        std::fs::write(path, &hashes).expect("the recorded answers can be written");
    }
    let differ: Vec<(&Case, &String)> = cases
        .iter()
        .zip(&theirs)
        .zip(&hashes)
        .filter(|((case, _), hash_of_theirs)| **hash_of_theirs != NO_ANSWER && **hash_of_theirs != hash(&case.ours))
        .map(|(pair, _)| pair)
        .collect();
    report(&differ, |(case, theirs)| {
        format!(
            "{} {:?} on {:?}:\n  got  {:?}\n  want {theirs:?}",
            case.pattern, case.compatibility, case.text, case.ours
        )
    });
    assert!(
        hashes.iter().filter(|hash| **hash == NO_ANSWER).count() * 100 < cases.len(),
        "Elasticsearch answers nearly always"
    );
}

fn report<T>(differ: &[T], show: impl Fn(&T) -> String) {
    let shown: Vec<String> = differ.iter().take(25).map(show).collect();
    assert!(differ.is_empty(), "{} cases differ:\n{}", differ.len(), shown.join("\n"));
}

/// Elasticsearch's answers; none when there is no JDK or no Elasticsearch, unless they are demanded.
fn ask_elasticsearch(cases: &[Case]) -> Option<Vec<String>> {
    let demanded = std::env::var("SLUICE_REAL").is_ok_and(|value| value == "require");
    if !demanded && std::env::var_os("SLUICE_RECORD").is_none() && std::env::var_os("SLUICE_REAL").is_none() {
        println!("SKIPPED the live comparison with Elasticsearch's grok library: it runs with SLUICE_REAL set");
        return None;
    }
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/real");
    match start(&real) {
        Ok((java, class_path)) => Some(converse(&java, &class_path, cases)),
        Err(reason) => {
            assert!(!demanded, "{reason}");
            println!("SKIPPED the live comparison with Elasticsearch's grok library: {reason}");
            None
        }
    }
}

/// The JVM, and the class path with the compiled class.
fn start(real: &Path) -> Result<(PathBuf, String), String> {
    let jdk = PathBuf::from(line_of(Command::new(real.join("jdk")).arg("21"))?);
    let elasticsearch = line_of(Command::new(real.join("fetch")).arg("elasticsearch"))?;
    let classes = tempfile::tempdir().map_err(|error| error.to_string())?.keep();
    let libraries = format!("{elasticsearch}/home/lib/*");
    line_of(
        Command::new(jdk.join("bin/javac"))
            .args(["-cp", &libraries, "-d"])
            .arg(&classes)
            .arg(real.join("grok/GrokAnswers.java")),
    )?;
    Ok((jdk.join("bin/java"), format!("{}:{libraries}", classes.display())))
}

/// Runs a program; gives the last line of its output.
fn line_of(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned())
}

fn converse(java: &Path, class_path: &str, cases: &[Case]) -> Vec<String> {
    let mut child = Command::new(java)
        .args(["-cp", class_path, "GrokAnswers"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the JVM starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    let questions: String = cases.iter().fold(String::new(), |mut questions, case| {
        let mode = if case.compatibility == Compatibility::EcsV1 { "v1" } else { "disabled" };
        let _ = writeln!(questions, "{mode}\t{}\t{}", escape(&case.pattern), escape(&case.text));
        questions
    });
    let writer = std::thread::spawn(move || stdin.write_all(questions.as_bytes()));
    let output = child.wait_with_output().expect("the JVM ends");
    writer.join().expect("the writer does not panic").expect("the JVM reads everything");
    let answers: Vec<String> =
        String::from_utf8(output.stdout).expect("answers are UTF-8").lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), cases.len(), "the JVM answers every question");
    answers
}
