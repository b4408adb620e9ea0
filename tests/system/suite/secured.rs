//! TLS, passwords and rights: on our broker with clients of others, and our agent and worker on a secured Apache Kafka.

use crate::harness::destination::Destination;
use crate::harness::lines::Stream;
use crate::harness::log_file::LogFile;
use crate::harness::process::{Ended, Process};
use crate::harness::scene::Scene;
use crate::harness::{ports, sluice, topic, wait};
use crate::real::{self, KafkaNode, KafkaTools};
use anyhow::{Context, ensure};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const LINES: u64 = 500;
const DELIVERY: Duration = Duration::from_secs(60);
const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];

/// Certificates of one test: a root, a broker's and a client's.
pub struct Certificates<'a> {
    scene: &'a Scene,
}

impl<'a> Certificates<'a> {
    pub fn make(scene: &'a Scene) -> anyhow::Result<Self> {
        let certificates = Self { scene };
        scene.file("names", "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
        certificates.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-subj",
            "/CN=sluice test",
            "-addext",
            "keyUsage=critical,keyCertSign",
        ])?;
        certificates.issue("broker")?;
        certificates.issue("client")?;
        Ok(certificates)
    }

    /// Makes `name.pem` and `name.key`.
    fn issue(&self, name: &str) -> anyhow::Result<()> {
        let (key, request, certificate) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        let subject = format!("/CN={name}");
        self.openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            &key,
            "-out",
            &request,
            "-subj",
            &subject,
        ])?;
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-out",
            &certificate,
            "-extfile",
            "names",
        ])
    }

    fn openssl(&self, arguments: &[&str]) -> anyhow::Result<()> {
        real::need("openssl", Command::new("openssl").arg("version"))?;
        let output = Command::new("openssl").args(arguments).current_dir(self.scene.folder()).output()?;
        ensure!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scene.path(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }
}

/// Our broker with a listener for users, one for owners of a certificate, and one in the clear to look in.
pub fn secured_broker(scene: &Scene, users: &str) -> anyhow::Result<(Process, [String; 3])> {
    let [plain, sasl, tls] = [(); 3].map(|()| ports::free_address());
    scene.file("users.yaml", users);
    let status = ports::free_address();
    scene.file(
        "broker.yaml",
        format!(
            "broker:\n  listen: [\"{plain}\", \"SASL_SSL://{sasl}\", \"SSL://{tls}\"]\n  data: broker-data\n  \
               status_listen: \"{status}\"\n  users: users.yaml\n  tls: {{certificate: broker.pem, key: broker.key}}\n"
        ),
    );
    let mut process = scene.start("broker", sluice::command(["broker", "--config", "broker.yaml"]));
    sluice::wait_for_broker(&mut process, &plain)?;
    Ok((process, [plain, sasl, tls]))
}

/// A file by which Java clients reach the listener for users.
fn properties(certificates: &Certificates<'_>, mechanism: &str, user: &str, password: &str) -> String {
    let module = match mechanism {
        "PLAIN" => "plain.PlainLoginModule",
        _ => "scram.ScramLoginModule",
    };
    let name = format!("{mechanism}-{user}-{password}.properties");
    certificates.scene.file(
        &name,
        format!(
            "security.protocol=SASL_SSL\nsasl.mechanism={mechanism}\nssl.truststore.type=PEM\nssl.truststore.location={}\n\
             sasl.jaas.config=org.apache.kafka.common.security.{module} required username=\"{user}\" \
             password=\"{password}\";\n",
            certificates.text("ca.pem")
        ),
    );
    certificates.text(&name)
}

/// The Java client with each mechanism, what users may not do, and a wrong password.
pub fn users_and_rights(scene: &Scene) -> anyhow::Result<()> {
    let certificates = Certificates::make(scene)?;
    let users = "writer: {password: w-secret, write: [logs]}\nreader: {password: r-secret, read: [logs]}\n";
    let (_broker, [plain, sasl, _]) = secured_broker(scene, users)?;
    topic::create(&plain, "logs-a", 1, &[])?;
    topic::create(&plain, "other", 1, &[])?;
    let mut tools = KafkaTools::start()?;
    let mut run =
        |class: &str, option: &str, file: &str, more: &[&str], input: &str| -> anyhow::Result<(i32, String)> {
            let arguments = [&["--bootstrap-server", &sasl, option, file][..], more].concat();
            let output = tools.run(&format!("org.apache.kafka.tools.{class}"), &arguments, input)?;
            Ok((output.code, format!("{}\n{}", output.stdout, output.stderr)))
        };
    let (producer, consumer) = ("ConsoleProducer", "consumer.ConsoleConsumer");
    for (count, mechanism) in (1..).zip(MECHANISMS) {
        let writer = properties(&certificates, mechanism, "writer", "w-secret");
        let (code, said) = run(producer, "--producer.config", &writer, &["--topic", "logs-a"], "a line\n")?;
        ensure!(code == 0 && topic::count(&plain, "logs-a")? == count, "produce with {mechanism}: {said}");
        let reader = properties(&certificates, mechanism, "reader", "r-secret");
        let until = ["--topic", "logs-a", "--from-beginning", "--max-messages", "1", "--timeout-ms", "60000"];
        let (code, said) = run(consumer, "--consumer.config", &reader, &until, "")?;
        ensure!(code == 0 && said.contains("a line"), "consume with {mechanism}: {said}");
        let wrong = properties(&certificates, mechanism, "writer", "wrong");
        let (code, said) = run("TopicCommand", "--command-config", &wrong, &["--list"], "")?;
        ensure!(code != 0 && said.contains("SaslAuthenticationException"), "{mechanism}, a wrong password: {said}");
    }
    let writer = properties(&certificates, "SCRAM-SHA-256", "writer", "w-secret");
    let (_, said) = run(producer, "--producer.config", &writer, &["--topic", "other"], "a line\n")?;
    ensure!(said.contains("TopicAuthorizationException"), "produce to a topic of others: {said}");
    ensure!(topic::count(&plain, "other")? == 0, "a record of a user without the right is there");
    let until = ["--topic", "logs-a", "--from-beginning", "--max-messages", "1", "--timeout-ms", "60000"];
    let (_, said) = run(consumer, "--consumer.config", &writer, &until, "")?;
    ensure!(said.contains("AuthorizationException"), "the writer may not read: {said}");
    let (_, said) = run("TopicCommand", "--command-config", &writer, &["--list"], "")?;
    ensure!(said.contains("logs-a") && !said.contains("other"), "what a writer of logs sees: {said}");
    let (code, said) = run("TopicCommand", "--command-config", &writer, &["--delete", "--topic", "logs-a"], "")?;
    ensure!(code != 0 && said.contains("TopicAuthorizationException"), "only admins delete: {said}");
    Ok(())
}

/// Kafka's own tools, through TLS and SCRAM; and without a word of Kafka's protocol to who shows no user.
pub fn java_client(scene: &Scene) -> anyhow::Result<()> {
    let certificates = Certificates::make(scene)?;
    let (_broker, [_, sasl, tls]) = secured_broker(scene, "ops: {password: o-secret, admin: true}\n")?;
    let trust = format!("ssl.truststore.type=PEM\nssl.truststore.location={}\n", certificates.text("ca.pem"));
    let user = "sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
                username=\"ops\" password=\"o-secret\";\n";
    scene.file("sasl.properties", format!("security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n{trust}{user}"));
    scene.file("tls.properties", format!("security.protocol=SSL\n{trust}"));
    let mut tools = KafkaTools::start()?;
    for (broker, properties, name) in [(&sasl, "sasl.properties", "by-user"), (&tls, "tls.properties", "by-tls")] {
        let properties = certificates.text(properties);
        let topics = "org.apache.kafka.tools.TopicCommand";
        let common = ["--bootstrap-server", broker, "--command-config", &properties];
        let created = tools.run(topics, &[&common[..], &["--create", "--topic", name]].concat(), "")?;
        ensure!(created.code == 0, "{name}: {created:?}");
        let producer = ["--bootstrap-server", broker, "--producer.config", &properties, "--topic", name];
        let produced = tools.run("org.apache.kafka.tools.ConsoleProducer", &producer, "one\ntwo\n")?;
        ensure!(produced.code == 0, "{name}: {produced:?}");
        let consumer = ["--bootstrap-server", broker, "--consumer.config", &properties, "--topic", name];
        let until = ["--from-beginning", "--max-messages", "2", "--timeout-ms", "60000"];
        let class = "org.apache.kafka.tools.consumer.ConsoleConsumer";
        let consumed = tools.run(class, &[&consumer[..], &until].concat(), "")?;
        ensure!(consumed.stdout.contains("one") && consumed.stdout.contains("two"), "{name}: {consumed:?}");
    }
    Ok(())
}

/// A certificate that is replaced is shown to new connections; a broken one changes nothing, and the log says so.
pub fn certificate_is_read_again(scene: &Scene) -> anyhow::Result<()> {
    let certificates = Certificates::make(scene)?;
    let (mut broker, [plain, _, tls]) = secured_broker(scene, "ops: {password: o-secret, admin: true}\n")?;
    let shown = || -> anyhow::Result<String> {
        let arguments = ["s_client", "-connect", &tls, "-CAfile", "ca.pem", "-verify_return_error"];
        let mut command = Command::new("openssl");
        let output = command.args(arguments).current_dir(scene.folder()).stdin(std::process::Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        Ok(said.lines().find_map(|line| line.strip_prefix("subject=")).unwrap_or_default().to_owned())
    };
    let is = |name: &str, subject: String| subject.replace(' ', "").ends_with(&format!("CN={name}"));
    ensure!(is("broker", shown()?), "the first certificate: {}", shown()?);
    // Not yet whole: the old one stays.
    std::fs::write(certificates.path("broker.pem"), "no certificate")?;
    wait::until("a word about the broken certificate", DELIVERY, || {
        let old = shown().is_ok_and(|subject| is("broker", subject));
        (old && broker.stderr().contains("the certificate stays as it was")).then_some(())
    })?;
    certificates.issue("replaced")?;
    std::fs::rename(certificates.path("replaced.key"), certificates.path("broker.key"))?;
    std::fs::rename(certificates.path("replaced.pem"), certificates.path("broker.pem"))?;
    wait::until("the replaced certificate", DELIVERY, || shown().is_ok_and(|now| is("replaced", now)).then_some(()))?;
    // Whoever was connected stays so, and the other listeners know nothing of it.
    sluice::wait_for_broker(&mut broker, &plain)
}

/// A listener in the clear that others reach needs a word.
pub fn in_the_clear(scene: &Scene) -> anyhow::Result<()> {
    let address = format!("0.0.0.0:{}", ports::free());
    let arguments = ["broker", "--listen", &address, "--data", "data", "--status-listen", &ports::free_address()];
    let refused = scene.start("refused", sluice::command(arguments));
    let Ended { status, err: said, .. } = refused.finish(DELIVERY)?;
    ensure!(!status.success() && said.contains("in the clear") && said.contains("--insecure"), "{status}: {said}");
    let mut allowed = scene.start("allowed", sluice::command([&arguments[..], &["--insecure"]].concat()));
    sluice::wait_for_broker(&mut allowed, &address.replace("0.0.0.0", "127.0.0.1"))
}

/// Agent and worker on our broker, which wants a user of each.
pub fn agent_and_worker(scene: &Scene) -> anyhow::Result<()> {
    Certificates::make(scene)?;
    let users =
        "agent: {password: a-secret, write: [logs]}\nworker: {password: w-secret, read: [logs], write: [logs]}\n";
    let (_broker, [plain, sasl, _]) = secured_broker(scene, users)?;
    for (number, mechanism) in MECHANISMS.into_iter().enumerate() {
        ship_and_deliver(scene, &plain, &sasl, &format!("logs-{number}"), mechanism, "")?;
    }
    Ok(())
}

/// The same on Apache Kafka, which wants a client certificate too.
pub fn agent_and_worker_on_apache_kafka(scene: &Scene) -> anyhow::Result<()> {
    let certificates = Certificates::make(scene)?;
    let read = |name: &str| std::fs::read_to_string(certificates.path(name)).with_context(|| name.to_owned());
    let store = scene.file("broker-store.pem", format!("{}{}", read("broker.key")?, read("broker.pem")?));
    let (controller, sasl) = (ports::free(), ports::free_address());
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
    let properties = format!(
        "listeners=PLAINTEXT://127.0.0.1:PORT,CONTROLLER://127.0.0.1:{controller},SASL_SSL://{sasl}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:PORT,SASL_SSL://{sasl}\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL\n\
         inter.broker.listener.name=PLAINTEXT\n\
         sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n\
         listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
           user_agent=\"a-secret\" user_worker=\"w-secret\";\n\
         listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={scram}\n\
         listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={scram}\n\
         ssl.keystore.type=PEM\nssl.keystore.location={}\nssl.truststore.type=PEM\nssl.truststore.location={}\n\
         listener.name.sasl_ssl.ssl.client.auth=required\n",
        store.display(),
        certificates.text("ca.pem")
    );
    let mut node = KafkaNode::new(scene, "kafka", controller, &properties)?;
    node.start()?;
    let plain = node.address();
    let mut tools = KafkaTools::start()?;
    for (user, password) in [("agent", "a-secret"), ("worker", "w-secret")] {
        for mechanism in &MECHANISMS[1..] {
            let hash = format!("{mechanism}=[password={password}]");
            let alter = ["--alter", "--entity-type", "users", "--entity-name", user, "--add-config", &hash];
            let to = ["--bootstrap-server", &plain];
            let added = tools.run("kafka.admin.ConfigCommand", &[&to[..], &alter].concat(), "")?;
            ensure!(added.code == 0, "{added:?}");
            // Apache Kafka's controller answers before its broker has heard of the user.
            let describe = [&to[..], &["--describe", "--entity-type", "users", "--entity-name", user]].concat();
            wait::until_ok(&format!("{user} with {mechanism}"), topic::KNOWN, || {
                let known = tools.run("kafka.admin.ConfigCommand", &describe, "")?;
                ensure!(known.code == 0 && known.stdout.contains(&format!("{mechanism}=")), "{known:?}");
                Ok(())
            })?;
        }
    }
    for (number, mechanism) in MECHANISMS.into_iter().enumerate() {
        let certificate = ", certificate: client.pem, key: client.key";
        ship_and_deliver(scene, &plain, &sasl, &format!("logs-{number}"), mechanism, certificate)?;
    }
    Ok(())
}

/// The agent ships a file to `topic` through the listener at `sasl`, and a worker delivers it from there.
fn ship_and_deliver(
    scene: &Scene,
    plain: &str,
    sasl: &str,
    topic: &str,
    mechanism: &str,
    certificate: &str,
) -> anyhow::Result<()> {
    let destination = Destination::stand_in();
    let path = scene.path(&format!("{topic}.log"));
    let mut file = LogFile::create(path.clone(), Stream::new(0, 1))?;
    file.write(LINES)?;
    topic::create(plain, topic, 2, &[])?;
    let tls = format!("broker_tls: {{ca: ca.pem{certificate}}}");
    let user = |name: &str, secret: &str| format!("sasl: {{mechanism: {mechanism}, user: {name}, password: {secret}}}");
    let [of_agent, of_worker] = [(); 2].map(|()| ports::free_address());
    let config = format!(
        "agent:\n  broker: {sasl}\n  {tls}\n  {}\n  topic: {topic}\n  checkpoints: checkpoints-{topic}\n  \
           status_listen: \"{of_agent}\"\n\
         worker:\n  broker: {sasl}\n  {tls}\n  {}\n  topics: [{topic}]\n  group: {topic}\n  \
           status_listen: \"{of_worker}\"\n  elasticsearch: {{urls: [\"{}\"]}}\n",
        user("agent", "a-secret"),
        user("worker", "w-secret"),
        destination.url()
    );
    let config = scene.file(&format!("{topic}.yaml"), config).to_string_lossy().into_owned();
    let ship = ["agent", "--config", &config, "--once", &path.to_string_lossy()].map(str::to_owned);
    let agent = scene.start(&format!("agent-{topic}"), sluice::command(ship));
    let Ended { status, err, .. } = agent.finish(DELIVERY)?;
    ensure!(status.success(), "the agent with {mechanism}: {status}\n{err}");
    let count = || topic::count(plain, topic);
    wait::until_equal(&format!("records of {topic}"), DELIVERY, LINES, count)?;
    let worker = scene.start(&format!("worker-{topic}"), sluice::command(["worker", "--config", &config]));
    destination.wait(LINES, DELIVERY).with_context(|| format!("the worker with {mechanism}: {}", worker.stderr()))?;
    Ok(())
}
